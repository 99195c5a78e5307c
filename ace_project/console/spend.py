"""The money of a month in words: what is spent, and where that leads at this pace."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from math import sqrt
from statistics import stdev

from ace_project.console.templatetags import figures
from evolution import spending
from evolution.spending import Forecast, Line

# Two-sided 95 % quantiles of Student's t by degrees of freedom (days less one).
_T_95 = {2: 4.303, 3: 3.182, 4: 2.776, 5: 2.571, 6: 2.447}
_DAYS = 7
_FEWEST_DAYS = 3


@dataclass(frozen=True, slots=True)
class Projection:
    """What will be spent by the end of the month, in US dollars, with its interval (95 %).

    The interval is None while fewer than three whole days are known.
    """

    usd: float
    interval: tuple[float, float] | None


@dataclass(frozen=True, slots=True)
class Month:
    """One month's money, ready to be told."""

    now: datetime
    total: Line
    days: list[tuple[date, Decimal]]
    forecast: Forecast
    ended_calls: int
    unpriced_calls: int
    projection: Projection | None

    @property
    def name(self) -> str:
        """The month's name."""
        return f"{self.now.astimezone(UTC):%B}"

    @property
    def next_start(self) -> datetime:
        """The moment at which the next month's budget begins."""
        return month_end(self.now)

    @property
    def is_used(self) -> bool:
        """Whether any money or call belongs to the month."""
        return bool(self.ended_calls or self.total.reserved_usd or self.total.spent_usd)

    @property
    def is_up(self) -> bool:
        """Whether nothing more may be spent."""
        return self.total.remaining_usd <= 0

    @property
    def projected_usd(self) -> float | None:
        """What the month comes to at this pace, in US dollars."""
        return self.projection.usd if self.projection else None

    @property
    def heading(self) -> str:
        """The answer: what is spent of what, and where that leads."""
        if not self.is_used:
            return f"No model calls in {self.name} yet"
        spent, limit = figures.usd(self.total.spent_usd), figures.brief_usd(self.total.limit_usd)
        if self.is_up:
            held = self.total.reserved_usd
            more = f", {figures.usd(held)} more reserved" if held else ""
            return f"The budget of {self.name} is used up: {spent} of {limit}{more}"
        return f"{spent} of {limit} spent this month{self._outlook}"

    @property
    def _outlook(self) -> str:
        ends = self.forecast.runs_out_at
        if ends is not None:
            return f"; at this pace it is used up on {ends.astimezone(UTC):%-d %B}"
        if self.projection is None:
            return "; too early for a forecast"
        return f"; at this pace {figures.usd(self.projection.usd)} by the end"


def month(now: datetime) -> Month:
    """Return the month of `now`, in three queries."""
    found = spending.glance(now=now)
    return Month(
        now=now,
        total=found.total,
        days=found.days,
        forecast=found.forecast,
        ended_calls=found.ended_calls,
        unpriced_calls=found.unpriced_calls,
        projection=projected(found.total, found.days, found.forecast, now),
    )


def projected(
    total: Line, days: list[tuple[date, Decimal]], forecast: Forecast, now: datetime
) -> Projection | None:
    """Return what the month comes to at the forecast's pace, None where there is no pace.

    The interval is that of a sum of independent days (Student's t): half = t s sqrt(L + L^2 / k)
    for the L days to come, from the k whole days known.
    """
    if forecast.per_day_usd is None:
        return None
    left = (month_end(now) - now) / timedelta(days=1)
    usd = float(total.spent_usd) + float(forecast.per_day_usd) * left
    known = _whole_days(days, now)
    if len(known) < _FEWEST_DAYS:
        return Projection(usd, None)
    half = _T_95[len(known) - 1] * stdev(known) * sqrt(left + left**2 / len(known))
    return Projection(usd, (max(float(total.spent_usd), usd - half), usd + half))


def _whole_days(days: list[tuple[date, Decimal]], now: datetime) -> list[float]:
    """Return what each of the last whole days cost, from the first that cost anything."""
    today = now.astimezone(UTC).date()
    first = min((day for day, usd in days if usd), default=today)
    return [float(usd) for day, usd in days if first <= day < today][-_DAYS:]


def month_start(now: datetime) -> datetime:
    """Return the first moment (UTC) of the month of `now`."""
    day = now.astimezone(UTC)
    return datetime(day.year, day.month, 1, tzinfo=UTC)


def month_end(now: datetime) -> datetime:
    """Return the first moment (UTC) of the month after that of `now`."""
    return (month_start(now) + timedelta(days=31)).replace(day=1)
