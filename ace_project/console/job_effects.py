"""What each bullet of a training job is worth, as rows of a table."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from math import isfinite
from typing import Any

import numpy as np

from ace_project.console.templatetags import figures
from ace_project.console.templatetags.plots import (
    IntervalPlot,
    Scale,
    Tick,
    coordinate,
    round_ticks,
)
from training.engine.packing import CorruptState
from training.engine.policy import ContextPolicy
from training.learner import Learner
from training.models import PolicyCheckpoint, TrainingJob, TrainingState

MOST_ROWS = 100
WIDTH, HEIGHT, EDGE = 248, 20, 4.0
# Task types named in a row; a bullet that acts in more is told by their number.
MOST_TYPES = 3
# decision of training.proposals: (chip, words); with the task types of the entry behind them
_DECISIONS = {
    "add": ("good", "would add"),
    "add_restricted": ("good", "would add for"),
    "drop": ("bad", "would drop"),
    "restrict": ("warn", "would restrict to"),
    "leave_out": ("line", "would leave out"),
    "fixed": ("line", "kept by rule"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One bullet: its effect on success in shares, None where it could not be told."""

    text: str
    chip: str
    decision: str
    value: float | None
    low: float | None
    high: float | None
    plot: IntervalPlot | None
    uses: int | None
    tokens: int | None
    kept: float | None
    # What is clear in single task types: (type, difference of shares).
    in_types: list[tuple[str, float]] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class Effects:
    """The table: its rows by effect, the marks of its axis, and how many bullets it leaves out."""

    rows: list[Row]
    ticks: list[Tick]
    zero: str
    more: int


@dataclass(frozen=True, slots=True)
class Chance:
    """How likely the policy is to let a bullet in, over the task types alike."""

    text: str
    kept: float
    bar: str


def chances(job: TrainingJob) -> list[Chance]:
    """Return what a context policy that is still learning makes of each bullet; one query.

    The likeliest first, at most MOST_ROWS; empty once there are effects, and where the saved
    policy cannot be read.
    """
    if job.policy != "context" or job.effects or not job.iteration:
        return []
    found = _inclusion(job, TrainingState.objects.filter(job=job).values_list("state", flat=True))
    rows = [
        Chance(
            str(entry["text"]),
            found[entry["bullet_id"]],
            coordinate(104 * found[entry["bullet_id"]]),
        )
        for entry in job.candidates
        if entry.get("bullet_id") in found
    ]
    return sorted(rows, key=lambda row: -row.kept)[:MOST_ROWS]


def _inclusion(job: TrainingJob, states: Iterable[Any]) -> dict[str, float]:
    """Return how likely each bullet that may be left out is let in, by its id."""
    saved = next(iter(states), None)
    try:
        learner = Learner.from_bytes(bytes(saved or b""))
    except CorruptState:
        return {}
    if not isinstance(learner.policy, ContextPolicy):
        return {}
    types = np.arange(learner.policy.n_types) if learner.policy.n_types else np.array([-1])
    means = learner.policy.probabilities(types).mean(axis=0).tolist()
    free = [entry["bullet_id"] for entry in job.candidates if not entry.get("fixed")]
    return dict(zip(free, means, strict=False))


def effects(job: TrainingJob) -> Effects | None:
    """Return the table of a job whose bullets are worked out, None before; one query.

    The entries are those of `TrainingJob.effects`; what is malformed in one is left unknown.
    """
    entries = [entry for entry in job.effects if isinstance(entry, dict)]
    if not entries:
        return None
    entries.sort(key=lambda entry: -(_number(entry, "effect") or 0.0))
    shown = entries[:MOST_ROWS]
    scale, ticks = _axis(shown)
    best = PolicyCheckpoint.objects.filter(pk=job.best_checkpoint_id or 0)
    kept = _inclusion(job, best.values_list("state", flat=True))
    rows = [_row(entry, scale, kept) for entry in shown]
    return Effects(rows, ticks, coordinate(scale(0.0)), len(entries) - len(shown))


def _axis(entries: list[dict[str, Any]]) -> tuple[Scale, list[Tick]]:
    """Return one scale for all rows, zero in it, and its marks in points."""
    known = [
        value
        for entry in entries
        for value in (_number(entry, "low"), _number(entry, "high"), _number(entry, "effect"))
        if value is not None
    ]
    low, high = min([0.0, *known]), max([0.0, *known])
    pad = 0.06 * ((high - low) or 0.02)
    scale = Scale(low - pad, high + pad, EDGE, WIDTH - EDGE)
    marks = round_ticks((low - pad) * 100, (high + pad) * 100, 4)
    return scale, [Tick(coordinate(scale(m / 100)), figures.signed(m, 0)) for m in marks]


def _row(entry: Mapping[str, Any], scale: Scale, kept: Mapping[str, float]) -> Row:
    value, low, high = (_number(entry, name) for name in ("effect", "low", "high"))
    chip, words = _DECISIONS.get(str(entry.get("decision", "")), ("", ""))
    uses, tokens = _number(entry, "uses"), _number(entry, "tokens")
    return Row(
        text=str(entry.get("text") or entry.get("bullet_id") or ""),
        chip=chip,
        decision=f"{words} {_named(entry)}".strip(),
        value=value,
        low=low,
        high=high,
        plot=_plot(value, low, high, scale),
        uses=None if uses is None else int(uses),
        tokens=None if tokens is None else int(tokens),
        kept=kept.get(str(entry.get("bullet_id"))),
        in_types=_clear_in(entry),
    )


def _named(entry: Mapping[str, Any]) -> str:
    """Return the task types that a bullet is then told in."""
    names = _listed(entry, "types")
    if len(names) > MOST_TYPES:
        return f"{len(names)} task types"
    return ", ".join(str(name) for name in names)


def _listed(entry: Mapping[str, Any], name: str) -> list[Any]:
    found = entry.get(name)
    return found if isinstance(found, list) else []


def _clear_in(entry: Mapping[str, Any]) -> list[tuple[str, float]]:
    """Return the task types in which the interval excludes zero, the strongest first."""
    found = []
    for line in (line for line in _listed(entry, "by_type") if isinstance(line, dict)):
        value, low, high = (_number(line, name) for name in ("effect", "low", "high"))
        if value is not None and figures.tone(low, high) != "mute":
            found.append((str(line.get("type", "")), value))
    return sorted(found, key=lambda pair: -abs(pair[1]))[:MOST_TYPES]


def _plot(
    value: float | None, low: float | None, high: float | None, scale: Scale
) -> IntervalPlot | None:
    if value is None or low is None or high is None:
        return None
    return IntervalPlot(
        width=WIDTH,
        height=HEIGHT,
        middle=coordinate(HEIGHT / 2),
        zero=coordinate(scale(0.0)),
        at=coordinate(scale(value) - 4),
        low=coordinate(scale(low)),
        high=coordinate(scale(high)),
        tone=figures.tone(low, high),
        label=f"{figures.points(value)} points, {figures.interval(low, high)}",
    )


def _number(entry: Mapping[str, Any], name: str) -> float | None:
    value = entry.get(name)
    if isinstance(value, bool) or not isinstance(value, int | float) or not isfinite(value):
        return None
    return float(value)
