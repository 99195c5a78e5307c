"""Was it worth it? Held-out tasks, tried by a policy and by the baseline, compared task by task.

A choice among checkpoints uses up the tasks it was made on: the best of 20 on 100 tasks flatters
itself by 9 points. So `best` and `holds_up` are for validation tasks, and what a job claims is
one `compare` on tasks that nothing was chosen on.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from training.engine.distributions import Floats, Ints
from training.engine.student import critical

_EXACT = 14  # tasks that differ, up to which all 2^n signs are counted
_DRAWS = 20_000
_CHUNK = 2_000_000
_TOLERANCE = 1e-9
TWO_ERRORS = 2.0


@dataclass(frozen=True, slots=True)
class Comparison:
    """Mean scores over tasks, policy and baseline, and what lies between them."""

    score: float
    baseline: float
    difference: float
    interval: tuple[float, float]  # 95 %, of the difference
    p_value: float  # two-sided
    error: float  # standard error of `score` over tasks
    tasks: int


def compare(
    scores: Floats, tasks: Ints, baseline: Floats, baseline_tasks: Ints, rng: np.random.Generator
) -> Comparison:
    """Compare scores (N,) of trajectories with those of the baseline (M,) on the same tasks.

    Every task counts once, however often it was tried. The interval is Student's over the tasks'
    differences; the p value counts how often random signs of them make their sum as large (Fisher
    1935, section 21): exactly for few tasks, with 20,000 draws else. With the same seeds on both
    sides tasks differ less, and both get sharper. Raise ValueError unless both sides tried the
    same tasks, at least two, with finite scores.
    """
    names, mine = _means(scores, tasks)
    other_names, theirs = _means(baseline, baseline_tasks)
    if not np.array_equal(names, other_names):
        raise ValueError("the policy and the baseline did not try the same tasks")
    if len(names) < 2:
        raise ValueError("a comparison needs at least two tasks")
    if not np.isfinite(mine - theirs).all():
        raise ValueError("a score is not a finite number")
    differences = mine - theirs
    mean = float(differences.mean())
    half = critical(len(names) - 1) * _error(differences)
    return Comparison(
        score=float(mine.mean()),
        baseline=float(theirs.mean()),
        difference=mean,
        interval=(mean - half, mean + half),
        p_value=sign_flip_p(differences, rng),
        error=_error(mine),
        tasks=len(names),
    )


def sign_flip_p(differences: Floats, rng: np.random.Generator) -> float:
    """Return the two-sided p value of differences (K,) whose signs could as well be others."""
    size = np.abs(differences[differences != 0])
    observed = abs(float(differences.sum())) - _TOLERANCE
    if len(size) <= _EXACT:
        sums = np.zeros(1)
        for part in size:
            sums = np.concatenate([sums + part, sums - part])
        return float((np.abs(sums) >= observed).mean())
    beaten, chunk = 0, max(1, _CHUNK // len(size))
    for start in range(0, _DRAWS, chunk):
        count = min(chunk, _DRAWS - start)
        signs = 2.0 * rng.integers(0, 2, (count, len(size))) - 1
        beaten += int((np.abs(signs @ size) >= observed).sum())
    return (1 + beaten) / (1 + _DRAWS)


def best(scores: Sequence[float]) -> int:
    """Return the number of the best validation score, the later of equals."""
    return max(range(len(scores)), key=lambda number: (scores[number], number))


def holds_up(evaluations: Sequence[tuple[float, float]]) -> bool:
    """Tell whether the last of (score, standard error) lies within two errors of the best.

    This is all that "the policy did not get worse" may claim; a single evaluation always holds.
    Raise ValueError without one.
    """
    if not evaluations:
        raise ValueError("there is no evaluation")
    top, error = evaluations[best([score for score, _ in evaluations])]
    return evaluations[-1][0] >= top - TWO_ERRORS * error


def _means(scores: Floats, tasks: Ints) -> tuple[Ints, Floats]:
    names, index, size = np.unique(tasks, return_inverse=True, return_counts=True)
    return names, np.bincount(index, scores, len(names)) / size


def _error(values: Floats) -> float:
    return float(values.std(ddof=1)) / sqrt(len(values))
