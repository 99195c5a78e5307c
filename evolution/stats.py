"""Tests and estimates for one contrast: exact permutation tests, bootstrap, shrinkage, power."""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_TOLERANCE = 1e-9


@dataclass(frozen=True, slots=True)
class Tables:
    """Two-by-two tables, one per block: runs and successes, with and without the conduct."""

    runs: Ints  # (B,) followed
    successes: Ints  # (B,)
    other_runs: Ints  # (B,) not followed
    other_successes: Ints  # (B,)

    @property
    def weights(self) -> Floats:
        """Mantel-Haenszel weights n1 n0 / (n1 + n0); zero where a block has no contrast."""
        total = np.maximum(self.runs + self.other_runs, 1)
        return np.asarray(self.runs * self.other_runs / total, dtype=np.float64)

    @property
    def variance(self) -> Floats:
        """Variance (B,) of the successes among the followed under permutation in the block."""
        total = np.maximum(self.runs + self.other_runs, 2)
        wins = self.successes + self.other_successes
        failures = self.runs + self.other_runs - wins
        return np.asarray(self.weights * wins * failures / (total * (total - 1)))


def tables(success: Bools, followed: Bools, block: Ints) -> Tables:
    """Count runs of shape (N,) into one table per value of `block`."""
    _, index = np.unique(block, return_inverse=True)
    count = int(index.max()) + 1 if index.size else 0

    def tally(mask: Bools) -> Ints:
        return np.bincount(index[mask], minlength=count).astype(np.int64)

    return Tables(
        runs=tally(followed),
        successes=tally(followed & success),
        other_runs=tally(~followed),
        other_successes=tally(~followed & success),
    )


def stratified_rates(counts: Tables) -> tuple[float, float]:
    """Return the success rates with and without, both standardised to the same mix of blocks.

    Their difference is the Mantel-Haenszel risk difference (Greenland and Robins 1985), which as
    a difference of two weighted means of rates stays within [-1, 1]. (nan, nan) without contrast.
    """
    weights = counts.weights
    total = weights.sum()
    if total == 0:
        return float("nan"), float("nan")
    rates = counts.successes / np.maximum(counts.runs, 1)
    others = counts.other_successes / np.maximum(counts.other_runs, 1)
    return float(weights @ rates / total), float(weights @ others / total)


def exact_p(counts: Tables) -> float:
    """Return the one-sided p-value of "followed succeeds more", over all permutations in blocks.

    Permuting outcomes inside a block makes the successes among the followed hypergeometric; the
    blocks are independent, so the distribution of their sum is a convolution and every
    permutation is counted (the exact stratified test of Gart 1970). No sampling error.
    """
    observed = int(counts.successes.sum())
    lowest, mass = 0, np.ones(1)
    for block in range(len(counts.runs)):
        start, part = _hypergeometric(
            int(counts.runs[block] + counts.other_runs[block]),
            int(counts.successes[block] + counts.other_successes[block]),
            int(counts.runs[block]),
        )
        lowest += start
        mass = np.convolve(mass, part)
    tail = mass[max(0, observed - lowest) :].sum()
    return float(min(1.0, max(tail, np.finfo(float).tiny)))


def _hypergeometric(total: int, marked: int, drawn: int) -> tuple[int, Floats]:
    """Return the lowest possible count of marked among the drawn, and the mass from there on."""
    low, high = max(0, drawn + marked - total), min(drawn, marked)
    support = np.arange(low, high + 1)
    logs = (
        _log_choose(marked, support)
        + _log_choose(total - marked, drawn - support)
        - _log_choose(total, np.array([drawn]))
    )
    mass = np.exp(logs - logs.max())
    return low, mass / mass.sum()


