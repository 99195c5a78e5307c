"""Geometry of the plots of money and calibration; templates/parts/ draws them."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate

from ace_project.console.spend import Month, month_start
from ace_project.console.templatetags import figures
from ace_project.console.templatetags.plots import Scale, Tick, coordinate, round_ticks
from evolution.calibration import Bin

# A limit this many times above all that is drawn would press the line onto the axis.
_FAR = 4.0
# A point of fewer decisions is drawn grey: it accuses nobody.
FEW = 5


@dataclass(frozen=True, slots=True)
class BurnPlot:
    """Money spent so far over the days of a month, its limit and where it leads."""

    width: int
    height: int
    left: str
    right: str
    base: str
    label: str
    path: str
    now_x: str
    now_y: str
    now_label: str
    now_label_y: str
    forecast: str
    band: str
    # Empty where the limit lies far above what is drawn.
    limit_y: str
    limit_label: str
    days: list[Tick]
    amounts: list[Tick]


def burn_plot(month: Month, *, width: int, height: int) -> BurnPlot:
    """Place a month's money: spent day by day, the forecast with its interval, and the limit.

    A forecast ends where it meets the limit: nothing is spent past it.
    """
    left, right, base, top = 44.0, width - 12.0, height - 22.0, 22.0
    length = _day(month.next_start, month)
    limit, spent, end = float(month.total.limit_usd), float(month.total.spent_usd), _ahead(month)
    most = _most(limit, max(spent, end[3]) if end else spent)
    shows_limit = limit <= most
    x, y = Scale(0, length, left, right), Scale(0, most, base, top)
    points = _spent(month)
    now_x, now_y = points[-1]
    return BurnPlot(
        width=width,
        height=height,
        left=coordinate(left),
        right=coordinate(right),
        base=coordinate(base),
        label=_told(month, limit),
        path=_path([(x(day), y(usd)) for day, usd in points]),
        now_x=coordinate(x(now_x)),
        now_y=coordinate(y(now_y)),
        now_label=figures.usd(spent),
        now_label_y=coordinate(y(now_y) - 10),
        forecast=_path([(x(now_x), y(now_y)), (x(end[0]), y(end[1]))]) if end else "",
        band=_path([(x(now_x), y(now_y)), (x(end[0]), y(end[3])), (x(end[0]), y(end[2]))]) + " Z"
        if end and end[2] < end[3]
        else "",
        limit_y=coordinate(y(limit)) if shows_limit else "",
        limit_label=f"limit {figures.brief_usd(limit)}"
        + ("" if shows_limit else ", far above this plot"),
        days=[Tick(coordinate(x(day - 0.5)), str(day)) for day in (1, 8, 15, 22, round(length))],
        amounts=[
            Tick(coordinate(y(mark)), _amount(mark, most)) for mark in round_ticks(0, most, 4)
        ],
    )


def _day(moment: datetime, month: Month) -> float:
    """Return how many days a moment lies behind the beginning of the month."""
    return (moment.astimezone(UTC) - month_start(month.now)) / timedelta(days=1)


def _ahead(month: Month) -> tuple[float, float, float, float] | None:
    """Return where the forecast ends, as (day, amount, low, high); None without one."""
    if month.forecast.runs_out_at is not None:
        limit = float(month.total.limit_usd - month.total.reserved_usd)
        return _day(month.forecast.runs_out_at, month), limit, limit, limit
    if month.projection is None:
        return None
    usd = month.projection.usd
    low, high = month.projection.interval or (usd, usd)
    return _day(month.next_start, month), usd, low, high


def _most(limit: float, drawn: float) -> float:
    """Return the upper end of the axis: the limit, where it is not far above all that is drawn."""
    if limit <= drawn * _FAR:
        return max(drawn, limit) or 1.0
    return drawn * 1.15 or limit


def _spent(month: Month) -> list[tuple[float, float]]:
    """Return (days since the month began, spent by then), to the present moment."""
    sums = list(accumulate(float(usd) for _, usd in month.days))
    # Rounding, and calls that end in another month than they began in, may part the two.
    spent = max(float(month.total.spent_usd), sums[-2] if len(sums) > 1 else 0.0)
    whole = [(float(n + 1), usd) for n, usd in enumerate(sums[:-1])]
    return [(0.0, 0.0), *whole, (_day(month.now, month), spent)]


def _path(points: Sequence[tuple[float, float]]) -> str:
    return " ".join(
        f"{'L' if n else 'M'}{coordinate(x)} {coordinate(y)}" for n, (x, y) in enumerate(points)
    )


def _amount(mark: float, most: float) -> str:
    if most >= 4:
        return figures.dollars(mark, 0)
    return figures.dollars(mark, 2 if most >= 0.04 else 4)


def _told(month: Month, limit: float) -> str:
    ahead = month.projection
    leads = f", at this pace {figures.usd(ahead.usd)} by the end" if ahead else ""
    spent = figures.usd(month.total.spent_usd)
    return f"Spent in {month.name}: {spent} of {figures.brief_usd(limit)}{leads}"


@dataclass(frozen=True, slots=True)
class BudgetBar:
    """A limit as a bar: spent, reserved, the thresholds below it and the forecast above."""

    label: str
    spent: str
    held: str
    tone: str
    forecast: str
    ticks: list[Tick]


def budget_bar(spent: float, reserved: float, limit: float, forecast: float | None) -> BudgetBar:
    """Place amounts in US dollars on a bar of 220 by 14; what passes the limit ends at it."""
    scale = Scale(0, limit or 1.0, 0.0, 220.0)
    share = spent / limit if limit else 1.0
    return BudgetBar(
        label=f"{figures.usd(spent)} spent and {figures.usd(reserved)} reserved "
        f"of {figures.brief_usd(limit)}",
        spent=coordinate(scale(spent)),
        held=coordinate(scale(spent + reserved)),
        tone="bad-f" if share >= 1 else "fill-warn" if share >= 0.9 else "fill",
        forecast="" if forecast is None else coordinate(scale(forecast)),
        ticks=[Tick(coordinate(2.2 * mark), str(mark)) for mark in (50, 75, 90)],
    )


@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """Decisions of one bin: what was stated, what became of them, with interval and count."""

    x: str
    y: str
    top: str
    bottom: str
    count: str
    label_y: str
    tone: str


@dataclass(frozen=True, slots=True)
class ReliabilityPlot:
    """A reliability diagram: on the diagonal the number stated means what it says."""

    width: int
    height: int
    left: str
    right: str
    top: str
    base: str
    label: str
    points: list[ReliabilityPoint]
    across: list[Tick]
    up: list[Tick]


def _tone(count: int, holds: bool) -> str:
    if count < FEW:
        return "mute"
    return "" if holds else "bad"


def reliability_plot(bins: Sequence[Bin]) -> ReliabilityPlot:
    """Place a reliability table; the diagonal outside an interval makes a point red."""
    width, height = 330, 260
    left, right, top, base = 34.0, 318.0, 14.0, 224.0
    x, y = Scale(0, 1, left, right), Scale(0, 1, base, top)
    points = []
    for row in bins:
        if row.stated is None or row.true is None or row.interval is None:
            continue
        low, high = row.interval
        points.append(
            ReliabilityPoint(
                x=coordinate(x(row.stated)),
                y=coordinate(y(row.true)),
                top=coordinate(y(high)),
                bottom=coordinate(y(low)),
                count=figures.thousands(row.count),
                label_y=coordinate(y(high) - 5),
                tone=_tone(row.count, low <= row.stated <= high),
            )
        )
    spoken = ", ".join(
        f"stated {row.stated:.2f} right {row.true:.2f} of {row.count}"
        for row in bins
        if row.stated is not None and row.true is not None
    )
    marks = (0, 25, 50, 75, 100)
    return ReliabilityPlot(
        width=width,
        height=height,
        left=coordinate(left),
        right=coordinate(right),
        top=coordinate(top),
        base=coordinate(base),
        label=f"Stated confidence against what became of it: {spoken}",
        points=points,
        across=[Tick(coordinate(x(mark / 100)), f"{mark / 100:.2f}") for mark in marks],
        up=[Tick(coordinate(y(mark / 100)), str(mark)) for mark in marks],
    )
