"""The overview: the heading is the answer, figures are measured or named as not."""

import re
from collections.abc import Callable
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ace_project.core import tokens
from ace_project.core.models import WorkerBeat
from evolution import budgets, ledger
from evolution import services as evolution
from evolution.ledger import Usage
from evolution.llm import breaker
from evolution.models import EvolutionRun, ExecutionTrace, LlmCall, Pace
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, Source

pytestmark = pytest.mark.django_db


def _traces(
    agent: Agent, successes: int, runs: int, hours_ago: float = 1.0, version: int | None = None
) -> None:
    at = timezone.now() - timedelta(hours=hours_ago)
    first = ExecutionTrace.objects.count()
    ExecutionTrace.objects.bulk_create(
        ExecutionTrace(
            agent=agent, trace_id=str(first + n), success=n < successes, captured_at=at,
            playbook_version=version,
        )
        for n in range(runs)
    )  # fmt: skip


def _page(client: Client) -> str:
    return client.get("/").content.decode()


def _run(agent: Agent, status: str, **fields: Any) -> EvolutionRun:
    return EvolutionRun.objects.create(
        agent=agent, trigger="api", requested_by="test", status=status, **fields
    )


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    assert client.get("/").headers["Location"] == "/sign-in/?next=/"


def test_someone_without_a_role_sees_nothing(django_user_model: Any, client: Client) -> None:
    client.force_login(django_user_model.objects.create_user("nobody"))
    assert client.get("/").status_code == 403


@pytest.mark.parametrize("method", ["post", "put", "delete"])
def test_it_is_only_read(signed_in: Callable[..., Client], method: str) -> None:
    assert getattr(signed_in("admin"), method)("/").status_code == 405


# ---- the answer ----
def test_without_any_agent_three_steps_stand_there(signed_in: Callable[..., Client]) -> None:
    page = _page(signed_in("operator"))
    assert "<h1>Three steps until your first agent learns</h1>" in page
    assert "Create an agent" in page
    assert "Success, last 24 h" not in page


def test_with_nothing_to_do_one_may_leave(signed_in: Callable[..., Client], agent: Agent) -> None:
    _traces(agent, 1, 2)
    page = _page(signed_in("viewer"))
    assert "<h1>Nothing needs you</h1>" in page
    assert "Needs attention" not in page


