"""Money before, during and after a call, and the journal that explains it."""

import re
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models.functions import Now

from ace_project.core.errors import NotFound
from evolution import ledger, services
from evolution.ledger import BudgetExceeded, Usage
from evolution.models import (
    Budget,
    BudgetEvent,
    CallState,
    DailyTally,
    EvolutionRun,
    LedgerEntry,
    LlmCall,
    Tally,
    Trigger,
)
from playbooks import actors, audit
from playbooks import services as playbooks
from playbooks.models import Agent, AuditEvent
from playbooks.selectors import agent_by_id
from tests.conftest import ROOT

pytestmark = pytest.mark.django_db

DOLLAR = Decimal(1)
USAGE = Usage(prompt_tokens=100, cached_tokens=40, completion_tokens=20)


@pytest.fixture(autouse=True)
def room(settings: Any) -> None:
    """Let only what a test is about stand in the way."""
    settings.ACE_MONTHLY_BUDGET_USD = 10.0
    settings.ACE_RUN_BUDGET_USD = 5.0
    settings.ACE_LLM_MAX_CONCURRENT = 1000
    settings.ACE_LLM_CALLS_PER_MINUTE = 100_000
    settings.ACE_LLM_TOKENS_PER_MINUTE = 10**12


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    return agent_by_id("bot")


@pytest.fixture
def run(agent: Agent) -> EvolutionRun:
    started = services.start_run(agent=agent, trigger=Trigger.API, requested_by="test", force=True)
    assert started.run is not None
    return started.run


def reserve(usd: Decimal | int | str = 1, **options: Any) -> LlmCall:
    asked: dict[str, Any] = {
        "run": None,
        "agent": None,
        "purpose": "generate",
        "endpoint": "http://llm",
        "model": "m",
        "tokens": 1000,
        "seconds": 60.0,
        **options,
    }
    return ledger.reserve(usd=Decimal(usd), **asked)


def settle(call: LlmCall, usd: Decimal | int | str, **options: Any) -> None:
    charged = Decimal(usd)
    ledger.settle(
        **{
            "call": call,
            "usage": USAGE,
            "cost": charged,
            "charged": charged,
            "seconds": 1.0,
            **options,
        }
    )


def month() -> str:
    with connection.cursor() as cursor:
        cursor.execute("SELECT to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM')")
        return str(cursor.fetchone()[0])


def held(scope: str = "global") -> tuple[Decimal, Decimal]:
    """Return what a scope spent and holds reserved, over all its periods."""
    rows = Budget.objects.filter(scope=scope)
    return (
        sum((row.spent_usd for row in rows), Decimal(0)),
        sum((row.reserved_usd for row in rows), Decimal(0)),
    )


def lose(call: LlmCall) -> None:
    """Let the time run out in which the answer could have come."""
    LlmCall.objects.filter(pk=call.pk).update(expires_at=Now() - timedelta(seconds=1))


def test_a_reservation_is_held_in_every_scope_of_the_call(run: EvolutionRun) -> None:
    call = reserve("0.25", run=run)
    assert call.agent == run.agent
    assert call.scopes == [
        ["global", month()],
        [f"agent:{run.agent_id}", month()],
        [f"run:{run.pk}", ""],
    ]
    for scope, _ in call.scopes:
        assert held(scope) == (0, Decimal("0.25"))


def test_settling_turns_the_reservation_into_what_it_cost(run: EvolutionRun) -> None:
    call = reserve("0.25", run=run)
    settle(call, "0.07")
    for scope, _ in call.scopes:
        assert held(scope) == (Decimal("0.07"), 0)
    assert (call.state, call.outcome, call.worst_case) == ("settled", "answered", False)
    assert (call.charged_usd, call.cost_usd) == (Decimal("0.07"), Decimal("0.07"))
    assert (call.prompt_tokens, call.cached_tokens, call.completion_tokens) == (100, 40, 20)
    assert call.ended_at is not None


@pytest.mark.parametrize("outcome", ["unsent", "refused"])
def test_what_was_never_sent_or_was_refused_is_given_back_whole(
    run: EvolutionRun, outcome: Any
) -> None:
    call = reserve("0.25", run=run)
    ledger.release(call=call, outcome=outcome, status_code=429, error="slow down")
    for scope, _ in call.scopes:
        assert held(scope) == (0, 0)
    assert (call.state, call.outcome, call.status_code) == ("released", outcome, 429)
    assert call.charged_usd is None


@pytest.mark.parametrize("outcome", ["unknown", "answered", ""])
def test_nothing_else_is_released(outcome: Any) -> None:
    call = reserve()
    with pytest.raises(ValueError, match="may have cost"):
        ledger.release(call=call, outcome=outcome)
    assert held() == (0, 1)


