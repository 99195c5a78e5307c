"""The ledger as a state machine: whatever comes in whatever order, the books balance."""

from collections import defaultdict
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import transaction
from django.db.models.functions import Now
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from evolution import ledger, services
from evolution.ledger import BudgetExceeded, Usage
from evolution.models import Budget, BudgetEvent, DailyTally, LedgerEntry, LlmCall, Tally
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent
from playbooks.selectors import agent_by_id

GLOBAL_LIMIT, AGENT_LIMIT = Decimal(3), Decimal(2)
USD = st.integers(0, 150_000_000).map(lambda n: Decimal(n).scaleb(-8))


class Ledger(RuleBasedStateMachine):
    """Two agents and nobody spend; the model keeps for every call what it should hold."""

    calls = Bundle("calls")

    def __init__(self) -> None:
        super().__init__()
        # Each example in a transaction of its own, which the ledger takes for the test's.
        self.example = transaction.atomic()
        self.example._from_testcase = True  # type: ignore[attr-defined]
        self.example.__enter__()
        self.agents: list[Agent | None] = [None, *map(make_agent, ("anna", "bert"))]
        # What each call holds reserved, and what it has spent.
        self.reserved: dict[Any, Decimal] = {}
        self.spent: dict[Any, Decimal] = {}
        self.raised = Decimal(0)
        # By how much answers cost more than was reserved for them.
        self.beyond = Decimal(0)

    def teardown(self) -> None:
        transaction.set_rollback(True)
        self.example.__exit__(None, None, None)

    @rule(target=calls, who=st.integers(0, 2), usd=USD)
    def reserve(self, who: int, usd: Decimal) -> LlmCall | None:
        agent = self.agents[who]
        room = min(
            GLOBAL_LIMIT + self.raised - self.held(None),
            AGENT_LIMIT - self.held(agent) if agent else GLOBAL_LIMIT + self.raised,
        )
        try:
            call = ledger.reserve(
                run=None,
                agent=agent,
                purpose="generate",
                endpoint="http://llm",
                model="m",
                usd=usd,
                tokens=1,
                seconds=60.0,
            )
        except BudgetExceeded:
            assert usd > room
            return None
        assert usd <= room
        self.reserved[call.pk] = usd
        return call

    @rule(call=calls, usd=USD, priced=st.booleans())
    def settle(self, call: LlmCall | None, usd: Decimal, priced: bool) -> None:
        if call is None:
            return
        cost = usd if priced else None
        usage = Usage(10, 5, 2)
        if call.pk in self.reserved:
            self.beyond += max(Decimal(0), usd - self.reserved.pop(call.pk))
            self.spent[call.pk] = usd
        ledger.settle(call=call, usage=usage, cost=cost, charged=usd, seconds=1.0)

    @rule(call=calls)
    def settle_worst_case(self, call: LlmCall | None) -> None:
        if call is None:
            return
        if call.pk in self.reserved:
            self.spent[call.pk] = self.reserved.pop(call.pk)
        ledger.settle_worst_case(call=call, error="cut off")

    @rule(call=calls, sent=st.booleans())
    def release(self, call: LlmCall | None, sent: bool) -> None:
        if call is None:
            return
        self.reserved.pop(call.pk, None)
        ledger.release(call=call, outcome="refused" if sent else "unsent")

    @rule(call=calls)
    def lose(self, call: LlmCall | None) -> None:
        if call is None:
            return
        rows = LlmCall.objects.filter(pk=call.pk, state="reserved")
        swept = rows.update(expires_at=Now() - timedelta(seconds=1))
        assert ledger.sweep() == swept
        if swept:
            self.spent[call.pk] = self.reserved.pop(call.pk)

    @rule(usd=USD.filter(bool))
    def raise_limit(self, usd: Decimal) -> None:
        period = Budget.objects.filter(scope="global").values_list("period", flat=True).first()
        if period is None:
            return
        services.raise_limit(
            scope="global", period=period, usd=usd, by=actors.AUTOMATIC, reason="test"
        )
        self.raised += usd

    def held(self, agent: Agent | None) -> Decimal:
        """Return what the model holds reserved and spent of an agent, or of all."""
        amounts = {**self.reserved, **self.spent}
        rows = LlmCall.objects.filter(pk__in=amounts)
        rows = rows.filter(agent=agent) if agent else rows
        return sum((amounts[pk] for pk in rows.values_list("pk", flat=True)), Decimal(0))

    @invariant()
    def every_budget_is_what_the_journal_says(self) -> None:
        journal = list(LedgerEntry.objects.all())
        ended = {entry.call_id for entry in journal if entry.kind in ("settle", "release")}
        told: dict[tuple[str, str], list[Decimal]] = defaultdict(lambda: [Decimal(0)] * 3)
        for entry in journal:
            place = {"settle": 0, "reserve": 1, "raise": 2}.get(entry.kind)
            if place is None or (place == 1 and entry.call_id in ended):
                continue
            for scope, period in entry.scopes:
                told[scope, period][place] += entry.amount_usd
        kept = {
            (b.scope, b.period): [b.spent_usd, b.reserved_usd, b.raised_usd]
            for b in Budget.objects.all()
            if b.spent_usd or b.reserved_usd or b.raised_usd
        }
        assert {key: sums for key, sums in told.items() if any(sums)} == kept

    @invariant()
    def all_that_is_held_is_what_the_calls_hold(self) -> None:
        row = Budget.objects.filter(scope="global").first()
        assert (row.spent_usd if row else 0) == sum(self.spent.values())
        assert (row.reserved_usd if row else 0) == sum(self.reserved.values())
        assert sum(self.spent.values()) == sum(t.charged_usd for t in Tally.objects.all())
        assert sum(self.spent.values()) == sum(t.charged_usd for t in DailyTally.objects.all())

    @invariant()
    def no_limit_is_passed_but_by_what_an_endpoint_counted_too_much(self) -> None:
        for row in Budget.objects.all():
            limit = GLOBAL_LIMIT + row.raised_usd if row.scope == "global" else AGENT_LIMIT
            assert row.spent_usd + row.reserved_usd <= limit + self.beyond

    @invariant()
    def each_threshold_left_at_most_one_event(self) -> None:
        events = list(BudgetEvent.objects.values_list("scope", "period", "threshold"))
        assert len(events) == len(set(events))


def make_agent(agent_id: str) -> Agent:
    playbooks.create_agent(agent_id=agent_id, author=actors.AUTOMATIC)
    agent = agent_by_id(agent_id)
    agent.overrides = {"ACE_MONTHLY_BUDGET_USD": float(AGENT_LIMIT)}
    agent.save(update_fields=["overrides"])
    return agent


@pytest.mark.django_db
def test_the_books_balance_whatever_comes_in_whatever_order(settings: Any) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = float(GLOBAL_LIMIT)
    settings.ACE_LLM_MAX_CONCURRENT = 1000
    settings.ACE_LLM_CALLS_PER_MINUTE = 1_000_000
    run_state_machine_as_test(
        Ledger, settings=hypothesis_settings(max_examples=12, stateful_step_count=25)
    )
