"""Evolution runs: watched while they go on, explained when they end, asked for and called off."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evolution import ledger
from evolution.ledger import Usage
from evolution.models import EvolutionRun, ExecutionTrace, LlmCall, LlmExchange
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, Delta

LIST = "/runs/"
EVOLVE = "/playbooks/airline/evolve/"
NOW = timezone.now().isoformat()


@pytest.fixture
def run(agent: Agent) -> Callable[..., EvolutionRun]:
    """Return a maker of runs: `run(status="running")`."""

    def make(**fields: Any) -> EvolutionRun:
        fields.setdefault("status", "completed")
        fields.setdefault("agent", agent)
        return EvolutionRun.objects.create(trigger="command", requested_by="person:ann", **fields)

    return make


def url_of(run: EvolutionRun, verb: str = "") -> str:
    return f"{LIST}{run.pk}/{verb}"


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, run: Callable[..., EvolutionRun]) -> None:
    assert client.get(LIST).status_code == 302
    assert client.get(url_of(run())).status_code == 302


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_only_operators_start_cancel_and_repeat_runs(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun], role: str
) -> None:
    visitor, going = signed_in(role), run(status="running")
    for url in (EVOLVE, url_of(going, "cancel/"), url_of(going, "retry/")):
        assert visitor.post(url).status_code == 403
    assert "Cancel" not in visitor.get(url_of(going)).content.decode()
    assert EvolutionRun.objects.get().status == "running"


def test_other_methods_are_refused(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    operator, going = signed_in("operator"), run(status="running")
    for url in (EVOLVE, url_of(going, "cancel/"), url_of(going, "retry/")):
        assert operator.get(url).status_code == 405
    assert operator.post(LIST).status_code == 405
    assert operator.post(url_of(going)).status_code == 405


def test_what_is_not_there_is_a_404(signed_in: Callable[..., Client], agent: Agent) -> None:
    operator = signed_in("operator")
    assert operator.get(f"{LIST}1/").status_code == 404
    assert operator.post(f"{LIST}1/cancel/").status_code == 404
    assert operator.post("/playbooks/nobody/evolve/").status_code == 404


# ---- the list ----
def test_the_list_is_filtered_by_the_address_and_asks_nothing_per_row(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    viewer, failed = signed_in("viewer"), run(status="failed", reason="refused")
    shown = viewer.get(LIST, {"status": "failed", "agent": "airline"}).context["page"].rows
    assert [row.pk for row in shown] == [failed.pk]
    assert viewer.get(LIST, {"agent": "nobody"}).context["page"].rows == []
    with CaptureQueriesContext(connection) as one:
        viewer.get(LIST)
    for _ in range(6):
        run()
    with CaptureQueriesContext(connection) as many:
        viewer.get(LIST)
    assert len(one) == len(many) <= 7
    assert not any('"report"' in query["sql"] for query in many)


# ---- one run ----
def test_a_run_that_goes_on_asks_for_itself_and_an_ended_one_does_not(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    viewer = signed_in("viewer")
    stages = [
        {"name": "select traces", "started_at": NOW, "seconds": 0.1, "traces": 580},
        {"name": "reflect", "started_at": NOW},
    ]
    going = run(status="running", stages=stages)
    page = viewer.get(url_of(going)).content.decode()
    assert f'hx-get="{url_of(going)}"' in page
    assert "580 traces" in page
    assert [stage["state"] for stage in viewer.get(url_of(going)).context["stages"]] == [
        *("done", "running", "waiting", "waiting", "waiting"),
    ]
    EvolutionRun.objects.update(status="completed")
    assert f'hx-get="{url_of(going)}"' not in viewer.get(url_of(going)).content.decode()


def test_a_run_says_one_of_what_it_counted_once_and_nothing_it_does_not_know(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    """A failure without words is a whole sentence; traces are counted once they are chosen."""
    stages = [{"name": "generate deltas", "started_at": NOW, "seconds": 1, "drafts": 1}]
    failed = run(status="failed", stages=stages)
    page = signed_in("viewer").get(url_of(failed)).content.decode()
    assert "1 draft, 1.00 s" in page
    assert "It failed." in page
    assert "Traces chosen" not in page


def test_htmx_gets_the_changing_part_alone(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    answer = signed_in("viewer").get(url_of(run()), headers={"HX-Request": "true"})
    assert answer.content.decode().lstrip().startswith('<div id="run"')
    assert "HX-Request" in answer.headers["Vary"]


def test_a_run_that_proposed_nothing_says_what_came_nearest(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    report = {
        "notes": ["No candidate was good enough."],
        "candidates": [
            {
                "text": "Never call <b>.",
                "lift": 0.25,
                "q_value": 0.6,
                "counts": {"followed": [3, 9], "not_followed": [1, 8]},
                "more_runs": 765,
            },
            {"text": "Never call y.", "lift": None, "q_value": 1.0, "account": "not tried"},
        ],
        "not_explored": [{"text": "Before a, call z.", "runs": 12, "failed": 9}],
    }
    page = signed_in("viewer").get(url_of(run(report=report))).content.decode()
    assert "It proposed nothing" in page
    assert "No candidate was good enough." in page
    assert "about 765" in page
    assert "3 of 9" in page
    assert "Before a, call z." in page
    assert "<b>." not in page


# ---- what was asked of a model ----
def _call(run: EvolutionRun, end: str = "answered") -> LlmCall:
    call = ledger.reserve(
        run=run, agent=None, purpose="generate", endpoint="http://llm", model="gpt-<4>",
        usd=Decimal("0.03"), tokens=100, seconds=60.0,
    )  # fmt: skip
    if end == "unknown":
        ledger.settle_worst_case(call=call, error="<cut off>")
    elif end == "refused":
        ledger.release(call=call, outcome="refused", status_code=429, error="slow down")
    else:
        cost = None if end == "unpriced" else Decimal("0.0123")
        charged = Decimal("0.0123")
        ledger.settle(call=call, usage=Usage(70, 9, 8), cost=cost, charged=charged, seconds=1.0)
    return call


LLM_REPORT = {
    "model": "gpt-<4>", "fallback": ["big-<model>: its breaker is open"],
    "shown": {"t1": "trace-1", "t2": "gone"}, "left_out": {"traces": 42, "bullets": 0},
    "redacted": {"email": 12, "card": 0}, "errors": ["<b>no confidence</b>"], "decisions_known": 46,
    "refused": [{"index": 2, "errors": ["no such <bullet>"], "raw": "<raw>"}],
    "failed": "<not json>",
}  # fmt: skip


def test_a_run_says_what_cpu_time_it_took_as_far_as_that_is_known(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    client = signed_in("viewer")
    measured, old = run(cpu_seconds=1.256), run()
    assert "<dt>CPU time</dt><dd>1.26 s</dd>" in client.get(url_of(measured)).content.decode()
    assert "CPU time" not in client.get(url_of(old)).content.decode()


def test_a_run_that_asked_a_model_shows_calls_prompts_and_what_was_refused(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun], agent: Agent
) -> None:
    trace = ExecutionTrace.objects.create(
        agent=agent, trace_id="trace-1", success=True, captured_at=timezone.now()
    )
    prompts = [{"name": "generate", "version": 3, "sha256": "f" * 64}]
    asked = run(generator="llm", report=LLM_REPORT, prompts=prompts)
    for end in ("answered", "unpriced", "unknown", "refused"):
        _call(asked, end)
    kept = LlmCall.objects.filter(outcome="answered").earliest("created_at")
    LlmExchange.objects.create(call=kept, agent=agent, messages=[], answer="the whole answer")
    page = signed_in("viewer").get(url_of(asked)).content.decode()
    for text in (
        *("gpt-&lt;4&gt;", "$0.0123", "unpriced", "counts $0.0300", "&lt;cut off&gt;", "429:"),
        *("generate v3", "f" * 12, f"/traces/{trace.pk}/", "not kept any more", "12 email"),
        *("42 traces", "46 decisions", "big-&lt;model&gt;", "Delta 3 of the answer was refused:"),
        *("no such &lt;bullet&gt;", "&lt;raw&gt;", "&lt;not json&gt;", "&lt;b&gt;no confidence"),
        *(f"/calls/{kept.pk}/", "70, 8", "1 at worst case", "4 calls"),
    ):
        assert text in page, text
    assert page.count('hx-get="/calls/') == 1
    assert "the whole answer" not in page
    assert "0 card" not in page
    assert "0 bullets" not in page


def test_texts_are_offered_when_a_run_has_ended_not_under_a_page_that_refreshes_itself(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun], agent: Agent
) -> None:
    viewer, going = signed_in("viewer"), run(generator="llm", status="running")
    call = _call(going)
    LlmExchange.objects.create(call=call, agent=agent, messages=[], answer="x")
    texts = f'hx-get="/calls/{call.pk}/"'
    assert texts not in viewer.get(url_of(going)).content.decode()
    EvolutionRun.objects.update(status="completed")
    assert texts in viewer.get(url_of(going)).content.decode()


def test_the_stages_of_asking_a_model_are_foreseen_and_a_fallback_is_shown_as_it_went(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    viewer, going = signed_in("viewer"), run(status="running", generator="llm")
    names = [stage["name"] for stage in viewer.get(url_of(going)).context["stages"]]
    assert names == [
        *("Select traces", "Reflect", "Ask the model"),
        *("Judge and apply", "Look after the playbook"),
    ]
    written = ("select traces", "reflect", "ask the model", "generate deltas")
    stages = [{"name": name, "started_at": NOW, "seconds": 1} for name in written]
    EvolutionRun.objects.update(stages=stages)
    names = [stage["name"] for stage in viewer.get(url_of(going)).context["stages"]]
    assert names[2:4] == ["Ask the model", "Generate deltas"]


@pytest.mark.parametrize(
    ("scope", "text", "raises"),
    [
        ("agent:{pk} 2026-11", "The budget of airline 2026-11 is $1", True),
        ("global 2026-11", "The budget of all agents 2026-11 is $1", True),
        ("run:1", "one run may spend $1 (ACE_RUN_BUDGET_USD)", False),
    ],
)
def test_a_run_that_met_a_limit_says_whose_and_what_to_do(
    signed_in: Callable[..., Client],
    run: Callable[..., EvolutionRun],
    agent: Agent,
    scope: str,
    text: str,
    raises: bool,
) -> None:
    error = f"the budget of {scope.format(pk=agent.pk)} is $1; $1 is spent"
    failed = run(status="failed", reason="budget_exceeded", error=error, generator="llm")
    page = signed_in("operator").get(url_of(failed)).content.decode()
    assert text in page
    assert "The traces stay pending" in page
    assert ("/budget/?raise=" in page) is raises
    assert "Retry" in page


def test_a_run_with_many_calls_is_bounded_and_asks_as_many_queries(
    signed_in: Callable[..., Client],
    run: Callable[..., EvolutionRun],
    settings: Any,
    django_assert_num_queries: Any,
) -> None:
    settings.ACE_LLM_CALLS_PER_MINUTE, settings.ACE_RUN_BUDGET_USD = 1000, 100.0
    viewer, asked = signed_in("viewer"), run(generator="llm", report=LLM_REPORT)
    _call(asked)
    with CaptureQueriesContext(connection) as one:
        viewer.get(url_of(asked))
    for _ in range(60):
        _call(asked)
    with django_assert_num_queries(len(one)):
        page = viewer.get(url_of(asked)).content.decode()
    assert "61, the first 50 shown" in page


@pytest.mark.parametrize(
    "report",
    [
        [],
        {"notes": [1], "candidates": ["x"], "settings": None},
        "x",
        {
            "shown": [1],
            "redacted": [],
            "refused": [1, {}],
            "errors": {},
            "left_out": 3,
            "model": 1,
            "fallback": "x",
            "prompts": [{}, 7],
            "failed": [],
        },
    ],
)
@pytest.mark.parametrize("generator", ["statistical", "llm"])
def test_a_malformed_report_does_not_break_the_page(
    signed_in: Callable[..., Client],
    run: Callable[..., EvolutionRun],
    report: Any,
    generator: str,
) -> None:
    made = run(report=report, generator=generator)
    assert signed_in("viewer").get(url_of(made)).status_code == 200


def test_a_run_lists_its_deltas_with_verdicts(
    signed_in: Callable[..., Client],
    run: Callable[..., EvolutionRun],
    propose: Callable[..., Delta],
) -> None:
    done = run()
    delta = propose("Quote the fare.", run_id=done.pk)
    page = signed_in("viewer").get(url_of(done)).content.decode()
    assert "Quote the fare." in page
    assert f"/review/{delta.pk}/" in page


@pytest.mark.parametrize("status", ["queued", "running", "completed", "failed", "cancelled"])
def test_every_status_has_its_page(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun], status: str
) -> None:
    made = run(status=status, error="ValueError: <x>" if status == "failed" else "")
    page = signed_in("operator").get(url_of(made)).content.decode()
    assert "<x>" not in page


# ---- asking for one ----
def test_an_operator_starts_a_run_and_lands_on_it(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator", "ann").post(EVOLVE)
    made = EvolutionRun.objects.get()
    assert answer.headers["Location"] == url_of(made)
    assert (made.status, made.trigger, made.requested_by) == ("queued", "operator", "person:ann")


def test_a_second_request_shows_the_run_under_way(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    going = run(status="running")
    answer = signed_in("operator").post(EVOLVE, follow=True)
    assert answer.redirect_chain[0][0] == url_of(going)
    assert "under way already" in answer.content.decode()
    assert EvolutionRun.objects.count() == 1


def test_a_full_queue_is_told(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun], settings: Any
) -> None:
    settings.ACE_WORKER_QUEUE_SIZE = 1
    other = services.create_agent(agent_id="other", author=person("bob"))
    run(status="queued", agent=other)
    answer = signed_in("operator").post(EVOLVE, follow=True)
    assert "As many evolution runs wait as may" in answer.content.decode()


def test_cancelling_ends_a_run_once(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    operator, going = signed_in("operator", "ann"), run(status="running")
    first = operator.post(url_of(going, "cancel/"), follow=True).content.decode()
    assert f"Run {going.pk} is cancelled." in first
    second = operator.post(url_of(going, "cancel/"), follow=True).content.decode()
    assert "is cancelled already" in second
    assert EvolutionRun.objects.get().reason == "cancelled by ann"


def test_a_failed_run_is_tried_again_as_a_new_one(
    signed_in: Callable[..., Client], run: Callable[..., EvolutionRun]
) -> None:
    failed = run(status="failed", dry_run=True)
    signed_in("operator").post(url_of(failed, "retry/"))
    again = EvolutionRun.objects.exclude(pk=failed.pk).get()
    assert (again.status, again.dry_run) == ("queued", True)
