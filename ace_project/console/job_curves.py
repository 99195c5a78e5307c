"""The curves of a training job: at most a few hundred points, however many iterations it has."""

from dataclasses import dataclass, field
from math import isfinite
from typing import Any

from django.db.models import Avg, F, Max
from django.db.models.expressions import Combinable

from ace_project.console.job_figures import ENDED
from evolution.intervals import wilson
from training.models import Evaluation, EvaluationKind, TrainingJob

POINTS = 240
EVALUATIONS = 60
# Until a job is this far the axis of iterations does not shrink any more.
SHORTEST = 10


@dataclass(frozen=True, slots=True)
class Curve:
    """Values over iterations with a lower and an upper bound each; None where there is none."""

    x: list[float] = field(default_factory=list)
    y: list[float | None] = field(default_factory=list)
    low: list[float | None] = field(default_factory=list)
    high: list[float | None] = field(default_factory=list)
    # What it is compared with: value, low, high, and its name.
    base: tuple[float, float | None, float | None] | None = None
    base_name: str = ""

    @property
    def last(self) -> float | None:
        """The newest value."""
        return next((value for value in reversed(self.y) if value is not None), None)

    @property
    def first(self) -> float | None:
        """The oldest value."""
        return next((value for value in self.y if value is not None), None)


@dataclass(frozen=True, slots=True)
class Curves:
    """Everything drawn on a job's page; `end` is the last iteration of the axis."""

    end: int
    reward: Curve
    held_out: Curve
    # Whether held-out tasks are told as shares that succeeded, or as a mean reward.
    in_shares: bool
    entropy: list[float]
    clip_fraction: list[float]
    no_signal: list[float]
    step_norm: list[float]


def curves(job: TrainingJob, baseline: Evaluation | None) -> Curves:
    """Return the curves of a job, in two queries."""
    buckets = _buckets(job)
    rewards = [(row["at"], _known(row["reward"]), _known(row["spread"])) for row in buckets]
    rows = [row for row in rewards if row[1] is not None]
    evaluations = _evaluations(job)
    in_shares = any(row.success_rate is not None for row in evaluations)
    in_shares = in_shares or (not evaluations and job.policy == "context")
    return Curves(
        end=_end(job),
        reward=Curve(
            x=[at for at, _, _ in rows],
            y=[mean for _, mean, _ in rows],
            low=[_less(mean, spread) for _, mean, spread in rows],
            high=[_less(mean, spread and -spread) for _, mean, spread in rows],
        ),
        held_out=_held_out(job, evaluations, baseline, in_shares),
        in_shares=in_shares,
        entropy=_series(buckets, "nats"),
        clip_fraction=_series(buckets, "clipped"),
        no_signal=_series(buckets, "equal"),
        step_norm=_series(buckets, "step"),
    )


def _known(value: float | None) -> float | None:
    """Return a number that can be drawn: a job that diverged may have written others."""
    return value if value is not None and isfinite(value) else None


def _less(mean: float | None, spread: float | None) -> float | None:
    return None if mean is None or spread is None else mean - spread


def _series(buckets: list[dict[str, Any]], name: str) -> list[float]:
    return [row[name] for row in buckets if _known(row[name]) is not None]


def _end(job: TrainingJob) -> int:
    """Return where the axis ends: it grows with a long job, and an ended one fills it."""
    done, total = max(1, job.iteration), job.total_iterations
    if job.state in ENDED:
        return done
    end = SHORTEST
    while end < 1.5 * done:
        end *= 2
    return min(total, end)


def _bucket(column: str, count: int, points: int) -> Combinable:
    """Return which of `points` equal parts of `count` iterations a row lies in."""
    return (F(column) - 1) * points / max(1, count)


def _buckets(job: TrainingJob) -> list[dict[str, Any]]:
    rows = job.iterations.annotate(part=_bucket("number", job.iteration, POINTS))
    means = (
        rows.order_by("part")
        .values("part")
        .annotate(
            at=Max("number"),
            reward=Avg("avg_reward"),
            spread=Avg("reward_std"),
            nats=Avg("entropy"),
            clipped=Avg("clip_fraction"),
            equal=Avg("frac_zero_variance_groups"),
            step=Avg("change_norm"),
        )
    )
    return [dict(row) for row in means[: POINTS + 1]]


def _evaluations(job: TrainingJob) -> list[Evaluation]:
    """Return the validations, oldest first, of many the last in each part of the job."""
    rows = job.evaluations.filter(kind=EvaluationKind.VALIDATION).defer("results")
    parts = rows.annotate(part=_bucket("iteration", job.iteration, EVALUATIONS))
    kept = parts.order_by("part", "-iteration").distinct("part")
    return list(kept[: EVALUATIONS + 1])


def _held_out(
    job: TrainingJob, rows: list[Evaluation], baseline: Evaluation | None, in_shares: bool
) -> Curve:
    points = [(row.iteration, _measure(row, in_shares)) for row in rows]
    known = [(at, found) for at, found in points if found is not None]
    base = _measure(baseline, in_shares) if baseline else None
    return Curve(
        x=[at for at, _ in known],
        y=[found[0] for _, found in known],
        low=[found[1] for _, found in known],
        high=[found[2] for _, found in known],
        base=base,
        base_name=f"baseline v{job.base_version}" if job.policy == "context" else "untrained",
    )


def _measure(row: Evaluation, in_shares: bool) -> tuple[float, float | None, float | None] | None:
    """Return the share of tasks that succeeded with its interval, or the mean reward alone."""
    value = _known(row.success_rate if in_shares else row.avg_reward)
    if value is None or not in_shares:
        return None if value is None else (value, None, None)
    scored = row.tasks - row.failed
    low, high = wilson(value * scored, scored)
    return value, low, high
