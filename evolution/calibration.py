"""From the number a generator states to the chance that its delta proves right.

Two steps, both pulled towards a sceptical prior while decisions are few. First the stated number
is recalibrated on the logit scale, logit(p) = a + b logit(raw) (Cox, D. R. (1958), Two further
applications of a model for binary regression; as "Platt scaling", Platt, J. (1999)), with normal
priors on a and b. Then what happened near each stated number corrects that curve, which counts as
PSEUDO decisions there, and the result is made monotone (pool adjacent violators: Barlow, R. E. et
al. (1972), Statistical inference under order restrictions).

The prior takes 0.95 as 0.65 and nothing as 0.7: a model without a history does not pass the
default threshold on its word alone. Models that state a probability mostly state 0.8 to 0.95.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import erf, sqrt
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from evolution.intervals import Share, wilson

Floats = npt.NDArray[np.float64]

LOW, HIGH = 0.02, 0.95  # what a calibrated confidence may be
PRIOR = np.array([-0.4, 0.35])  # a, b
PRECISION = np.diag([4.0, 20.0])  # of the priors on a and b
PSEUDO = 15.0  # decisions that the recalibrated curve counts for at each stated number
WIDTH = 0.05  # how near a stated number must be to tell of another
STATED_LOW, STATED_HIGH = 0.03, 0.97  # beyond these a stated number says no more
MAX_STEPS = 50
MIN_RUNS = 30  # under each version, before a change counts as measured

_GRID = np.linspace(0.0, 1.0, 41)


class Record(NamedTuple):
    """One earlier delta: the number stated, and what became of it, 0 (wrong) to 1 (right)."""

    raw: float
    outcome: float


@dataclass(frozen=True, slots=True)
class Curve:
    """The calibrated confidence by stated number; `decisions` is how many it rests on."""

    values: tuple[float, ...]
    decisions: int

    def at(self, raw: float) -> float:
        """Return the calibrated confidence, 0.02 to 0.95, rising with `raw` (0 to 1)."""
        return float(np.clip(np.interp(raw, _GRID, self.values), LOW, HIGH))


def fit(records: Sequence[Record]) -> Curve:
    """Return the curve that earlier deltas of one generator and model lead to."""
    raw = np.array([record.raw for record in records], dtype=np.float64)
    outcome = np.array([record.outcome for record in records], dtype=np.float64)
    prior = _logistic(_design(_GRID) @ _recalibration(raw, outcome))
    near = np.clip(1 - np.abs(_GRID[:, None] - raw[None, :]) / WIDTH, 0, None)  # (grid, records)
    weights = PSEUDO + near.sum(axis=1)
    values = _monotone((PSEUDO * prior + near @ outcome) / weights, weights)
    return Curve(tuple(np.clip(values, LOW, HIGH).tolist()), len(records))


def _design(raw: Floats) -> Floats:
    """Return (N, 2): ones, and the logits of the stated numbers."""
    kept = np.clip(raw, STATED_LOW, STATED_HIGH)
    return np.stack([np.ones_like(kept), np.log(kept / (1 - kept))], axis=1)


def _logistic(values: Floats) -> Floats:
    return 1 / (1 + np.exp(-np.clip(values, -30, 30)))


def _recalibration(raw: Floats, outcome: Floats) -> Floats:
    """Return a and b of the largest posterior density, by Newton's method; b is never negative."""
    design, found = _design(raw), PRIOR.copy()
    for _ in range(MAX_STEPS):
        expected = _logistic(design @ found)
        gradient = design.T @ (outcome - expected) - PRECISION @ (found - PRIOR)
        curvature = (design.T * (expected * (1 - expected))) @ design + PRECISION
        step = np.linalg.solve(curvature, gradient)
        found = found + np.clip(step, -1, 1)
        if np.abs(step).max() < 1e-9:
            break
    return np.array([found[0], max(0.0, found[1])])


def _monotone(values: Floats, weights: Floats) -> Floats:
    """Return the nearest values (weighted least squares) that never fall."""
    blocks: list[list[float]] = []  # mean, weight, length
    for value, weight in zip(values.tolist(), weights.tolist(), strict=True):
        blocks.append([value, weight, 1])
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            mean, heavy, length = blocks.pop()
            before = blocks[-1]
            total = before[1] + heavy
            blocks[-1] = [(before[0] * before[1] + mean * heavy) / total, total, before[2] + length]
    return np.repeat([block[0] for block in blocks], [int(block[2]) for block in blocks])


def outcome_of_applied(before: Share | None, after: Share | None) -> float:
    """Return what an applied delta counts, from success before and after it.

    1 unless success fell; then the two-sided p value of the fall (pooled z test), so that a clear
    loss counts like an undone delta. Fewer than 30 runs on either side measure nothing: 1.
    """
    if before is None or after is None or min(before.runs, after.runs) < MIN_RUNS:
        return 1.0
    pooled = (before + after).value or 0.0
    spread = sqrt(pooled * (1 - pooled) * (1 / before.runs + 1 / after.runs))
    fall = (before.value or 0.0) - (after.value or 0.0)
    if fall <= 0 or spread == 0:
        return 1.0
    return 1 - erf(fall / spread / sqrt(2))


@dataclass(frozen=True, slots=True)
class Bin:
    """Deltas whose stated or calibrated number lies in [low, high): a line of the plot.

    `stated` is the mean number, `true` the mean outcome with its Wilson interval (95 %; None for
    both where no delta fell into it).
    """

    low: float
    high: float
    count: int
    stated: float | None
    true: float | None
    interval: tuple[float, float] | None


def reliability_table(records: Sequence[Record], bins: int = 10) -> list[Bin]:
    """Return a reliability table over equal bins of the number in `records`."""
    table = []
    for place in range(bins):
        inside = [r for r in records if min(int(r.raw * bins), bins - 1) == place]
        count = len(inside)
        right = sum(r.outcome for r in inside)
        table.append(
            Bin(
                low=place / bins,
                high=(place + 1) / bins,
                count=count,
                stated=sum(r.raw for r in inside) / count if count else None,
                true=right / count if count else None,
                interval=wilson(round(right), count) if count else None,
            )
        )
    return table


def calibration_error(table: Sequence[Bin]) -> float | None:
    """Return the expected calibration error of a table: the mean distance, weighted by count."""
    count = sum(row.count for row in table)
    if not count:
        return None
    gaps = (row.count * abs((row.stated or 0) - (row.true or 0)) for row in table)
    return sum(gaps) / count
