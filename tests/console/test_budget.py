"""Budget and quality: money is measured or said to be unknown, and a limit is raised by a person
with a reason."""

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db.models import F
from django.test import Client
from django.utils import timezone

from ace_project.console import calls, spend
from ace_project.console.templatetags import figures, money_plots
from evolution import budgets, ledger
from evolution.calibration import Bin
from evolution.ledger import Usage
from evolution.llm import breaker
from evolution.models import Budget, DailyTally, EvolutionRun, LlmCall, LlmExchange
from evolution.spending import Forecast, Line
from playbooks import audit, services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, AuditEvent, Delta, Source, Waiver

PAGE, RAISE = "/budget/", "/budget/raise/"
HOSTILE = "<script>alert(1)</script>\u202e"
ESCAPED = "&lt;script&gt;alert(1)&lt;/script&gt;"


@pytest.fixture(autouse=True)
def roomy(settings: Any) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 100.0
    settings.ACE_RUN_BUDGET_USD = 50.0
    settings.ACE_LLM_MAX_CONCURRENT = 10_000
    settings.ACE_LLM_CALLS_PER_MINUTE = 10_000
    settings.ACE_LLM_BASE_URL = settings.ACE_LLM_API_KEY = settings.PORTKEY_API_KEY = ""


def reserve(usd: str, agent: Agent | None = None, **changed: Any) -> LlmCall:
    wanted: dict[str, Any] = {
        "run": None,
        "agent": agent,
        "purpose": "generate",
        "endpoint": "http://llm/v1",
        "model": "gpt-4o-mini",
        "usd": Decimal(usd),
        "tokens": 1000,
        "seconds": 60.0,
    }
    return ledger.reserve(**(wanted | changed))


def spend_usd(
    usd: str, agent: Agent | None = None, *, priced: bool = True, **changed: Any
) -> LlmCall:
    call, charged = reserve(usd, agent, **changed), Decimal(usd)
    ledger.settle(
        call=call,
        usage=Usage(900, 300, 70),
        cost=charged if priced else None,
        charged=charged,
        seconds=1.5,
    )
    return call


def lose(usd: str, agent: Agent | None = None, **changed: Any) -> LlmCall:
    """Reserve a call whose process dies, and let the sweeper find it."""
    call = reserve(usd, agent, **changed)
    LlmCall.objects.filter(pk=call.pk).update(expires_at=timezone.now() - timedelta(seconds=1))
    assert ledger.sweep() == 1
    return call


def shown(client: Client, url: str = PAGE) -> str:
    answer = client.get(url)
    assert answer.status_code == 200
    return answer.content.decode()


def raising(**changed: str) -> dict[str, str]:
    return {"scope": "global", "usd": "25", "reason": "Black Friday"} | changed


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, db: None) -> None:
    call = spend_usd_outside()
    for url in (PAGE, f"/calls/{call.pk}/"):
        assert client.get(url).status_code == 302
    assert client.post(RAISE, raising()).status_code == 302


def spend_usd_outside() -> LlmCall:
    return LlmCall.objects.create(
        purpose="generate", endpoint="e", model="m", reserved_usd=1, reserved_tokens=1,
        expires_at=timezone.now(),
    )  # fmt: skip


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_everybody_may_look_and_only_operators_raise(
    signed_in: Callable[..., Client], role: str
) -> None:
    visitor = signed_in(role)
    assert 'action="/budget/raise/"' not in shown(visitor)
    assert "Pause all evolution" not in shown(visitor)
    assert visitor.post(RAISE, raising()).status_code == 403
    assert not Budget.objects.exists()


def test_other_methods_are_refused(signed_in: Callable[..., Client]) -> None:
    operator, call = signed_in("operator"), spend_usd_outside()
    assert operator.get(RAISE).status_code == 405
    assert operator.post(PAGE).status_code == 405
    assert operator.post(f"/calls/{call.pk}/").status_code == 405


def test_a_call_that_is_not_there_is_a_404(signed_in: Callable[..., Client]) -> None:
    viewer = signed_in("viewer")
    assert viewer.get("/calls/00000000-0000-0000-0000-000000000000/").status_code == 404
    assert viewer.get("/calls/1/").status_code == 404


# ---- empty ----
def test_without_any_call_the_page_says_what_to_set_up_and_shows_no_invented_figure(
    signed_in: Callable[..., Client],
) -> None:
    page = shown(signed_in("operator"))
    assert "<h1>No model calls yet</h1>" in page
    assert "set ACE_LLM_BASE_URL, or ACE_LLM_API_KEY" in page
    assert "No model was ever called." in page
    assert "Pause all evolution" in page
    assert 'href="/budget/"' in page


