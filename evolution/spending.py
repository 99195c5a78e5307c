"""What was spent, on whom and on what, how fast, and until when it lasts: for the console."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, cast

from django.db.models import F, Q, QuerySet, Sum

from evolution import budgets
from evolution.models import Budget, BudgetEvent, CallState, DailyTally, LlmCall
from playbooks.models import Agent

_NOTHING = Decimal(0)
# Recent enough to tell how fast money goes now, long enough to see past a quiet day.
_BURN_DAYS = 7
_SHOWN = 100
_SUMMED = (
    *("answered", "unknown", "unpriced", "prompt_tokens", "cached_tokens", "completion_tokens"),
    *("cost_usd", "charged_usd", "worst_case_usd"),
)


@dataclass(frozen=True, slots=True)
class Line:
    """One scope's money in one period, in US dollars; `agent_id` is None for an erased agent."""

    scope: str
    period: str
    limit_usd: Decimal
    raised_usd: Decimal
    spent_usd: Decimal
    reserved_usd: Decimal
    agent_id: str | None = None

    @property
    def remaining_usd(self) -> Decimal:
        """Return what may still be reserved; never below nothing."""
        return max(_NOTHING, self.limit_usd - self.spent_usd - self.reserved_usd)

    @property
    def used(self) -> float | None:
        """Return the share of the limit that is spent, 0 to 1 and above; None without a limit."""
        return float(self.spent_usd / self.limit_usd) if self.limit_usd else None


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls that were reserved in the period and ended; `cost_usd` holds the priced ones."""

    answered: int
    failed: int
    # Contained in `failed`: nobody knows what became of them, `worst_case_usd` is what they count.
    unknown: int
    unpriced: int
    prompt_tokens: int
    cached_tokens: int
    completion_tokens: int
    cost_usd: Decimal
    charged_usd: Decimal
    worst_case_usd: Decimal


@dataclass(frozen=True, slots=True)
class ModelLine(Calls):
    """One model's calls."""

    endpoint: str
    model: str


@dataclass(frozen=True, slots=True)
class Forecast:
    """How fast the global budget goes, in US dollars a day, and when it is gone.

    `runs_out_at` is None where it lasts to the end of the month, or nothing can be said:
    `per_day_usd` is None while spending is known for less than a day.
    """

    per_day_usd: Decimal | None
    runs_out_at: datetime | None


@dataclass(frozen=True, slots=True)
class Glance:
    """A month in brief."""

    total: Line
    days: list[tuple[date, Decimal]]
    forecast: Forecast
    ended_calls: int
    unpriced_calls: int


@dataclass(frozen=True, slots=True)
class Overview:
    """All that the budget page shows of one month."""

    total: Line
    # The most spent first; this list and the next hold at most a hundred.
    agents: list[Line]
    # The newest first.
    runs: list[Line]
    models: list[ModelLine]
    days: list[tuple[date, Decimal]]
    events: list[BudgetEvent]
    forecast: Forecast
    # Calls that were answered by a model without a price.
    unpriced_calls: int
    worst_cases: int
    worst_case_usd: Decimal
    # Reservations whose answer has not come yet.
    open_calls: int


def overview(*, now: datetime) -> Overview:
    """Return the money of the month of `now`, in a fixed number of queries."""
    period = budgets.period_of(now)
    days = _by_day(now)
    total = _total(period)
    sums = _tallies(now).aggregate(
        unpriced=Sum("unpriced"), unknown=Sum("unknown"), usd=Sum("worst_case_usd")
    )
    return Overview(
        total=total,
        agents=_agents(period),
        runs=_runs(),
        models=_by_model(now),
        days=days,
        events=list(BudgetEvent.objects.filter(Q(period=period) | Q(period=""))[:_SHOWN]),
        forecast=forecast(total, days, now),
        unpriced_calls=sums["unpriced"] or 0,
        worst_cases=sums["unknown"] or 0,
        worst_case_usd=sums["usd"] or _NOTHING,
        open_calls=LlmCall.objects.filter(state=CallState.RESERVED).count(),
    )


def glance(*, now: datetime) -> Glance:
    """Return the month of `now` in brief, in three queries."""
    total, days = _total(budgets.period_of(now)), _by_day(now)
    ended = F("answered") + F("refused") + F("unsent") + F("unknown")
    sums = _tallies(now).aggregate(ended=Sum(ended), unpriced=Sum("unpriced"))
    return Glance(
        total=total,
        days=days,
        forecast=forecast(total, days, now),
        ended_calls=sums["ended"] or 0,
        unpriced_calls=sums["unpriced"] or 0,
    )


