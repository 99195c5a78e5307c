"""Scopes of money, their periods and limits, and the thresholds that they pass."""

from collections.abc import Iterable
from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils import timezone

from evolution.models import Budget, BudgetEvent, EvolutionRun
from playbooks import audit
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent
from playbooks.selectors import setting

GLOBAL = "global"
AGENT = "agent:"
RUN = "run:"
# Of a training job; its limit is what was granted to it, as `raised_usd` of its row.
JOB = "job:"
# Per cent of a limit that leave an event each, once per scope and period.
THRESHOLDS = (50, 75, 90, 100)
# What the columns of money can hold with room for sums.
LARGEST_USD = Decimal(10) ** 9

_STEP = Decimal(1).scaleb(-8)
# A scope and its period: `("agent:7", "2026-11")`; a run and a training job have no period.
ScopeKey = tuple[str, str]


def exact(usd: Decimal) -> Decimal:
    """Return an amount to a hundred-millionth of a dollar, rounded up: never counted too low.

    Raises ValueError for what is not an amount (negative, NaN, above LARGEST_USD).
    """
    if not usd.is_finite() or not 0 <= usd <= LARGEST_USD:
        raise ValueError(f"{usd} is not an amount in US dollars")
    return usd.quantize(_STEP, ROUND_CEILING)


def period_of(moment: datetime) -> str:
    """Return the month of `moment` in UTC, as `2026-11`."""
    return moment.astimezone(UTC).strftime("%Y-%m")


def scopes_of(
    agent: Agent | None, run: EvolutionRun | None, period: str, job: int | None = None
) -> list[ScopeKey]:
    """Return what a call counts against, in the one order in which rows are locked.

    `job` is the number of the training job that the call is made for.
    """
    scopes = [(GLOBAL, period)]
    if agent is not None:
        scopes.append((f"{AGENT}{agent.pk}", period))
    if run is not None:
        scopes.append((f"{RUN}{run.pk}", ""))
    if job is not None:
        scopes.append((f"{JOB}{job}", ""))
    return scopes


def limit_of(scope: str, agents: dict[int, Agent]) -> Decimal:
    """Return the limit of a scope in US dollars as the settings have it, without what was raised.

    `agents` holds the agents with overrides by primary key; one that was erased has none.
    """
    value = settings.ACE_MONTHLY_BUDGET_USD
    if scope.startswith(JOB):
        value = 0
    elif scope.startswith(RUN):
        value = settings.ACE_RUN_BUDGET_USD
    elif scope.startswith(AGENT):
        owner = agents.get(int(scope.removeprefix(AGENT)))
        value = setting(owner, "ACE_MONTHLY_BUDGET_USD") if owner else value
    return min(Decimal(str(value)), LARGEST_USD)


def agents_in(scopes: Iterable[str]) -> dict[int, Agent]:
    """Return the agents that scopes name, by primary key, in one query."""
    keys = [int(scope.removeprefix(AGENT)) for scope in scopes if scope.startswith(AGENT)]
    return Agent.objects.in_bulk(keys) if keys else {}


def open_rows(scopes: Iterable[ScopeKey]) -> None:
    """Make the rows of scopes that were never used before."""
    rows = [Budget(scope=scope, period=period) for scope, period in scopes]
    Budget.objects.bulk_create(rows, ignore_conflicts=True)


def add(scope: ScopeKey, *, spent: Decimal, reserved: Decimal) -> None:
    """Add to what a scope spent and holds reserved, whatever its limit."""
    rows = Budget.objects.filter(scope=scope[0], period=scope[1])
    rows.update(spent_usd=F("spent_usd") + spent, reserved_usd=F("reserved_usd") + reserved)


def note_thresholds(scopes: Iterable[ScopeKey]) -> None:
    """Leave an event for every threshold that spending has reached, once; the caller locked.

    Those of months are audited on the system's chain: an agent's own chain goes with the agent,
    and its money stays. A run's or a job's stay with it, or each would write four lines of audit.
    """
    keys = list(scopes)
    agents = agents_in(scope for scope, _ in keys)
    for scope, period in keys:
        row = Budget.objects.get(scope=scope, period=period)
        limit = limit_of(scope, agents) + row.raised_usd
        reached = [t for t in THRESHOLDS if limit > 0 and row.spent_usd * 100 >= limit * t]
        for threshold in _new(row, limit, reached) if reached else []:
            if not scope.startswith((RUN, JOB)):
                audit.record(
                    audit.SYSTEM,
                    "budget_threshold",
                    AUTOMATIC,
                    now=timezone.now(),
                    subject=f"{scope} {period}",
                    data={
                        "threshold": threshold,
                        "spent_usd": str(row.spent_usd),
                        "limit_usd": str(limit),
                    },
                )


def _new(row: Budget, limit: Decimal, reached: list[int]) -> list[int]:
    sql = f"""INSERT INTO {BudgetEvent._meta.db_table}
                (scope, period, threshold, spent_usd, limit_usd)
              SELECT %s, %s, unnest(%s::int[]), %s, %s
              ON CONFLICT DO NOTHING RETURNING threshold"""
    with connection.cursor() as cursor:
        cursor.execute(sql, (row.scope, row.period, reached, row.spent_usd, limit))
        return sorted(threshold for (threshold,) in cursor.fetchall())