def test_with_a_model_configured_the_empty_page_waits_for_the_first_run(
    signed_in: Callable[..., Client], settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL = "http://llm/v1"
    page = shown(signed_in("viewer"))
    assert "A language model is configured" in page
    assert "set ACE_LLM_BASE_URL" not in page


# ---- figures ----
def test_what_is_spent_is_shown_by_agent_by_model_and_by_call(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    spend_usd("3.20", agent)
    page = shown(signed_in("viewer"))
    assert "<h1>$3.20 of $100 spent this month; too early for a forecast</h1>" in page
    assert "$100.00" in page
    assert page.count("900, 70") == 3
    assert 'href="/agents/airline/"' in page


def test_a_model_without_a_price_is_unpriced_and_never_nothing(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    spend_usd("0.04", agent, priced=False, model="llama")
    page = shown(signed_in("viewer"))
    assert "unpriced</span>" in page
    assert "counts $0.0400" in page
    assert "$0.00<" not in page.split("Newest calls")[1]


def test_what_nobody_knows_is_marked_as_the_worst_case_and_the_sweepers_is_named(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    lose("0.50", agent)
    ledger.settle_worst_case(call=reserve("0.25", agent), error="the connection broke")
    page = shown(signed_in("viewer"))
    lost = page.split('id="lost"')[1].split("</section>")[0]
    assert lost.count("worst case</span>") == 2
    assert "by the sweeper: the answer never came" in lost
    assert "2 this month, $0.75" in lost
    assert "unknown" in lost


def test_calls_settled_at_the_worst_case_are_listed_with_their_agent_and_why(
    agent: Agent, django_assert_num_queries: Any
) -> None:
    spend_usd("1", agent)
    for why in ("cut off", "timed out"):
        ledger.settle_worst_case(call=reserve("0.5", agent), error=why)
    with django_assert_num_queries(1):
        rows = calls.lost(timezone.now() - timedelta(days=1))
        found = [(row.call.agent.agent_id, row.call.error) for row in rows]
    assert found == [("airline", "timed out"), ("airline", "cut off")]


def test_an_open_reservation_is_listed_with_its_worst_case(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    reserve("0.30", agent)
    page = shown(signed_in("viewer"))
    assert "Open reservations" in page
    assert "at most $0.30" in page
    assert "1 call under way" in page


def test_a_simulated_agents_money_is_marked_and_an_erased_ones_stays(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    demo = services.create_agent(agent_id="demo", author=AUTOMATIC, simulated=True)
    spend_usd("1", demo)
    spend_usd("2", agent)
    services.delete_agent(agent=agent, author=person("ann"))
    table = shown(signed_in("viewer")).split('id="p-agents"')[1].split("</section>")[0]
    assert "an erased agent" in table
    assert table.index("demo") < table.index("ace-chip--sim")


def test_thresholds_passed_stand_there_with_their_moment(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    spend_usd("76", agent)
    events = shown(signed_in("viewer")).split("Thresholds passed")[1].split("</section>")[0]
    assert events.count("<time") == 4
    assert "75 %" in events
    assert "90 %" not in events
    assert "all agents" in events
    assert "airline" in events


def test_an_open_breaker_says_since_when_and_when_the_next_probe_may_go(
    signed_in: Callable[..., Client], db: None, settings: Any
) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD, settings.ACE_CB_RECOVERY_TIMEOUT = 2, 600.0
    for _ in range(2):
        permit = breaker.permit("http://llm/v1", HOSTILE)
        assert permit
        breaker.failed(permit, HOSTILE)
    page = shown(signed_in("viewer")).split('id="breakers"')[1].split("</section>")[0]
    assert "after 2 failures in a row" in page
    assert "The next probe may go" in page
    assert page.count("<time") == 2
    assert "<script>" not in page
    assert "⟨U+202E⟩" in page


def test_waivers_in_force_are_listed_and_ended_ones_are_not(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    now = timezone.now()
    for judge, until in (("council_evidence", timedelta(days=1)), ("quality", timedelta(days=-1))):
        Waiver.objects.create(
            agent=agent, judge=judge, reason=HOSTILE, waived_by="person:ann", expires_at=now + until
        )
    panel = shown(signed_in("viewer")).split("Waivers in force")[1].split("</section>")[0]
    assert "<b>Evidence</b>" in panel
    assert "quality" not in panel
    assert ESCAPED in panel


def test_everything_that_others_wrote_is_escaped(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    spend_usd("1", agent, model=HOSTILE, endpoint=f"http://{HOSTILE}", purpose=HOSTILE[:16])
    page = shown(signed_in("operator"))
    assert "<script>alert" not in page
    assert ESCAPED in page


# ---- bounded ----
def test_the_page_is_bounded_and_asks_as_many_queries_for_thousands_of_calls_as_for_few(
    signed_in: Callable[..., Client], agent: Agent, django_assert_max_num_queries: Any
) -> None:
    viewer = signed_in("viewer")
    shown(viewer)
    others = [services.create_agent(agent_id=f"bot-{n}", author=AUTOMATIC) for n in range(4)]
    for one in others:
        run = _run(one)
        lose("0.1", one, run=run)
        reserve("0.1", one, run=run)
        spend_usd("0.1", one, run=run, priced=False, model=f"m-{one.pk}")
    many_calls(others[0], 3000)
    propose(agent, "applied", 40)
    # 3 for the visitor and the frame, 1 each of deltas waiting and pauses, 9 of money, 2 of the
    # agents, 3 lists of calls, 1 of runs, 2 of breakers, 1 of waivers, 1 of the months,
    # 3 of the calibration.
    with django_assert_max_num_queries(30):
        page = shown(viewer)
    assert len(page) < 120_000
    assert page.count("<tr>") < 60
    assert len(shown(viewer, f"{PAGE}?calls=50")) < 200_000


def many_calls(agent: Agent, count: int) -> None:
    now = timezone.now()
    LlmCall.objects.bulk_create(
        LlmCall(
            agent=agent, agent_number=agent.pk, purpose="generate", endpoint="e", model="m",
            state="settled", outcome="answered", reserved_usd=1, charged_usd=1, cost_usd=1,
            reserved_tokens=1, prompt_tokens=1, completion_tokens=1, expires_at=now, ended_at=now,
        )
        for _ in range(count)
    )  # fmt: skip


def _run(agent: Agent, **fields: Any) -> EvolutionRun:
    return EvolutionRun.objects.create(
        agent=agent,
        trigger="api",
        requested_by="test",
        generator="llm",
        **({"status": "completed"} | fields),
    )


# ---- raising a limit ----
def test_an_operator_raises_the_limit_of_all_with_a_reason(
    signed_in: Callable[..., Client],
) -> None:
    answer = signed_in("operator", "ann").post(RAISE, raising(), follow=True)
    page = answer.content.decode()
    assert "The limit of all agents is raised by $25.00 for this month: it is $125.00 now." in page
    row = Budget.objects.get()
    assert (row.scope, row.raised_usd) == ("global", 25)
    event = AuditEvent.objects.get(event="budget_raised")
    assert (event.chain, event.actor) == (audit.SYSTEM, "person:ann")
    assert event.data["reason"] == "Black Friday"


def test_an_agents_limit_is_raised_by_its_name_and_taken_back(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator, scope = signed_in("operator"), f"agent:{agent.pk}"
    page = operator.post(RAISE, raising(scope=scope), follow=True).content.decode()
    assert "The limit of airline is raised by $25.00" in page
    page = operator.post(RAISE, raising(scope=scope, usd="-5"), follow=True).content.decode()
    assert "The limit of airline is lowered by $5.00 for this month: it is $120.00 now." in page


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("usd", ""),
        ("usd", "much"),
        ("usd", "0"),
        ("usd", "NaN"),
        ("usd", "1e40"),
        ("usd", "-1"),
        ("usd", "0.123456789"),
        ("reason", "  "),
        ("reason", "x" * 2001),
        ("reason", "a\x00b"),
        ("scope", ""),
        ("scope", "run:1"),
        ("scope", "agent:"),
        ("scope", "agent:٣"),
        ("scope", "agent:999999999999999999"),
        ("scope", "agent:99999999999999999999999"),
        ("scope", "everything"),
    ],
)
def test_bad_input_changes_nothing_and_says_why(
    signed_in: Callable[..., Client], field: str, value: str
) -> None:
    answer = signed_in("operator").post(RAISE, raising(**{field: value}), follow=True)
    assert answer.status_code == 200
    assert "ace-toast--error" in answer.content.decode()
    assert not Budget.objects.filter(raised_usd__gt=0).exists()
    assert not AuditEvent.objects.filter(event="budget_raised").exists()


def test_the_form_opens_on_the_limit_that_was_linked(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    spend_usd("1", agent)
    page = shown(signed_in("operator"), f"{PAGE}?raise=agent:{agent.pk}")
    assert '<dialog class="ace-dialog" id="raise-dialog" open' in page
    assert f'<option value="agent:{agent.pk}" selected>airline, now $100</option>' in page
    assert '" selected>' not in shown(signed_in("admin"), f"{PAGE}?raise={HOSTILE}")


# ---- one call ----
def test_a_calls_texts_come_by_their_own_address_escaped_and_bounded(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer, run = signed_in("viewer"), _run(agent)
    call = spend_usd("0.0123", agent, run=run)
    LlmExchange.objects.create(
        call=call,
        agent=agent,
        messages=[{"role": "user", "content": HOSTILE}, "nonsense"],
        answer="long " * 10_000,
    )
    page = shown(viewer, f"/calls/{call.pk}/")
    assert ESCAPED in page
    assert "<script>alert" not in page
    assert "10,000 more characters are kept and not shown." in page
    assert "$0.0123" in page
    part = viewer.get(f"/calls/{call.pk}/", headers={"HX-Request": "true"}).content.decode()
    assert ESCAPED in part
    assert "<html" not in part
    assert "HX-Request" in viewer.get(f"/calls/{call.pk}/")["Vary"]


def test_a_call_without_texts_says_so(signed_in: Callable[..., Client], agent: Agent) -> None:
    call = spend_usd("1", agent)
    assert "No text is kept of this call" in shown(signed_in("viewer"), f"/calls/{call.pk}/")


# ---- quality ----
def propose(agent: Agent, status: str, count: int, **fields: Any) -> None:
    values: dict[str, Any] = {
        "source": Source.LLM, "model": "gpt-4o-mini", "confidence": 0.8, "raw_confidence": 0.9,
        "applied_version": 2 if status == "applied" else None,
    }  # fmt: skip
    Delta.objects.bulk_create(
        Delta(playbook=agent.playbook, base_version=1, operations=[], author="run:1",
              status=status, **(values | fields))
        for _ in range(count)
    )  # fmt: skip


def test_few_decisions_are_too_few_to_draw(signed_in: Callable[..., Client], agent: Agent) -> None:
    propose(agent, "applied", 9)
    page = shown(signed_in("viewer"))
    assert page.count("9 of 30 decisions, too few to say.") == 2
    assert "On the dashed line" not in page
    assert "ace-reliability" not in page


def test_with_enough_decisions_stated_and_kept_numbers_are_drawn_apart(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    propose(agent, "applied", 20)
    propose(agent, "rejected", 20)
    page = shown(signed_in("viewer"))
    assert page.count("ace-reliability") == 2
    assert "stated 0.90 right 0.50 of 40" in page
    assert "stated 0.80 right 0.50 of 40" in page
    assert "off by 0.40 on average" in page
    assert "50.0\u202f% <small>20 of 40" in page


def test_the_quality_of_each_model_stands_apart_and_simulated_ones_by_themselves(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    demo = services.create_agent(agent_id="demo", author=AUTOMATIC, simulated=True)
    propose(agent, "applied", 3)
    propose(agent, "rejected", 1, model="another")
    propose(demo, "applied", 7, model="toy")
    viewer = signed_in("viewer")
    page = shown(viewer)
    assert "toy" not in page
    assert page.index('value="llm:gpt-4o-mini"') < page.index('value="llm:another"')
    simulated = shown(viewer, f"{PAGE}?simulated=1")
    assert "7 of 30 decisions" in simulated
    assert "another" not in simulated
    assert "1 of 30 decisions" in shown(viewer, f"{PAGE}?generator=llm:another")
    assert shown(viewer, f"{PAGE}?generator=nonsense:{HOSTILE}").count("3 of 30 decisions") == 2


def test_figures_of_quality_are_counted_again_only_when_a_delta_changes_them(
    signed_in: Callable[..., Client],
    agent: Agent,
    django_assert_max_num_queries: Any,
) -> None:
    propose(agent, "applied", 3)
    viewer = signed_in("viewer")
    with django_assert_max_num_queries(100) as first:
        assert "3 of 30 decisions" in shown(viewer)
    with django_assert_max_num_queries(len(first) - 3):
        assert "3 of 30 decisions" in shown(viewer)
    propose(agent, "rejected", 1)
    assert "4 of 30 decisions" in shown(viewer)
    Delta.objects.filter(status="rejected").update(status="undone", decided_at=timezone.now())
    assert "3 of 4" in shown(viewer)


# ---- the words of a month ----
NOON = datetime(2026, 11, 11, 12, tzinfo=UTC)


def month(spent: str, *, limit: str = "100", forecast: Forecast | None = None) -> spend.Month:
    total = Line("global", "2026-11", Decimal(limit), Decimal(0), Decimal(spent), Decimal(0))
    forecast = forecast or Forecast(Decimal(1), None)
    days = [(date(2026, 11, n), Decimal(n % 2)) for n in range(1, 12)]
    projection = spend.projected(total, days, forecast, NOON)
    return spend.Month(NOON, total, days, forecast, 9, 0, projection)


@pytest.mark.parametrize(
    ("found", "heading"),
    [
        (month("3.20"), "$3.20 of $100 spent this month; at this pace $22.70 by the end"),
        (
            month("90", forecast=Forecast(Decimal(9), datetime(2026, 11, 13, tzinfo=UTC))),
            "$90.00 of $100 spent this month; at this pace it is used up on 13 November",
        ),
        (month("100"), "The budget of November is used up: $100.00 of $100"),
        (
            month("0.5", limit="12.5", forecast=Forecast(None, None)),
            "$0.50 of $12.50 spent this month; too early for a forecast",
        ),
    ],
)
def test_the_heading_is_the_answer(found: spend.Month, heading: str) -> None:
    assert found.heading == heading


def test_the_forecasts_interval_holds_it() -> None:
    ahead = month("3.20").projection
    assert ahead
    assert ahead.interval
    assert ahead.interval[0] < ahead.usd < ahead.interval[1]


def test_the_forecasts_interval_never_falls_below_what_is_spent() -> None:
    ahead = month("3.20", forecast=Forecast(Decimal("0.1"), None)).projection
    assert ahead
    assert ahead.interval
    assert ahead.interval[0] == 3.2


def test_with_fewer_than_three_whole_days_there_is_no_interval() -> None:
    days = [(date(2026, 11, 10), Decimal(1)), (date(2026, 11, 11), Decimal(2))]
    total = month("3").total
    ahead = spend.projected(total, days, Forecast(Decimal(2), None), NOON)
    assert ahead
    assert ahead.interval is None
    assert ahead.usd == pytest.approx(3 + 2 * 19.5)


def test_a_tiny_amount_is_never_rounded_to_nothing() -> None:
    assert figures.usd(Decimal("0.0041")) == "$0.0041"
    assert figures.usd(Decimal("0.00000001")) == "under $0.0001"
    assert figures.usd(Decimal("-12.5")) == "\u2212$12.50"
    assert figures.usd(0) == "$0.00"
    assert figures.brief_usd(Decimal("0.0001")) == "$0.0001"
    assert figures.brief_usd(Decimal("12.5")) == "$12.50"


def test_the_burn_line_ends_now_below_a_limit_that_is_drawn_only_where_it_is_near() -> None:
    near = money_plots.burn_plot(month("40"), width=780, height=240)
    assert near.limit_y
    assert float(near.limit_y) < float(near.now_y)
    assert near.path.endswith(f"L{near.now_x} {near.now_y}")
    far = money_plots.burn_plot(month("3.20", limit="5000"), width=780, height=240)
    assert far.limit_y == ""
    assert far.limit_label == "limit $5,000, far above this plot"


def test_a_forecast_ends_where_it_meets_the_limit() -> None:
    gone = Forecast(Decimal(9), datetime(2026, 11, 13, tzinfo=UTC))
    plot = money_plots.burn_plot(month("90", forecast=gone), width=780, height=240)
    assert plot.forecast.endswith(f" {plot.limit_y}")
    assert plot.band == ""
    assert float(plot.forecast.split("L")[1].split()[0]) < float(plot.right)


def test_a_point_accuses_only_with_enough_decisions_and_the_diagonal_outside() -> None:
    table = [
        Bin(0.1, 0.2, 40, 0.15, 0.15, (0.07, 0.29)),
        Bin(0.8, 0.9, 40, 0.85, 0.5, (0.35, 0.65)),
        Bin(0.9, 1.0, 2, 0.95, 0.0, (0.0, 0.66)),
        Bin(0.0, 0.1, 0, None, None, None),
    ]
    plot = money_plots.reliability_plot(table)
    assert [point.tone for point in plot.points] == ["", "bad", "mute"]
    assert [point.count for point in plot.points] == ["40", "40", "2"]


def test_a_call_of_last_month_is_not_this_months_money(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    call = spend_usd("1", agent)
    ago = timedelta(days=40)
    LlmCall.objects.filter(pk=call.pk).update(created_at=F("created_at") - ago)
    Budget.objects.update(period=budgets.period_of(timezone.now() - ago))
    DailyTally.objects.update(day=timezone.now().date() - ago)
    page = shown(signed_in("viewer"))
    assert f"<h1>No model calls in {timezone.now():%B} yet</h1>" in page
    assert "Nothing spent yet" in page