def lines_of(scopes: Iterable[str], *, now: datetime) -> dict[str, Line]:
    """Return the money of scopes in the month of `now`, by scope; two queries."""
    rows = Budget.objects.filter(scope__in=list(scopes), period=budgets.period_of(now))
    return {line.scope: line for line in _lines(rows)}


def calls_of_agents(numbers: Iterable[int], *, now: datetime) -> dict[int, Calls]:
    """Return the calls of agents (by number) in the month of `now`; one query."""
    rows = _tallies(now).filter(agent_number__in=list(numbers)).order_by()
    found = _summed(rows.values("agent_number"))
    return {row.pop("agent_number"): Calls(**row) for row in cast(Any, found)}


def forecast(total: Line, days: list[tuple[date, Decimal]], now: datetime) -> Forecast:
    """Return the straight line through what was charged in the last seven days of the month."""
    first = min((day for day, usd in days if usd), default=None)
    if first is None:
        return Forecast(None, None)
    since = max(first, now.astimezone(UTC).date() - timedelta(days=_BURN_DAYS - 1))
    elapsed = (now - datetime.combine(since, time(), UTC)) / timedelta(days=1)
    if elapsed < 1:
        return Forecast(None, None)
    burnt = sum((usd for day, usd in days if day >= since), _NOTHING)
    per_day = burnt / Decimal(str(elapsed))
    if not per_day:
        return Forecast(_NOTHING, None)
    left = float(total.remaining_usd / per_day)
    ends = datetime.combine(_next_month(_first_of_month(now)), time(), UTC)
    lasts = left > (ends - now) / timedelta(days=1)
    return Forecast(per_day, None if lasts else now + timedelta(days=left))


def remaining(*, now: datetime) -> Decimal:
    """Return what all agents together may still reserve in the month of `now`, in US dollars."""
    return _total(budgets.period_of(now)).remaining_usd


def _total(period: str) -> Line:
    row = Budget.objects.filter(scope=budgets.GLOBAL, period=period).first()
    return _line(row or Budget(scope=budgets.GLOBAL, period=period), {})


def _line(row: Budget, agents: dict[int, Agent]) -> Line:
    owner = None
    if row.scope.startswith(budgets.AGENT):
        owner = agents.get(int(row.scope.removeprefix(budgets.AGENT)))
    return Line(
        scope=row.scope,
        period=row.period,
        limit_usd=budgets.limit_of(row.scope, agents) + row.raised_usd,
        raised_usd=Decimal(row.raised_usd),
        spent_usd=Decimal(row.spent_usd),
        reserved_usd=Decimal(row.reserved_usd),
        agent_id=owner.agent_id if owner else None,
    )


def _lines(rows: Iterable[Budget]) -> list[Line]:
    found = list(rows)
    agents = budgets.agents_in(row.scope for row in found)
    return [_line(row, agents) for row in found]


def _agents(period: str) -> list[Line]:
    rows = Budget.objects.filter(period=period, scope__startswith=budgets.AGENT)
    return _lines(rows.order_by("-spent_usd", "-reserved_usd", "scope")[:_SHOWN])


def _runs() -> list[Line]:
    rows = Budget.objects.filter(period="", scope__startswith=budgets.RUN)
    return _lines(rows.order_by("-pk")[:_SHOWN])


def _tallies(now: datetime) -> QuerySet[DailyTally]:
    first = _first_of_month(now)
    return DailyTally.objects.filter(day__gte=first, day__lt=_next_month(first))


def _by_day(now: datetime) -> list[tuple[date, Decimal]]:
    """Return what was charged for the calls reserved on each day of the month so far."""
    sums = dict(_tallies(now).order_by("day").values_list("day").annotate(Sum("charged_usd")))
    first, last = _first_of_month(now), now.astimezone(UTC).date()
    days = [first + timedelta(days=n) for n in range((last - first).days + 1)]
    return [(day, sums.get(day, _NOTHING)) for day in days]


def _by_model(now: datetime) -> list[ModelLine]:
    sums = _summed(_tallies(now).order_by().values("endpoint", "model"))
    found = sums.order_by("-charged_usd", "endpoint", "model")[:_SHOWN]
    return [ModelLine(**cast(dict[str, Any], row)) for row in found]


def _summed(groups: Any) -> Any:
    failed = Sum(F("refused") + F("unsent") + F("unknown"))
    return groups.annotate(failed=failed, **{name: Sum(name) for name in _SUMMED})


def _first_of_month(now: datetime) -> date:
    return now.astimezone(UTC).date().replace(day=1)


def _next_month(first: date) -> date:
    return (first + timedelta(days=31)).replace(day=1)