def _log_choose(total: int, part: npt.NDArray[np.int_]) -> Floats:
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, total + 1)))])
    return np.asarray(logs[total] - logs[part] - logs[total - part], dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Units:
    """Whole groups that kept to one conduct: mean outcome, runs, conduct and block of each."""

    mean: Floats  # (G,)
    size: Ints  # (G,) runs
    followed: Bools  # (G,)
    block: Ints  # (G,) only groups of one block are exchanged


def permutation_p(units: Units, draws: int, rng: np.random.Generator) -> float:
    """Return the one-sided p-value from exchanging the outcomes of whole groups inside blocks.

    The statistic is the sum of group means over the followed groups, weighted by size. Groups
    of one run each need no sampling: that is the exact test. Otherwise p = (1 + b) / (1 + draws).
    """
    if np.all(units.size == 1):
        success = units.mean > 0.5
        return exact_p(tables(success, units.followed, units.block))
    observed = float((units.size * units.followed) @ units.mean)
    totals = np.zeros(draws)
    for block in np.unique(units.block):
        inside = units.block == block
        weight = (units.size * units.followed)[inside]
        totals += _exchanged(units.mean[inside], weight.astype(np.float64), draws, rng)
    beaten = int((totals >= observed - _TOLERANCE).sum())
    return (1 + beaten) / (1 + draws)


def _exchanged(mean: Floats, weight: Floats, draws: int, rng: np.random.Generator) -> Floats:
    """Return the weighted sums (draws,) under random reorderings of the means."""
    if not weight.any():
        return np.zeros(draws)
    sums = np.empty(draws)
    chunk = max(1, 2_000_000 // len(mean))
    for start in range(0, draws, chunk):
        stop = min(draws, start + chunk)
        shuffled = rng.permuted(np.tile(mean, (stop - start, 1)), axis=1)
        sums[start:stop] = shuffled @ weight
    return sums


def benjamini_hochberg(p_values: Floats) -> Floats:
    """Return q-values of shape (M,): the false discovery rate at which each would pass.

    Benjamini and Hochberg 1995, step-up with monotone adjustment.
    """
    count = len(p_values)
    order = np.argsort(p_values)
    scaled = p_values[order] * count / np.arange(1, count + 1)
    adjusted = np.minimum.accumulate(scaled[::-1])[::-1]
    q_values = np.empty(count)
    q_values[order] = np.minimum(adjusted, 1.0)
    return q_values


def cluster_bootstrap(
    success: Bools, followed: Bools, block: Ints, group: Ints, weights: Floats
) -> Floats:
    """Return the lifts (W,) of resampled groups; `weights` (W, G) says how often each was drawn.

    `group` holds column numbers of `weights`. A resample without any contrast is left out.
    """
    order = np.argsort(block, kind="stable")
    starts = np.flatnonzero(np.r_[True, np.diff(block[order]) != 0])
    drawn = weights[:, group[order]]
    with_it, won = followed[order].astype(np.float64), success[order].astype(np.float64)

    def summed(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(drawn * values, starts, axis=1), dtype=np.float64)

    runs, others = summed(with_it), summed(1 - with_it)
    wins, other_wins = summed(with_it * won), summed((1 - with_it) * won)
    total = np.maximum(runs + others, _TOLERANCE)
    information = (runs * others / total).sum(axis=1)
    gained = ((wins * others - other_wins * runs) / total).sum(axis=1)
    kept = information > _TOLERANCE
    return np.asarray(gained[kept] / information[kept], dtype=np.float64)


def resampling_weights(groups: int, draws: int, rng: np.random.Generator) -> Floats:
    """Return how often each of `groups` is drawn in each of `draws` resamples, (draws, groups)."""
    return rng.multinomial(groups, np.full(groups, 1 / groups), size=draws).astype(np.float64)


MIN_ERROR = 1e-3
MIN_SPREAD = 0.1  # of true lifts: no kind of advice is worth exactly the same everywhere
SHARED = 0.5  # of the candidates' noise is common to them, as they judge the same runs
NEW_RUNS = 1.5  # runs of other groups that confidence speaks of, per run held out


@dataclass(frozen=True, slots=True)
class Prior:
    """What lifts of candidates of this kind look like: mean, its variance, and spread."""

    mean: float
    doubt: float
    spread: float


def fit_prior(lifts: Floats, errors: Floats) -> Prior:
    """Estimate the prior from all candidates: random effects (DerSimonian and Laird 1986).

    The mean is not allowed below zero: every candidate was chosen for a gain elsewhere.
    """
    noise = np.maximum(errors, MIN_ERROR) ** 2
    weights = 1 / noise
    centre = float(weights @ lifts / weights.sum())
    excess = float(weights @ (lifts - centre) ** 2) - (len(lifts) - 1)
    scale = float(weights.sum() - (weights**2).sum() / weights.sum())
    variance = max(MIN_SPREAD**2, excess / scale if scale > _TOLERANCE else 0.0)
    weights = 1 / (noise + variance)
    mean = max(0.0, float(weights @ lifts / weights.sum()))
    return Prior(mean, SHARED * float(noise.mean()), sqrt(variance))


def sign_confidence(lift: float, error: float, score: float, prior: Prior, cap: float) -> float:
    """Return the chance that runs of other groups show a gain too, at most `cap`.

    Held-out lift and what discovery saw (`score`, in standard errors) are shrunk to the prior
    (normal-normal). The chance counts what is left unknown and the noise of NEW_RUNS times as
    many new runs; the constants are those at which it is calibrated on recorded runs.
    """
    noise = max(error, MIN_ERROR) ** 2
    believed = 1 / prior.spread**2
    precision = believed + 2 / noise
    centre = (believed * prior.mean + (lift + score * sqrt(noise)) / noise) / precision
    doubt = (believed / precision) ** 2 * prior.doubt
    deviation = sqrt(1 / precision + doubt + noise / NEW_RUNS)
    return min(cap, NormalDist().cdf(centre / deviation))


def runs_needed(lift: float, error: float, runs: int, level: float, power: float) -> int | None:
    """Return how many tested runs would show `lift` at one-sided `level` with `power`.

    The error shrinks with the root of the runs, so n = runs * ((z_level + z_power) * error /
    lift)^2 (Chow, Shao and Wang 2008, chapter 3). None where there is no gain to show.
    """
    if lift <= 0 or error <= 0:
        return None
    normal = NormalDist()
    factor = (normal.inv_cdf(1 - level) + normal.inv_cdf(power)) * error / lift
    return int(np.ceil(runs * factor**2))