def test_the_heading_counts_what_is_red_and_what_waits(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    for text in ("One lesson.", "Other advice.", "Something else entirely."):
        propose(text)
    _run(agent, "queued")
    page = _page(signed_in("viewer"))
    assert "<h1>One thing is red, three deltas are waiting</h1>" in page
    assert "Nobody works, 1 job waits" in page


def test_a_viewer_gets_no_button_that_decides(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    button = f'action="/review/{delta.pk}/"'
    assert button not in _page(signed_in("viewer"))
    assert button in _page(signed_in("reviewer"))


def test_what_only_needs_a_look_is_counted_where_nothing_waits(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    _traces(agent, 1, 2)
    _run(agent, "failed", error="ValueError")
    assert "<h1>One thing needs a look</h1>" in _page(signed_in("viewer"))


def test_what_waits_does_not_hide_in_the_heading_what_needs_a_look(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    _traces(agent, 1, 2)
    _run(agent, "failed", error="ValueError")
    waiting = propose()
    Delta.objects.filter(pk=waiting.pk).update(status="conflict")
    page = _page(signed_in("viewer"))
    assert "<h1>One delta is waiting, one thing needs a look</h1>" in page


def test_what_a_judge_holds_back_says_by_whom_and_is_opened_first(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta, warned = propose(), propose("Other advice.")
    doubt = {"judge": "evidence", "outcome": "warn", "reason": "6 of 8 do not hold: " + "t " * 99}
    held = {"judge": "council_tone", "outcome": "block", "reason": "it is rude"}
    Delta.objects.filter(pk=delta.pk).update(verdicts=[doubt, held])
    Delta.objects.filter(pk=warned.pk).update(verdicts=[doubt])
    page = _page(signed_in("reviewer"))
    assert "Held by tone: it is rude." in page
    assert "Warned by evidence: 6 of 8 do not hold: " in page and "t " * 70 not in page
    assert f'action="/review/{warned.pk}/"' in page
    assert f'action="/review/{delta.pk}/"' not in page


def test_past_three_the_conflicts_are_one_line(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    for number in range(4):
        propose(f"Lesson {number} of many.")
    client = signed_in("viewer")
    Delta.objects.update(status="conflict")
    page = _page(client)
    assert "1 more delta conflicts" in page
    assert 'href="/review/?status=conflict"' in page
    assert "of many. 1 of 1 operations still hold." in page


def test_a_worker_that_fell_silent_is_named_and_one_that_was_stopped_is_not(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    client = signed_in("viewer")
    assert "No worker runs: nothing is learned meanwhile" not in _page(client)
    beat = WorkerBeat.objects.create(name="w1")
    WorkerBeat.objects.filter(pk=beat.pk).update(beat_at=timezone.now() - timedelta(minutes=3))
    assert "No worker runs: nothing is learned meanwhile" in _page(client)


# ---- a new installation ----
def test_each_step_of_a_newcomer_leaves_one_less(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    client = signed_in("operator")
    assert "<h1>Two steps until your first agent learns</h1>" in _page(client)
    _, token = tokens.issue("airline")
    tokens.note_use(str(token.jti), timezone.now().timestamp())
    page = _page(client)
    assert "<h1>One step until your first agent learns</h1>" in page
    assert 'href="/agents/airline/connect/#first-trace"' in page
    _traces(agent, 1, 1)
    page = _page(client)
    assert "until your first agent learns" not in page
    assert "Success, last 24 h" in page


def test_a_test_trace_makes_no_figure(signed_in: Callable[..., Client], agent: Agent) -> None:
    evolution.record_test_trace(agent=agent, by=person("ann"))
    page = _page(signed_in("operator"))
    assert "A test trace landed" in page
    assert "Success, last 24 h" not in page
    _traces(agent, 0, 1, hours_ago=30)
    assert "No real agent sent one in 24 h." in _page(signed_in("viewer"))


# ---- live ----
def test_htmx_gets_the_part_that_moves_and_304_while_nothing_does(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client = signed_in("reviewer")
    propose()
    part = client.get("/", headers={"HX-Request": "true"})
    assert part.content.decode().count("<html") == 0
    assert 'id="overview"' in part.content.decode()
    seen = {"HX-Request": "true", "If-None-Match": part.headers["ETag"]}
    assert client.get("/", headers=seen).status_code == 304
    propose("Other advice.")
    assert client.get("/", headers=seen).status_code == 200


# ---- figures ----
def test_success_counts_real_agents_alone_and_carries_its_interval(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    demo = services.create_agent(agent_id="demo", author=AUTOMATIC, simulated=True)
    _traces(agent, 60, 80)
    _traces(agent, 50, 80, hours_ago=30)
    _traces(demo, 0, 50)
    page = _page(signed_in("viewer"))
    assert "75.0\u202f% <small>60 of 80</small>" in page
    assert "+12.5 points" in page
    assert "not yet a difference" in page
    assert "not counted in the figures above" in page


def test_a_day_without_traces_is_no_figure(signed_in: Callable[..., Client], agent: Agent) -> None:
    _traces(agent, 1, 2, hours_ago=30)
    page = _page(signed_in("viewer"))
    assert "No real agent sent one in 24 h." in page
    assert "0.0\u202f%" not in page


def test_an_agent_that_learned_is_not_told_what_its_first_run_needs(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    _run(agent, "completed", dry_run=True)
    assert "needs 10 traces to start learning" in _page(viewer)
    _run(agent, "completed")
    page = _page(viewer)
    assert "to start learning" not in page
    assert "nothing to compare" in page


def test_without_a_model_spend_is_no_dollar_amount(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    _traces(agent, 1, 2)
    page = _page(signed_in("viewer"))
    assert "No model calls" in page
    assert "$0" not in page


def _spend(usd: str, agent: Agent, *, priced: bool = True) -> LlmCall:
    charged = Decimal(usd)
    call = ledger.reserve(
        run=None, agent=agent, purpose="generate", endpoint="http://llm", model="m",
        usd=charged, tokens=10, seconds=60.0,
    )  # fmt: skip
    cost = charged if priced else None
    ledger.settle(call=call, usage=Usage(9, 0, 1), cost=cost, charged=charged, seconds=1.0)
    return call


def test_what_models_cost_this_month_stands_against_the_limit(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 100.0
    _spend("3.20", agent)
    _spend("0.04", agent, priced=False)
    _traces(agent, 1, 2)
    tile = _page(signed_in("viewer")).split("Model spend in")[1].split("</section>")[0]
    assert "$3.24 <small>of $100.00</small>" in tile
    assert "1 call</strong>" in tile
    assert "unpriced" in tile
    assert "Too early for a forecast." in tile


def test_a_configured_model_that_was_not_called_yet_says_so(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL = "http://llm"
    _traces(agent, 1, 2)
    page = _page(signed_in("viewer"))
    assert 'href="/budget/">$100 may be spent</a>' in page
    assert "No language model is configured" not in page


def test_it_says_until_when_automatic_runs_wait_for_cpu_time(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ACE_EVOLUTION_CPU_SHARE = 0.002
    _traces(agent, 1, 2)
    told = "Automatic runs took their CPU time; the next starts"
    client = signed_in("viewer")
    assert told not in _page(client)
    Pace.objects.create(level_seconds=-1.0, filled_at=timezone.now())
    assert re.search(f"{told} <time [^>]*>in ", _page(client))


def test_a_worker_counts_while_it_beats(signed_in: Callable[..., Client], agent: Agent) -> None:
    client = signed_in("viewer")
    beat = WorkerBeat.objects.create(name="w1")
    assert client.get("/").context["state"].workers == 1
    WorkerBeat.objects.filter(pk=beat.pk).update(beat_at=timezone.now() - timedelta(seconds=30))
    state = client.get("/").context["state"]
    assert (state.workers, state.is_stuck) == (0, False)


# ---- what needs attention ----
def test_a_budget_that_passed_a_threshold_needs_a_look_until_its_limit_is_raised(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 10.0
    _spend("7.6", agent)
    client = signed_in("operator")
    page = _page(client)
    assert "airline has passed 75 % of the budget" in page
    assert page.count("passed 75 % of the budget") == 2
    assert f"/budget/?raise=agent:{agent.pk}" in page
    _spend("2.4", agent)
    page = _page(client)
    assert "<h1>Two things are red</h1>" in page
    assert "airline has used up the budget" in page
    assert "passed" not in page.split("Needs attention")[1]
    for scope in ("global", f"agent:{agent.pk}"):
        evolution.raise_limit(
            scope=scope, period=budgets.period_of(timezone.now()), usd=Decimal(90),
            by=person("ann"), reason="more",
        )  # fmt: skip
    assert "the budget" not in _page(client)


def test_an_open_breaker_and_lost_calls_need_a_look(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 1
    permit = breaker.permit("http://llm", "<i>m</i>")
    assert permit
    breaker.failed(permit, "503")
    call = ledger.reserve(
        run=None, agent=agent, purpose="generate", endpoint="e", model="m", usd=Decimal("0.5"),
        tokens=1, seconds=60.0,
    )  # fmt: skip
    LlmCall.objects.filter(pk=call.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    ledger.sweep()
    _traces(agent, 1, 2)
    page = _page(signed_in("viewer"))
    assert "&lt;i&gt;m&lt;/i&gt; is not asked: 1 failures in a row" not in page
    assert 'href="/budget/#breakers">1 open</a>' in page
    assert "&lt;i&gt;m&lt;/i&gt; is not asked: 1 failure in a row" in page
    assert "1 call was settled at the worst case in 24 h" in page
    assert "$0.50." in page


def test_a_run_that_met_a_limit_says_what_to_do(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    error = f"the budget of agent:{agent.pk} 2026-11 is $1; $1 is spent"
    _run(agent, "failed", reason="budget_exceeded", error=error)
    page = _page(signed_in("viewer"))
    assert "of airline ended: its budget is used up" in page
    assert "Its traces stay pending" in page
    assert f"/budget/?raise=agent:{agent.pk}" in page


def test_a_version_that_measures_worse_is_red_with_the_way_back(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    services.approve_delta(delta=propose(), by=person("ann"))
    _traces(agent, 90, 100, version=1)
    _traces(agent, 50, 100, version=2)
    page = _page(signed_in("operator"))
    assert "v2 of airline does worse than v1" in page
    assert "\u221240.0 points" in page
    assert 'href="/playbooks/airline/rollback/?to=1"' in page


@pytest.mark.parametrize(("wins", "runs"), [(85, 100), (0, 15)])
def test_a_difference_that_may_be_chance_is_not_red(
    signed_in: Callable[..., Client],
    agent: Agent,
    propose: Callable[..., Delta],
    wins: int,
    runs: int,
) -> None:
    services.approve_delta(delta=propose(), by=person("ann"))
    _traces(agent, 90, 100, version=1)
    _traces(agent, wins, runs, version=2)
    assert "does worse" not in _page(signed_in("viewer"))


def test_a_failed_run_is_named_until_a_later_one_ends_well(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    client = signed_in("viewer")
    run = _run(agent, "failed", error="ValueError: <b>bad</b>")
    page = _page(client)
    assert f"Run {run.pk} of airline failed" in page
    assert "ValueError: &lt;b&gt;bad&lt;/b&gt;" in page
    _run(agent, "completed")
    assert "airline failed" not in _page(client)


def test_a_stored_conflict_offers_both_sides(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    operations = [{"op": "set", "path": "/tone", "value": "formal"}]
    services.approve_delta(delta=propose(operations=operations), by=person("ann"))
    late = propose(operations=[{"op": "set", "path": "/tone", "value": "warm"}], base_version=1)
    assert late.status == "conflict"
    page = _page(signed_in("reviewer"))
    assert f"Delta {late.pk} conflicts with airline v2" in page
    assert "0 of 1 operations still hold." in page
    assert "See both sides" in page


def test_an_author_is_told_that_changes_were_requested_and_nobody_else_is(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    _traces(agent, 3, 5)
    ann, bob = signed_in("reviewer", "ann"), signed_in("reviewer", "bob")
    delta = propose("Quote the fare.", author=person("ann"), source=Source.OPERATOR)
    services.request_changes(delta=delta, by=person("bob"), reason="Say <b>which</b> fare.")
    page = _page(ann)
    assert "One thing needs a look" in page
    assert f"Changes were requested on your delta {delta.pk}" in page
    assert "Say &lt;b&gt;which&lt;/b&gt; fare.”, asked by bob <time" in page
    assert f'href="/review/{delta.pk}/?edit=1">Revise' in page
    assert "Changes were requested on your delta" not in _page(bob)
    ann.post(
        f"/review/{delta.pk}/",
        {"do": "revise", "edited": "1", "take-0": "1", "text-0": "Quote the basic fare."},
    )
    assert "Changes were requested on your delta" not in _page(ann)


def test_an_author_who_may_revise_no_more_is_led_to_the_delta(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    vic, delta = signed_in("viewer", "vic"), propose(author=person("vic"))
    services.request_changes(delta=delta, by=person("bob"), reason="Shorter.")
    page = _page(vic)
    assert f'href="/review/{delta.pk}/">Open' in page
    assert ">Revise<" not in page


def test_past_three_the_ready_deltas_are_one_line(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    for number in range(5):
        propose(f"Lesson {number} of many.")
    assert "2 more deltas are ready" in _page(signed_in("reviewer"))


def test_todays_decisions_say_who_and_what_came_of_them(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    services.approve_delta(delta=propose("Quote <i>it</i>."), by=person("ann"))
    rejected = propose("Other advice.")
    services.reject_delta(delta=rejected, by=person("bob"), reason="too <u>vague</u>")
    page = _page(signed_in("viewer"))
    for text in ("Quote &lt;i&gt;it&lt;/i&gt;.", "too &lt;u&gt;vague&lt;/u&gt;", "ann", "bob"):
        assert text in page


def test_the_page_costs_a_fixed_number_of_queries(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    django_assert_max_num_queries: Any,
) -> None:
    client = signed_in("viewer")
    for number in range(12):
        other = services.create_agent(agent_id=f"agent-{number}", author=AUTOMATIC)
        services.approve_delta(delta=propose(agent=other), by=person("ann"))
        propose("Other advice.", agent=other)
        _traces(other, 3, 5)
        _run(other, "failed")
    # 3 of money, 3 of what waits, 4 of what it needs a person for.
    with django_assert_max_num_queries(37):
        client.get("/")
