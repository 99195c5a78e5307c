"""The ledger of calls of language models: reserve the worst case, settle what it was, or release.

Nothing else changes what budgets hold, and the journal says every cent of it. Locks are taken in
one order: the agent, the lock of reservations, then the budgets of a call in the order of its
scopes, then the system's audit chain. Each verb is a transaction of its own that is committed
when it returns: a reservation that an outer transaction could take back would guard nothing.
"""

from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Any, Literal

from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Now

from ace_project.core.errors import AceError, NotFound
from evolution import budgets, tallies, throughput
from evolution.budgets import ScopeKey, exact
from evolution.models import Budget, CallState, EvolutionRun, LedgerEntry, LedgerKind, LlmCall
from evolution.throughput import TooBusy, check_concurrency, check_rates, one_at_a_time
from playbooks.models import Agent

__all__ = [
    "BudgetExceeded",
    "TooBusy",
    "Usage",
    "release",
    "reserve",
    "settle",
    "settle_worst_case",
    "sweep",
]

# The purpose of what is held for many attempts of a training job at once: no call of a model.
OF_TRAINING = throughput.OF_TRAINING
NEVER_CAME = "the answer never came"
_SWEEP_AT_MOST = 200


class BudgetExceeded(AceError):
    """A scope has no room left for the worst case of a call."""

    status = 402
    title = "The budget is used up"

    def __init__(self, row: Budget, limit_usd: Decimal, wanted_usd: Decimal) -> None:
        self.scope = row.scope
        self.limit_usd = limit_usd
        self.spent_usd = row.spent_usd
        self.reserved_usd = row.reserved_usd
        super().__init__(
            f"the budget of {row} is {_told(limit_usd)}; {_told(row.spent_usd)} is spent and "
            f"{_told(row.reserved_usd)} reserved, which leaves no room for {_told(wanted_usd)}",
            scope=row.scope,
        )


def _told(amount: Decimal) -> str:
    """Return an exact amount without the zeros at its end: `$100.00`, `$0.0001`."""
    whole, _, fraction = f"{amount:f}".partition(".")
    return f"${whole}.{fraction.rstrip('0').ljust(2, '0')}"


@dataclass(frozen=True, slots=True)
class Usage:
    """The tokens that an endpoint counted; the cached ones are contained in the prompt's."""

    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int


@transaction.atomic(durable=True)
def reserve(
    *,
    run: EvolutionRun | None,
    agent: Agent | None,
    purpose: str,
    endpoint: str,
    model: str,
    usd: Decimal,
    tokens: int,
    seconds: float,
    job: int | None = None,
) -> LlmCall:
    """Hold back the worst case of a call, in US dollars and tokens, before it is sent.

    `seconds` from now the call has surely ended. The agent is the run's where none is given; `job`
    is the number of the training job that it is made for.
    Raises BudgetExceeded, TooBusy, or NotFound where the agent was erased.
    """
    agent = agent or (run.agent if run else None)
    usd = exact(usd)
    _keep(agent)
    now = one_at_a_time()
    scopes = budgets.scopes_of(agent, run, budgets.period_of(now), job)
    _take(scopes, usd)
    if purpose != OF_TRAINING:
        check_concurrency(now)
        check_rates(now, tokens)
    call = LlmCall.objects.create(
        run=run,
        agent=agent,
        agent_number=agent.pk if agent else None,
        scopes=[list(scope) for scope in scopes],
        purpose=purpose,
        endpoint=endpoint,
        model=model,
        reserved_usd=usd,
        reserved_tokens=tokens,
        created_at=now,
        expires_at=now + timedelta(seconds=seconds),
    )
    _journal(call, LedgerKind.RESERVE, usd)
    return call


def settle(
    *, call: LlmCall, usage: Usage, cost: Decimal | None, charged: Decimal, seconds: float
) -> None:
    """Count what an answered call cost: `charged` against the budgets, in US dollars.

    `cost` is its price, None for a model without one. A call that has ended already stays as it
    is and the journal says so.
    """
    ended = _end(
        call,
        CallState.SETTLED,
        outcome="answered",
        charged_usd=exact(charged),
        cost_usd=None if cost is None else exact(cost),
        prompt_tokens=usage.prompt_tokens,
        cached_tokens=usage.cached_tokens,
        completion_tokens=usage.completion_tokens,
        seconds=seconds,
    )
    if not ended:
        _journal_late(call, LedgerKind.SETTLE, f"an answer of ${exact(charged):f}")


