"""Geometry of the small server-rendered plots; templates/parts/ draws them.

Coordinates leave here as text with one decimal, so that no locale can put a comma into an SVG.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from ace_project.console.templatetags import figures


def coordinate(value: float) -> str:
    """An SVG length with one decimal."""
    return f"{value:.1f}"


@dataclass(frozen=True, slots=True)
class Tick:
    """A labelled place on an axis."""

    at: str
    label: str


@dataclass(frozen=True, slots=True)
class IntervalPlot:
    """One estimate with its interval on a line with a zero mark."""

    width: int
    height: int
    middle: str
    zero: str
    at: str
    low: str
    high: str
    tone: str
    label: str
    ticks: list[Tick] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map of values onto pixels, clamped to its ends."""

    start: float
    end: float
    left: float
    right: float

    def __call__(self, value: float) -> float:
        span = (self.end - self.start) or 1.0
        share = min(1.0, max(0.0, (value - self.start) / span))
        return self.left + share * (self.right - self.left)


def nice_step(span: float, about: int) -> float:
    """The round step (1, 2 or 5 times a power of ten) that cuts a span into about so many parts."""
    raw = max(span, 1e-9) / max(1, about)
    power = 10.0 ** math.floor(math.log10(raw))
    return next(power * m for m in (1, 2, 5, 10) if raw <= power * m * 1.0001)


def round_ticks(start: float, end: float, about: int) -> list[float]:
    """The round values inside [start, end]."""
    step = nice_step(end - start, about)
    first = math.ceil(start / step - 1e-9)
    last = math.floor(end / step + 1e-9)
    return [n * step for n in range(first, last + 1)]


def interval_plot(
    value: float,
    low: float,
    high: float,
    *,
    width: int,
    height: int,
    domain: tuple[float, float] | None = None,
    axis: bool = False,
) -> IntervalPlot:
    """Place an estimate and its interval, all differences of shares; the domain keeps zero."""
    start, end = domain or (min(low, 0.0), max(high, 0.0))
    pad = 0.0 if domain else 0.12 * ((end - start) or 0.02)
    scale = Scale(start - pad, end + pad, 4.0, width - 4.0)
    ticks = []
    if axis:
        marks = round_ticks((start - pad) * 100, (end + pad) * 100, 5)
        ticks = [Tick(coordinate(scale(m / 100)), figures.signed(m, 0)) for m in marks]
    return IntervalPlot(
        width=width,
        height=height,
        middle=coordinate(17 if axis else height / 2),
        zero=coordinate(scale(0.0)),
        at=coordinate(scale(value)),
        low=coordinate(scale(low)),
        high=coordinate(scale(high)),
        tone=figures.tone(low, high),
        label=f"{figures.points(value)} points, {figures.interval(low, high)}",
        ticks=ticks,
    )


@dataclass(frozen=True, slots=True)
class VersionPoint:
    """One version's success with its interval, placed."""

    x: str
    y: str
    top: str
    bottom: str
    label_y: str
    share: str
    name: str
    measured: bool
    live: bool
    hurts: bool
    url: str
    said: str
    slot: str


@dataclass(frozen=True, slots=True)
class VersionsPlot:
    """Success per version on a percent axis."""

    width: int
    height: int
    right: int
    base: int
    label: str
    path: str
    ticks: list[Tick]
    points: list[VersionPoint]
    slot: str


def _version_point(
    version: Mapping[str, object], x: float, slot: float, scale: Scale, notes: bool
) -> VersionPoint:
    share = version.get("share")
    value = share if isinstance(share, float) else None
    low, high = version.get("low"), version.get("high")
    name = f"v{version['number']}"
    if notes and version.get("note"):
        name = f"{name} {version['note']}"
    at = scale(value or 0.0)
    top = scale(high) if isinstance(high, float) else at
    bottom = scale(low) if isinstance(low, float) else at
    return VersionPoint(
        x=coordinate(x),
        y=coordinate(at),
        top=coordinate(top),
        bottom=coordinate(bottom),
        label_y=coordinate(top - 7),
        share="" if value is None else f"{value * 100:.1f}",
        name=name,
        measured=value is not None,
        live=bool(version.get("live")),
        hurts=bool(version.get("hurts")),
        url=str(version.get("url") or ""),
        said=str(version.get("said") or ""),
        slot=coordinate(x - slot / 2),
    )


def versions_plot(
    versions: Sequence[Mapping[str, object]], *, width: int, height: int, notes: bool
) -> VersionsPlot:
    """Place versions left to right, oldest first.

    A version is `{number, share, low, high}` in fractions (share None: nothing measured), with
    `live`, `hurts` and `note` where they hold.
    """
    bounds = [
        v[key]
        for v in versions
        for key in ("share", "low", "high")
        if isinstance(v.get(key), float)
    ]
    known = [b for b in bounds if isinstance(b, float)] or [0.0, 1.0]
    start, end = max(0.0, min(known) - 0.02), min(1.0, max(known) + 0.02)
    left, right, base = 40.0, width - 10.0, height - 42.0
    scale = Scale(start, end, base, 17.0)
    slot = (right - left) / max(1, len(versions))
    points = [
        _version_point(version, left + slot * (n + 0.5), slot, scale, notes)
        for n, version in enumerate(versions)
    ]
    measured = [p for p in points if p.measured]
    ticks = [
        Tick(coordinate(scale(mark / 100)), figures.percent(mark / 100, 0))
        for mark in round_ticks(start * 100, end * 100, 4)
    ]
    spoken = ", ".join(f"{p.name} {p.share} percent" for p in measured)
    return VersionsPlot(
        width=width,
        height=height,
        right=round(right),
        base=height - 22,
        label=f"Success per version with 95 percent intervals: {spoken or 'nothing measured'}",
        path=" ".join(f"{'L' if n else 'M'}{p.x} {p.y}" for n, p in enumerate(measured)),
        ticks=ticks,
        points=points,
        slot=coordinate(slot),
    )


@dataclass(frozen=True, slots=True)
class Sparkline:
    """A line of values, and the line of the span before behind it."""

    width: int
    height: int
    path: str
    ghost: str
    end_x: str
    end_y: str


def _line(values: Sequence[float], x: Scale, y: Scale) -> str:
    return " ".join(
        f"{'L' if n else 'M'}{coordinate(x(n))} {coordinate(y(value))}"
        for n, value in enumerate(values)
    )


def sparkline(
    values: Sequence[float], before: Sequence[float] = (), *, width: int = 220, height: int = 40
) -> Sparkline:
    """Place one or two series of equal spacing on a common scale."""
    known = [*values, *before] or [0.0]
    y = Scale(min(known), max(known), height - 8.0, 8.0)
    x = Scale(0, max(1, len(values) - 1), 0.0, width - 4.0)
    ghost_x = Scale(0, max(1, len(before) - 1), 0.0, width - 4.0)
    last = values[-1] if values else 0.0
    return Sparkline(
        width=width,
        height=height,
        path=_line(values, x, y),
        ghost=_line(before, ghost_x, y),
        end_x=coordinate(x(max(0, len(values) - 1))),
        end_y=coordinate(y(last)),
    )
