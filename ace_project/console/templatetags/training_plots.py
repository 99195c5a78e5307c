"""Geometry of the plots of training; templates/parts/curve.html and mini.html draw them.

The same figures go into the page as data: static/plots.js draws them live where scripts run.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from ace_project.console.job_curves import Curve
from ace_project.console.templatetags import figures
from ace_project.console.templatetags.plots import Scale, Tick, coordinate, nice_step, round_ticks

WIDTH, HEIGHT = 410, 200
LEFT, RIGHT, TOP, BASE = 30.0, 402.0, 8.0, 176.0
# About so many marks on the axis of values: with fewer a round step can leave a single one.
_UP = 6
MINI_WIDTH, MINI_HEIGHT, MINI_POINTS = 180, 36, 48


@dataclass(frozen=True, slots=True)
class Mark:
    """A value with its interval, placed; without an interval `top` and `bottom` are empty."""

    x: str
    y: str
    top: str
    bottom: str


@dataclass(frozen=True, slots=True)
class Base:
    """What a curve is compared with: a line, the band of its interval, and its name."""

    y: str
    top: str
    height: str
    label_y: str
    label: str


@dataclass(frozen=True, slots=True)
class CurvePlot:
    """A curve placed, and the same as data for a script."""

    label: str
    band: str
    path: str
    marks: list[Mark]
    base: Base | None
    across: list[Tick]
    up: list[Tick]
    data: str


def _bounds(curve: Curve) -> tuple[float, float]:
    """Return the lowest and the highest value that is drawn, a little room around them."""
    drawn = [v for values in (curve.y, curve.low, curve.high) for v in values if v is not None]
    drawn += [v for v in curve.base or () if v is not None]
    low, high = min(drawn), max(drawn)
    room = 0.06 * ((high - low) or abs(high) or 1.0)
    return low - room, high + room


def curve_plot(curve: Curve, *, end: int, what: str, factor: float, bars: bool) -> CurvePlot:
    """Place a curve over iterations 0 to `end`; `factor` is 100 where shares are told in per cent.

    With `bars` every value has a mark and a whisker, otherwise the bounds are a band and the
    newest value has a mark.
    """
    low, high = _bounds(curve)
    x, y = Scale(0, end, LEFT, RIGHT), Scale(low, high, BASE, TOP)
    marks = [_mark(curve, at, x, y) for at in range(len(curve.x)) if curve.y[at] is not None]
    across = [float(t) for t in round_ticks(0, end, 4) if t == int(t)]
    up = round_ticks(low * factor, high * factor, _UP)
    digits = 0 if nice_step((high - low) * factor, _UP) >= 1 else 2
    return CurvePlot(
        label=_told(curve, what, factor),
        band="" if bars else _band(curve, x, y),
        path=" ".join(f"{'L' if n else 'M'}{m.x} {m.y}" for n, m in enumerate(marks)),
        marks=marks if bars else marks[-1:],
        base=_base(curve, y, factor),
        across=[Tick(coordinate(x(t)), _iteration(t)) for t in across],
        up=[Tick(coordinate(y(t / factor)), _figure(t, digits)) for t in up],
        data=_data(curve, end, (low, high), across, up, digits, factor, bars),
    )


def _iteration(number: float) -> str:
    """Return a mark of the axis of iterations; the first one names it."""
    return figures.thousands(number) if number else "iteration 0"


def _figure(value: float, digits: int) -> str:
    text = f"{abs(value):,.{digits}f}"
    is_zero = float(text.replace(",", "")) == 0
    shown = text.rstrip("0").rstrip(".") if "." in text else text
    return f"{figures.MINUS}{shown}" if value < 0 and not is_zero else shown


def _mark(curve: Curve, at: int, x: Scale, y: Scale) -> Mark:
    value, low, high = curve.y[at] or 0.0, curve.low[at], curve.high[at]
    return Mark(
        x=coordinate(x(curve.x[at])),
        y=coordinate(y(value)),
        top="" if high is None else coordinate(y(high)),
        bottom="" if low is None else coordinate(y(low)),
    )


def _band(curve: Curve, x: Scale, y: Scale) -> str:
    points = [
        (x(at), y(high), y(low))
        for at, low, high in zip(curve.x, curve.low, curve.high, strict=True)
        if low is not None and high is not None
    ]
    if len(points) < 2:
        return ""
    over = " L".join(f"{coordinate(a)} {coordinate(t)}" for a, t, _ in points)
    under = " L".join(f"{coordinate(a)} {coordinate(b)}" for a, _, b in reversed(points))
    return f"M{over} L{under} Z"


def _base(curve: Curve, y: Scale, factor: float) -> Base | None:
    if curve.base is None:
        return None
    value, low, high = curve.base
    top, bottom = y(value if high is None else high), y(value if low is None else low)
    return Base(
        y=coordinate(y(value)),
        top=coordinate(top),
        height=coordinate(bottom - top),
        label_y=coordinate(y(value) - 6),
        label=f"{curve.base_name}, {_figure(value * factor, 1 if factor > 1 else 3)}",
    )


def _told(curve: Curve, what: str, factor: float) -> str:
    """Return what a curve says, for those who do not see it."""
    first, last = curve.first or 0.0, curve.last or 0.0
    unit, digits = (" percent", 1) if factor > 1 else ("", 3)
    went = "rose" if last > first else "fell" if last < first else "stayed"
    start, now = _figure(first * factor, digits), _figure(last * factor, digits)
    number = figures.thousands(curve.x[-1])
    if len(curve.x) == 1:
        return f"{what}: {now}{unit} at iteration {number}"
    return f"{what} {went} from {start} to {now}{unit} up to iteration {number}"


def _data(
    curve: Curve,
    end: int,
    bounds: tuple[float, float],
    across: Sequence[float],
    up: Sequence[float],
    digits: int,
    factor: float,
    bars: bool,
) -> str:
    """Return the curve as JSON, in the unit that it is told in."""

    def told(value: float | None) -> float | None:
        return None if value is None else round(value * factor, 4)

    base = curve.base and {
        "value": told(curve.base[0]),
        "low": told(curve.base[1]),
        "high": told(curve.base[2]),
        "name": curve.base_name,
    }
    found: dict[str, Any] = {
        "x": curve.x,
        "y": [told(v) for v in curve.y],
        "low": [told(v) for v in curve.low],
        "high": [told(v) for v in curve.high],
        "end": end,
        "range": [told(v) for v in bounds],
        "across": across,
        "iterations": [_iteration(t) for t in across],
        "up": up,
        "ticks": [_figure(t, digits) for t in up],
        "digits": 1 if factor > 1 else 3,
        "unit": f"{figures.NARROW_SPACE}%" if factor > 1 else "",
        "bars": bars,
        "base": base,
    }
    return json.dumps(found, separators=(",", ":"))


def _fewer(values: Sequence[float]) -> list[float]:
    """Return at most MINI_POINTS means of equal stretches: more would be a smear at this size."""
    count = min(MINI_POINTS, len(values))
    cuts = [len(values) * n // count for n in range(count + 1)]
    return [fmean(values[a:b]) for a, b in zip(cuts, cuts[1:], strict=False)]


def mini_path(values: Sequence[float]) -> str:
    """Return the path of a small line of equally spaced values, empty for fewer than two."""
    if len(values) < 2:
        return ""
    values = _fewer(values)
    x = Scale(0, len(values) - 1, 1.0, MINI_WIDTH - 3.0)
    y = Scale(min(values), max(values), MINI_HEIGHT - 6.0, 4.0)
    if max(values) == min(values):
        y = Scale(0, 1, MINI_HEIGHT / 2, MINI_HEIGHT / 2)
    return " ".join(
        f"{'L' if n else 'M'}{coordinate(x(n))} {coordinate(y(value))}"
        for n, value in enumerate(values)
    )