def test_an_unknown_end_costs_what_was_reserved_and_is_marked() -> None:
    call = reserve("0.25")
    ledger.settle_worst_case(call=call, error="cut off in mid-body", seconds=3.0)
    assert held() == (Decimal("0.25"), 0)
    assert (call.outcome, call.worst_case, call.error) == ("unknown", True, "cut off in mid-body")
    assert (call.charged_usd, call.cost_usd) == (Decimal("0.25"), None)
    entry = LedgerEntry.objects.latest("id")
    assert (entry.kind, entry.worst_case, entry.amount_usd) == ("settle", True, Decimal("0.25"))


def test_a_call_that_does_not_fit_is_refused_and_leaves_no_trace(run: EvolutionRun) -> None:
    settle(reserve(3, run=run), 3)
    reserve(1, run=run)
    with pytest.raises(BudgetExceeded) as refused:
        reserve("1.00000001", run=run)
    assert refused.value.scope == f"run:{run.pk}"
    assert (refused.value.limit_usd, refused.value.spent_usd) == (5, 3)
    assert refused.value.reserved_usd == 1
    room = "is $5.00; $3.00 is spent and $1.00 reserved, which leaves no room for $1.00000001"
    assert str(refused.value.detail) == f"the budget of run:{run.pk} {room}"
    assert held() == (3, 1)
    assert LlmCall.objects.count() == LedgerEntry.objects.filter(kind="reserve").count() == 2


def test_the_last_cent_can_be_reserved() -> None:
    reserve("9.99999999")
    reserve("0.00000001")
    with pytest.raises(BudgetExceeded):
        reserve("0.00000001")
    assert held() == (0, 10)


def test_an_agents_own_limit_stops_it_and_nobody_else(agent: Agent) -> None:
    agent.overrides = {"ACE_MONTHLY_BUDGET_USD": 0.5}
    agent.save()
    with pytest.raises(BudgetExceeded) as refused:
        reserve("0.6", agent=agent)
    assert refused.value.scope == f"agent:{agent.pk}"
    assert held() == (0, 0)
    assert reserve("0.6").pk


def test_all_agents_together_never_pass_the_global_limit(agent: Agent) -> None:
    agent.overrides = {"ACE_MONTHLY_BUDGET_USD": 1000.0}
    agent.save()
    with pytest.raises(BudgetExceeded) as refused:
        reserve("10.01", agent=agent)
    assert refused.value.scope == "global"


def test_with_a_limit_of_nothing_nothing_can_be_spent(settings: Any) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 0.0
    with pytest.raises(BudgetExceeded):
        reserve("0.00000001")


def test_less_than_can_be_written_is_rounded_up_never_to_nothing() -> None:
    call = reserve("0.0000000001")
    assert call.reserved_usd == Decimal("0.00000001")
    settle(call, "0.0000000000001")
    assert held() == (Decimal("0.00000001"), 0)


