"""What an operator and the worker do with money: raise a limit, end what never came back."""

import re
from decimal import Decimal

from django.db import transaction
from django.db.models import F
from django.utils import timezone

from ace_project.core.errors import Conflict, InvalidInput
from ace_project.core.work import loop
from evolution import budgets, ledger
from evolution.models import Budget, LedgerEntry, LedgerKind
from playbooks import audit
from playbooks.actors import Actor

_MOST_USD = Decimal(1_000_000)
_SCOPE = re.compile(r"global|agent:\d{1,18}|run:\d{1,18}|job:\d{1,18}")
_MONTH = re.compile(r"\d{4}-(0[1-9]|1[0-2])")


@loop.every_tick
def settle_lost_calls() -> None:
    """Settle, at the worst case, the calls of processes that died before they could."""
    ledger.sweep()


@transaction.atomic
def raise_limit(*, scope: str, period: str, usd: Decimal, by: Actor, reason: str) -> Budget:
    """Add `usd` to a scope's limit for one period alone; a negative amount takes back.

    `period` is a month as `2026-11`, or empty for a run or a training job. Raises InvalidInput, or
    Conflict for more taken back than was added.
    """
    _check(scope, period, usd, reason)
    budgets.open_rows([(scope, period)])
    rows = Budget.objects.filter(scope=scope, period=period)
    if not rows.filter(raised_usd__gte=-usd).update(raised_usd=F("raised_usd") + usd):
        raise Conflict(f"less than ${-usd:f} was added to the limit of {scope} {period}".rstrip())
    row = rows.get()
    LedgerEntry.objects.create(
        kind=LedgerKind.RAISE,
        scopes=[[scope, period]],
        amount_usd=usd,
        note=f"{by}: {reason}",
    )
    audit.record(
        audit.SYSTEM,
        "budget_raised",
        by,
        now=timezone.now(),
        subject=f"{scope} {period}".rstrip(),
        data={"usd": str(usd), "raised_usd": str(row.raised_usd), "reason": reason},
    )
    return row


def _check(scope: str, period: str, usd: Decimal, reason: str) -> None:
    if not _SCOPE.fullmatch(scope):
        raise InvalidInput(f"{scope!r} is not a scope: global, or agent:, run:, job: and a number")
    is_run = scope.startswith((budgets.RUN, budgets.JOB))
    if bool(period) == is_run or (period and not _MONTH.fullmatch(period)):
        raise InvalidInput("a month is needed, as 2026-11; a run or job has none")
    if not usd.is_finite() or usd == 0 or abs(usd) > _MOST_USD:
        raise InvalidInput(f"an amount up to ${_MOST_USD:f} is needed, not 0")
    if usd != round(usd, 8):
        raise InvalidInput("an amount has at most eight places")
    if not reason.strip():
        raise InvalidInput("a reason is needed")
