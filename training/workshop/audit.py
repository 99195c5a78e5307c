"""The interventional audit: what each lesson really does when it is added or taken away."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt
from statistics import fmean, pstdev
from typing import Literal

from evolution.lessons import Lesson
from training.workshop.simulation import simulate
from training.workshop.tasks import Task
from training.workshop.world import World

Verdict = Literal["helps", "neutral", "harms"]
Z_95 = 1.96


@dataclass(frozen=True, slots=True)
class Effect:
    """A paired difference in success, in points of share (-1..1), with a 95 % interval."""

    mean: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class AuditRow:
    """One lesson: added alone to an empty playbook, and as part of the whole one."""

    lesson: Lesson
    alone: Effect
    within: Effect  # the whole playbook against the same without this lesson
    verdict: Verdict


def audit_lessons(
    world: World, applied: Sequence[Lesson], tasks: Sequence[Task], seed: int = 0
) -> list[AuditRow]:
    """Measure every applied lesson on these tasks, each task paired with itself.

    A lesson harms if either effect's interval lies below zero, helps if else either lies above.
    """
    nothing = _outcomes(world, [], tasks, seed)
    everything = _outcomes(world, applied, tasks, seed)
    rows = []
    for lesson in applied:
        touched = [i for i, task in enumerate(tasks) if lesson.task_type in (None, task.task_type)]
        some = [tasks[i] for i in touched]
        others = [other for other in applied if other != lesson]
        with_it = _outcomes(world, [lesson], some, seed)
        without_it = _outcomes(world, others, some, seed)
        alone = [new - nothing[i] for i, new in zip(touched, with_it, strict=True)]
        within = [everything[i] - old for i, old in zip(touched, without_it, strict=True)]
        effects = paired_effect(alone, len(tasks)), paired_effect(within, len(tasks))
        rows.append(AuditRow(lesson, *effects, verdict=_verdict(*effects)))
    return rows


def paired_effect(differences: Sequence[float], count: int) -> Effect:
    """Return mean and normal 95 % interval of `count` paired differences; those left out are 0."""
    padded = [*differences, *[0.0] * (count - len(differences))]
    mean = fmean(padded)
    margin = Z_95 * pstdev(padded) / sqrt(count)
    return Effect(mean, mean - margin, mean + margin)


def _outcomes(
    world: World, lessons: Sequence[Lesson], tasks: Sequence[Task], seed: int
) -> list[float]:
    return [episode.reward for episode in simulate(world, lessons, tasks, seed)]


def _verdict(alone: Effect, within: Effect) -> Verdict:
    if alone.high < 0 or within.high < 0:
        return "harms"
    if alone.low > 0 or within.low > 0:
        return "helps"
    return "neutral"
