"""A month of model calls, most of a budget, in every way that a call can end."""

from datetime import timedelta
from decimal import Decimal

from django.utils import timezone

from evolution import ledger, services
from evolution.ledger import Usage
from evolution.models import CircuitBreaker, DailyTally, LlmCall
from playbooks.actors import person
from playbooks.models import Agent
from playbooks.selectors import agent_by_id

ENDPOINT = "https://llm.example/v1"


def _call(owner: Agent, usd: str, model: str = "gpt-4o-mini", purpose: str = "generate") -> LlmCall:
    return ledger.reserve(
        run=None, agent=owner, purpose=purpose, endpoint=ENDPOINT, model=model,
        usd=Decimal(usd), tokens=4000, seconds=60.0,
    )  # fmt: skip


def _answered(owner: Agent, usd: str, *, model: str = "gpt-4o-mini", priced: bool = True) -> None:
    call = _call(owner, usd, model)
    cost = Decimal(usd)
    usage = Usage(prompt_tokens=3100, cached_tokens=900, completion_tokens=240)
    ledger.settle(call=call, usage=usage, cost=cost if priced else None, charged=cost, seconds=2.1)


def _move_to(day_back: int) -> None:
    """Let the calls of now be those of an earlier day of this month."""
    now = timezone.now()
    day = now.date().replace(day=max(1, now.day - day_back))
    if day == now.date():
        return
    calls = LlmCall.objects.filter(created_at__date=now.date(), endpoint=ENDPOINT)
    calls.update(created_at=now - timedelta(days=(now.date() - day).days))
    known = {(t.day, t.agent_number, t.endpoint, t.model): t for t in DailyTally.objects.all()}
    for tally in DailyTally.objects.filter(day=now.date(), endpoint=ENDPOINT):
        if (day, tally.agent_number, tally.endpoint, tally.model) not in known:
            DailyTally.objects.filter(pk=tally.pk).update(day=day)


def make_spending() -> LlmCall:
    """Spend most of the month's budget; return a call that ended at its worst case."""
    airline, warehouse = agent_by_id("airline-support"), agent_by_id("warehouse-sql")
    for back, usd in enumerate(("6.40", "7.10", "5.20", "8.80", "9.40", "7.30", "8.60"), start=1):
        _answered(airline, usd)
        _answered(warehouse, str(Decimal(usd) / 2))
        _move_to(2 * (8 - back))
    for _ in range(3):
        _answered(warehouse, "0.02", model="in-house-7b", priced=False)
    ledger.release(
        call=_call(airline, "0.05"), outcome="refused", status_code=429, error="rate limit reached"
    )
    ledger.release(call=_call(warehouse, "0.05"), outcome="unsent", error="connection refused")
    lost = _call(airline, "0.31", purpose="council")
    ledger.settle_worst_case(call=lost, error="no answer within 60 s", seconds=60.0)
    services.raise_limit(
        scope="global", period=timezone.now().strftime("%Y-%m"), usd=Decimal(25),
        by=person("bob"), reason="The refund campaign",
    )  # fmt: skip
    CircuitBreaker.objects.create(
        endpoint=ENDPOINT, model="gpt-4o-mini", failures=5, opened_at=timezone.now(),
        last_error="503: overloaded",
    )  # fmt: skip
    CircuitBreaker.objects.create(endpoint=ENDPOINT, model="in-house-7b", failures=0)
    return lost