@pytest.mark.parametrize("usd", ["-1", "NaN", "Infinity", "1e30"])
def test_what_is_not_an_amount_is_refused(usd: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        reserve(usd)
    call = reserve(1)
    with pytest.raises(ValueError, match="not an amount"):
        settle(call, usd)
    assert held() == (0, 1)


def test_a_call_reserved_in_november_is_settled_in_novembers_rows() -> None:
    call = reserve(1)
    LlmCall.objects.filter(pk=call.pk).update(scopes=[["global", "2020-11"]])
    Budget.objects.filter(scope="global").update(period="2020-11")
    reserve(2)
    settle(call, "0.4")
    rows = {row.period: row for row in Budget.objects.filter(scope="global")}
    november, now = rows["2020-11"], rows[month()]
    assert (november.spent_usd, november.reserved_usd) == (Decimal("0.4"), 0)
    assert (now.spent_usd, now.reserved_usd) == (0, 2)


def test_a_new_month_has_its_whole_budget_again() -> None:
    settle(reserve(10), 10)
    Budget.objects.filter(scope="global").update(period="2020-11")
    assert reserve(10).pk


def test_more_than_was_reserved_is_counted_and_said() -> None:
    call = reserve(1)
    settle(call, "1.5")
    assert held() == (Decimal("1.5"), 0)
    assert LedgerEntry.objects.latest("id").note == "$0.50000000 more than was reserved"


def test_a_call_without_a_price_counts_and_stays_unpriced() -> None:
    call = reserve(1)
    settle(call, "0.3", cost=None)
    assert held() == (Decimal("0.3"), 0)
    assert call.cost_usd is None
    assert LedgerEntry.objects.latest("id").note == "unpriced"
    tally = Tally.objects.get()
    assert (tally.unpriced, tally.cost_usd, tally.charged_usd) == (1, 0, Decimal("0.3"))


def test_the_sweeper_settles_what_nobody_came_back_for_and_says_so() -> None:
    lost, young = reserve("0.25"), reserve("0.5")
    lose(lost)
    assert ledger.sweep() == 1
    assert held() == (Decimal("0.25"), Decimal("0.5"))
    lost.refresh_from_db()
    young.refresh_from_db()
    assert (lost.state, lost.worst_case, lost.error) == ("settled", True, ledger.NEVER_CAME)
    assert young.state == CallState.RESERVED
    assert LedgerEntry.objects.latest("id").note == ledger.NEVER_CAME
    assert ledger.sweep() == 0
    assert LedgerEntry.objects.count() == 3


def test_the_worker_sweeps_at_every_tick() -> None:
    from ace_project.core.work import loop

    assert services.settle_lost_calls in loop.TICKS
    lost = reserve()
    lose(lost)
    services.settle_lost_calls()
    assert held() == (1, 0)


def test_an_answer_after_the_sweeper_is_written_down_and_not_counted_again() -> None:
    call = reserve("0.25")
    lose(call)
    ledger.sweep()
    settle(call, "0.07")
    assert held() == (Decimal("0.25"), 0)
    assert call.worst_case
    late = LedgerEntry.objects.latest("id")
    assert (late.kind, late.amount_usd) == ("settle", 0)
    assert late.note == "an answer of $0.07000000 came late: settled already, nothing counted"


ENDS = {
    "settle": lambda call: settle(call, "0.07"),
    "worst case": lambda call: ledger.settle_worst_case(call=call, error="?"),
    "release": lambda call: ledger.release(call=call, outcome="refused"),
}


@pytest.mark.parametrize("first", ENDS)
@pytest.mark.parametrize("second", ENDS)
def test_a_call_ends_once(first: str, second: str) -> None:
    call = reserve("0.25")
    ENDS[first](call)
    before, state = held(), call.state
    ENDS[second](call)
    assert held() == before
    assert call.state == state
    assert held()[1] == 0


def test_each_threshold_of_spending_leaves_one_event_and_a_line_of_audit() -> None:
    for _ in range(10):
        settle(reserve(1), 1)
    events = BudgetEvent.objects.filter(scope="global").order_by("threshold")
    assert [(event.threshold, event.spent_usd) for event in events] == [
        (50, 5),
        (75, 8),
        (90, 9),
        (100, 10),
    ]
    lines = AuditEvent.objects.filter(chain=audit.SYSTEM, event="budget_threshold")
    assert sorted(line.data["threshold"] for line in lines) == [50, 75, 90, 100]
    assert audit.verify_events(audit.SYSTEM) is None


def test_one_large_call_passes_several_thresholds_at_once(run: EvolutionRun) -> None:
    settle(reserve(4, run=run), 4)
    found = set(BudgetEvent.objects.values_list("scope", "threshold"))
    assert found == {(f"run:{run.pk}", 50), (f"run:{run.pk}", 75)}
    assert not AuditEvent.objects.filter(event="budget_threshold").exists()


def test_what_is_only_reserved_passes_no_threshold() -> None:
    reserve(10)
    assert not BudgetEvent.objects.exists()


def test_an_erased_agents_money_stays_under_its_number(agent: Agent) -> None:
    number = agent.pk
    settled, under_way = reserve(1, agent=agent), reserve(2, agent=agent)
    settle(settled, 1)
    playbooks.delete_agent(agent=agent, author=actors.AUTOMATIC)
    settle(under_way, 2)
    assert held(f"agent:{number}") == (3, 0)
    assert LlmCall.objects.filter(agent=None, agent_number=number).count() == 2
    tally = DailyTally.objects.get()
    assert (tally.agent_number, tally.answered, tally.charged_usd) == (number, 2, 3)


def test_nothing_is_reserved_for_an_agent_that_was_erased(agent: Agent) -> None:
    gone = agent_by_id("bot")
    playbooks.delete_agent(agent=agent, author=actors.AUTOMATIC)
    with pytest.raises(NotFound):
        reserve(1, agent=gone)
    assert held() == (0, 0)


def documented_sql() -> list[str]:
    text = (ROOT / "docs" / "money.md").read_text(encoding="utf-8")
    return re.findall(r"```sql\n(.*?)```", text, re.DOTALL)


def test_the_documented_sql_explains_every_cent(run: EvolutionRun) -> None:
    settle(reserve(1, run=run), "0.5")
    ledger.settle_worst_case(call=reserve("0.3", agent=run.agent), error="?")
    ledger.release(call=reserve(1), outcome="refused")
    services.raise_limit(
        scope="global", period=month(), usd=DOLLAR, by=actors.AUTOMATIC, reason="test"
    )
    reserve("0.125", run=run)
    books, lost, life = documented_sql()
    with connection.cursor() as cursor:
        cursor.execute(books)
        told = {row[0]: row[2:] for row in cursor.fetchall()}
        cursor.execute(lost)
        assert [row[3] for row in cursor.fetchall()] == [Decimal("0.3")]
        cursor.execute(life)
        assert [row[1:3] for row in cursor.fetchall()] == [("reserve", Decimal("0.125"))]
    assert set(told) == set(Budget.objects.values_list("scope", flat=True))
    for kept in told.values():
        assert kept[0::2] == kept[1::2]
    assert told["global"][0::2] == (Decimal("0.8"), Decimal("0.125"), DOLLAR)
