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
# decision: (chip, words before and after the job's delta is made)
_DECISIONS = {
    "add": ("good", "would add"),
    "drop": ("bad", "would drop"),
    "restrict": ("warn", "would restrict"),
}


@dataclass(frozen=True, slots=True)
class Row:
    """One bullet: its effect on success in shares, None where it could not be told."""

    text: str
    chip: str
    decision: str
    fixed: bool
    value: float | None
    low: float | None
    high: float | None
    plot: IntervalPlot | None
    uses: int | None
    tokens: int | None
    kept: float | None
    only_in: list[str] = field(default_factory=list)


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
    fixed = {c.get("bullet_id") for c in job.candidates if c.get("fixed")}
    best = PolicyCheckpoint.objects.filter(pk=job.best_checkpoint_id or 0)
    kept = _inclusion(job, best.values_list("state", flat=True))
    rows = [_row(entry, scale, entry.get("bullet_id") in fixed, kept, job) for entry in shown]
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


def _row(
    entry: Mapping[str, Any],
    scale: Scale,
    fixed: bool,
    kept: Mapping[str, float],
    job: TrainingJob,
) -> Row:
    value, low, high = (_number(entry, name) for name in ("effect", "low", "high"))
    chip, words = _DECISIONS.get(str(entry.get("decision", "")), ("", ""))
    uses, tokens = _number(entry, "uses"), _number(entry, "tokens")
    return Row(
        text=str(entry.get("text") or entry.get("bullet_id") or ""),
        chip=chip,
        decision=words.removeprefix("would ").capitalize() if job.delta_id else words,
        fixed=fixed,
        value=value,
        low=low,
        high=high,
        plot=_plot(value, low, high, scale),
        uses=None if uses is None else int(uses),
        tokens=None if tokens is None else int(tokens),
        kept=kept.get(str(entry.get("bullet_id"))),
        only_in=_types(entry),
    )


def _types(entry: Mapping[str, Any]) -> list[str]:
    """Return the task types in which a bullet is found to hurt."""
    found = entry.get("by_type")
    lines = [line for line in found if isinstance(line, dict)] if isinstance(found, list) else []
    return [str(line.get("task_type", "")) for line in lines if line.get("hurts")]


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
