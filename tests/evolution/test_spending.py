"""What the budget page reads, and how an operator raises a limit."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ace_project.core.errors import Conflict, InvalidInput
from evolution import budgets, ledger, services, spending
from evolution.ledger import BudgetExceeded, Usage
from evolution.llm import breaker
from evolution.models import Budget, LedgerEntry, LlmCall
from evolution.selectors import cost_of, evolution_status
from evolution.spending import Line
from playbooks import actors, audit
from playbooks import services as playbooks
from playbooks.models import Agent, AuditEvent
from playbooks.selectors import agent_by_id

pytestmark = pytest.mark.django_db
ANN = actors.person("ann")


@pytest.fixture(autouse=True)
def ten_dollars(settings: Any) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 10.0
    settings.ACE_RUN_BUDGET_USD = 1.0
    settings.ACE_LLM_MAX_CONCURRENT = 1000


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    return agent_by_id("bot")


def reserve(usd: str, agent: Agent | None = None, model: str = "m") -> LlmCall:
    return ledger.reserve(
        run=None,
        agent=agent,
        purpose="generate",
        endpoint="http://llm",
        model=model,
        usd=Decimal(usd),
        tokens=100,
        seconds=60.0,
    )


def spend(usd: str, agent: Agent | None = None, *, priced: bool = True, model: str = "m") -> None:
    charged = Decimal(usd)
    ledger.settle(
        call=reserve(usd, agent, model),
        usage=Usage(100, 40, 20),
        cost=charged if priced else None,
        charged=charged,
        seconds=1.0,
    )


def period() -> str:
    return budgets.period_of(timezone.now())


def test_with_nothing_spent_the_whole_budget_is_there() -> None:
    found = spending.overview(now=timezone.now())
    assert (found.total.limit_usd, found.total.spent_usd, found.total.remaining_usd) == (10, 0, 10)
    assert (found.agents, found.runs, found.models, found.events) == ([], [], [], [])
    assert found.forecast == spending.Forecast(None, None)


def test_the_overview_adds_up_by_agent_by_model_and_by_day(agent: Agent) -> None:
    spend("1", agent)
    spend("2", agent, priced=False, model="n")
    ledger.settle_worst_case(call=reserve("0.5"), error="?")
    reserve("0.25", agent)
    found = spending.overview(now=timezone.now())
    assert (found.total.spent_usd, found.total.reserved_usd) == (Decimal("3.5"), Decimal("0.25"))
    assert found.total.remaining_usd == Decimal("6.25")
    assert [(a.agent_id, a.spent_usd, a.limit_usd) for a in found.agents] == [("bot", 3, 10)]
    models = {m.model: m for m in found.models}
    assert (models["n"].charged_usd, models["n"].cost_usd, models["n"].unpriced) == (2, 0, 1)
    assert (models["m"].charged_usd, models["m"].answered, models["m"].failed) == (
        Decimal("1.5"),
        1,
        1,
    )
    assert sum(usd for _, usd in found.days) == found.total.spent_usd
    assert (found.unpriced_calls, found.worst_cases, found.worst_case_usd) == (1, 1, Decimal("0.5"))
    assert found.open_calls == 1


def test_an_erased_agents_line_has_no_name(agent: Agent) -> None:
    spend("1", agent)
    playbooks.delete_agent(agent=agent, author=ANN)
    (line,) = spending.overview(now=timezone.now()).agents
    assert (line.agent_id, line.spent_usd) == (None, 1)


def test_the_overview_asks_as_many_queries_for_many_agents_as_for_one(
    django_assert_num_queries: Any,
) -> None:
    for number in range(5):
        playbooks.create_agent(agent_id=f"bot-{number}", author=actors.AUTOMATIC)
        spend("0.1", agent_by_id(f"bot-{number}"), model=f"m-{number}")
    with django_assert_num_queries(9):
        spending.overview(now=timezone.now())


NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)


def line(spent: str, limit: str = "10") -> Line:
    return Line("global", "2026-11", Decimal(limit), Decimal(0), Decimal(spent), Decimal(0))


def days(**usd: str) -> list[tuple[date, Decimal]]:
    return [(date(2026, 11, int(day[1:])), Decimal(amount)) for day, amount in usd.items()]


def test_the_forecast_goes_straight_on_from_the_days_since_the_first_spending() -> None:
    found = spending.forecast(line("5"), days(d1="0", d18="2", d19="2", d20="1"), NOON)
    assert found.per_day_usd == 2
    assert found.runs_out_at == NOON + timedelta(days=2.5)


def test_the_forecast_forgets_what_was_spent_more_than_a_week_ago() -> None:
    found = spending.forecast(line("9"), days(d2="8", d19="0.65"), NOON)
    assert found.per_day_usd == Decimal("0.1")
    assert found.runs_out_at == NOON + timedelta(days=10)


def test_money_that_lasts_to_the_end_of_the_month_has_no_last_day() -> None:
    found = spending.forecast(line("1"), days(d14="1"), NOON)
    assert found.per_day_usd is not None
    assert found.runs_out_at is None


def test_nothing_is_foretold_from_less_than_a_day() -> None:
    assert spending.forecast(line("9"), days(d20="9"), NOON).per_day_usd is None


def test_after_a_quiet_week_nothing_runs_out() -> None:
    assert spending.forecast(line("9"), days(d2="9"), NOON) == spending.Forecast(Decimal(0), None)


def test_a_budget_used_up_has_run_out_now() -> None:
    assert spending.forecast(line("10"), days(d19="10"), NOON).runs_out_at == NOON


def test_a_raised_limit_lets_the_next_call_through_for_that_month_alone() -> None:
    spend("10")
    with pytest.raises(BudgetExceeded):
        reserve("1")
    row = services.raise_limit(
        scope="global", period=period(), usd=Decimal(2), by=ANN, reason="launch week"
    )
    assert row.raised_usd == 2
    assert reserve("1").pk
    assert spending.overview(now=timezone.now()).total.limit_usd == 12
    later = timezone.now() + timedelta(days=40)
    assert spending.overview(now=later).total.limit_usd == 10


def test_raising_is_in_the_journal_and_in_the_audit() -> None:
    services.raise_limit(scope="run:7", period="", usd=Decimal("0.5"), by=ANN, reason="one more")
    entry = LedgerEntry.objects.get()
    assert (entry.kind, entry.amount_usd, entry.scopes) == (
        "raise",
        Decimal("0.5"),
        [["run:7", ""]],
    )
    line = AuditEvent.objects.get(chain=audit.SYSTEM, event="budget_raised")
    assert (line.actor, line.data["reason"]) == ("person:ann", "one more")


def test_what_was_raised_can_be_taken_back_and_no_more() -> None:
    raising = {"scope": "global", "period": period(), "by": ANN, "reason": "a slip"}
    services.raise_limit(usd=Decimal(1000), **raising)
    services.raise_limit(usd=Decimal(-990), **raising)
    assert Budget.objects.get().raised_usd == 10
    with pytest.raises(Conflict):
        services.raise_limit(usd=Decimal(-11), **raising)
    assert Budget.objects.get().raised_usd == 10


@pytest.mark.parametrize(
    "wrong",
    [
        {"scope": "everything"},
        {"scope": "agent:"},
        {"period": ""},
        {"period": "2026-13"},
        {"scope": "run:3"},
        {"usd": Decimal(0)},
        {"usd": Decimal("NaN")},
        {"usd": Decimal(10) ** 8},
        {"usd": Decimal("1e-9")},
        {"reason": "  "},
    ],
)
def test_a_raise_that_makes_no_sense_is_refused(wrong: dict[str, Any]) -> None:
    right = {"scope": "global", "period": "2026-11", "usd": Decimal(1), "by": ANN, "reason": "r"}
    with pytest.raises(InvalidInput):
        services.raise_limit(**(right | wrong))
    assert not LedgerEntry.objects.exists()


def test_the_status_tells_the_known_cost_and_how_many_calls_have_none(agent: Agent) -> None:
    assert cost_of(agent) == (0.0, 0)
    spend("1.5", agent)
    assert evolution_status(agent)["total_cost"] == 1.5
    spend("2", agent, priced=False)
    found = evolution_status(agent)
    assert (found["total_cost"], found["unpriced_calls"]) == (1.5, 1)


def test_a_cost_that_nobody_knows_is_no_zero(agent: Agent) -> None:
    spend("2", agent, priced=False)
    ledger.settle_worst_case(call=reserve("1", agent), error="?")
    assert cost_of(agent) == (None, 2)


def scraped() -> dict[str, float]:
    lines = Client().get("/metrics").content.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_metrics_tell_calls_tokens_cost_errors_the_budget_and_the_breaker(agent: Agent) -> None:
    spend("1", agent)
    ledger.settle_worst_case(call=reserve("2"), error="?")
    ledger.release(call=reserve("1"), outcome="refused")
    for _ in range(5):
        breaker.failed(breaker.Permit("http://llm", "m"), "no answer")
    found = scraped()
    key = 'endpoint="http://llm",model="m"'
    assert found[f'ace_llm_requests_total{{{key},outcome="answered"}}'] == 1
    assert found[f'ace_llm_requests_total{{{key},outcome="refused"}}'] == 1
    assert found[f'ace_llm_errors_total{{{key},outcome="unknown"}}'] == 1
    assert found[f'ace_llm_tokens_used_total{{{key},type="prompt"}}'] == 100
    assert found[f'ace_llm_tokens_used_total{{{key},type="cached"}}'] == 40
    assert found[f'ace_llm_tokens_used_total{{{key},type="completion"}}'] == 20
    assert found[f"ace_llm_cost_usd_total{{{key}}}"] == 3
    assert found[f"ace_circuit_breaker_state{{{key}}}"] == 1
    assert found["ace_budget_remaining_usd"] == 7


def test_what_metrics_count_does_not_shrink_when_an_agent_is_erased(agent: Agent) -> None:
    spend("1", agent)
    before = {name: n for name, n in scraped().items() if name.startswith("ace_llm_")}
    playbooks.delete_agent(agent=agent, author=ANN)
    after = scraped()
    assert before
    assert {name: after[name] for name in before} == before


def test_a_scrape_reads_no_calls() -> None:

    spend("1")
    with CaptureQueriesContext(connection) as queries:
        scraped()
    assert not any("llm_calls" in query["sql"] for query in queries)


@pytest.mark.parametrize("model", ["llmcall", "ledgerentry", "budget", "dailytally"])
@pytest.mark.parametrize("asked", ["not a number", "7", "00000000-0000-0000-0000-000000000000"])
def test_the_admin_can_be_searched_for_anything(
    admin_client: Client, model: str, asked: str
) -> None:
    spend("1")
    assert admin_client.get(f"/admin/evolution/{model}/", {"q": asked}).status_code == 200