def settle_worst_case(*, call: LlmCall, error: str, seconds: float | None = None) -> None:
    """Count a call at what was reserved, because nobody knows what became of it."""
    if not _end_at_worst_case(call, error, seconds):
        _journal_late(call, LedgerKind.SETTLE, f"an unknown end ({error})")


def release(
    *,
    call: LlmCall,
    outcome: Literal["unsent", "refused"],
    status_code: int | None = None,
    error: str = "",
) -> None:
    """Give back what was reserved for a call that was never sent, or refused with an error."""
    if outcome not in ("unsent", "refused"):
        raise ValueError(f"a call that ended as {outcome!r} may have cost something")
    ended = _end(call, CallState.RELEASED, outcome=outcome, status_code=status_code, error=error)
    if not ended:
        _journal_late(call, LedgerKind.RELEASE, f"the word that it was {outcome}")


def sweep() -> int:
    """Settle at the worst case what was reserved by processes that died; return how many."""
    lost = LlmCall.objects.filter(state=CallState.RESERVED, expires_at__lt=Now())
    calls = list(lost.order_by("expires_at")[:_SWEEP_AT_MOST])
    return sum(_end_at_worst_case(call, NEVER_CAME, None) for call in calls)


def _keep(agent: Agent | None) -> None:
    """Keep an agent from being erased until the reservation stands."""
    if agent is None:
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1 FROM agents WHERE id = %s FOR KEY SHARE", (agent.pk,))
        if cursor.fetchone() is None:
            raise NotFound(f"there is no agent {agent.agent_id!r}")


def _take(scopes: list[ScopeKey], usd: Decimal) -> None:
    """Reserve in every scope, in order, or in none; raises BudgetExceeded."""
    budgets.open_rows(scopes)
    agents = budgets.agents_in(scope for scope, _ in scopes)
    for scope, period in scopes:
        rows = Budget.objects.filter(scope=scope, period=period)
        limit = budgets.limit_of(scope, agents)
        # One statement: it waits for whoever holds the row, and then looks at what he left.
        fits = rows.filter(spent_usd__lte=limit - usd + F("raised_usd") - F("reserved_usd"))
        if not fits.update(reserved_usd=F("reserved_usd") + usd):
            row = rows.get()
            raise BudgetExceeded(row, limit + row.raised_usd, usd)


def _end_at_worst_case(call: LlmCall, error: str, seconds: float | None) -> bool:
    return _end(
        call,
        CallState.SETTLED,
        outcome="unknown",
        worst_case=True,
        charged_usd=call.reserved_usd,
        error=error,
        seconds=seconds,
    )


@transaction.atomic(durable=True)
def _end(call: LlmCall, state: CallState, **values: Any) -> bool:
    """End a call that is under way, with all that follows from it; tell whether this did it."""
    open_call = LlmCall.objects.filter(pk=call.pk, state=CallState.RESERVED)
    ended = open_call.update(state=state, ended_at=Now(), **values)
    call.refresh_from_db()
    if not ended:
        return False
    scopes = [(scope, period) for scope, period in call.scopes]
    charged = call.charged_usd or Decimal(0)
    for scope in scopes:
        budgets.add(scope, spent=charged, reserved=-call.reserved_usd)
    if state == CallState.SETTLED:
        _journal(call, LedgerKind.SETTLE, charged, _why(call))
    else:
        _journal(call, LedgerKind.RELEASE, call.reserved_usd, call.error or call.outcome)
    tallies.count(call)
    if charged:
        budgets.note_thresholds(scopes)
    return True


def _why(call: LlmCall) -> str:
    charged = call.charged_usd or Decimal(0)
    if charged > call.reserved_usd:
        return f"${charged - call.reserved_usd:f} more than was reserved"
    if call.worst_case:
        return call.error
    return "" if call.cost_usd is not None else "unpriced"


def _journal(call: LlmCall, kind: LedgerKind, usd: Decimal, note: str = "") -> None:
    LedgerEntry.objects.create(
        call=call,
        kind=kind,
        scopes=call.scopes,
        amount_usd=usd,
        worst_case=call.worst_case,
        note=note,
    )


def _journal_late(call: LlmCall, kind: LedgerKind, what: str) -> None:
    """Say that something came for a call that had ended; it moves no money."""
    _journal(call, kind, Decimal(0), f"{what} came late: {call.state} already, nothing counted")
