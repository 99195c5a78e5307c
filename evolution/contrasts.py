"""Scores of many candidate lessons at once: within groups, and between whole groups."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

MIN_WITHIN = 2.5  # Mantel-Haenszel information: ten runs, half of them with the conduct
MIN_WITHIN_SHARE = 0.25


@dataclass(frozen=True, slots=True)
class Scores:
    """Sums over blocks of one kind of contrast, (K,) each; those of disjoint runs can be added."""

    gain: Floats  # successes beyond expectation among the followed
    variance: Floats  # of `gain` under permutation
    information: Floats  # Mantel-Haenszel weights; gain / information is the lift

    def __add__(self, other: "Scores") -> "Scores":
        return Scores(
            self.gain + other.gain,
            self.variance + other.variance,
            self.information + other.information,
        )

    @property
    def z(self) -> Floats:
        """Standardised gain, 0 where nothing varies.

        Half a success is added to the deviation, so that a few lucky runs do not lead a ranking.
        """
        return np.asarray(self.gain / np.sqrt(self.variance + 0.25), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Evidence:
    """Both kinds of contrast for K candidates."""

    within: Scores
    between: Scores

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(self.within + other.within, self.between + other.between)

    @property
    def is_within(self) -> Bools:
        """Where runs of the same group differ enough in conduct to be compared with each other.

        Decided by conduct alone, never by outcomes, so that the choice of the test is no test.
        """
        inside = self.within.information
        return (inside >= MIN_WITHIN) & (
            inside >= MIN_WITHIN_SHARE * (inside + self.between.information)
        )

    @property
    def overall(self) -> Scores:
        """Both kinds together: what a ranking goes by, not what a result rests on."""
        return self.within + self.between

    @property
    def z(self) -> Floats:
        """Standardised gain of the kind that counts."""
        return np.where(self.is_within, self.within.z, self.between.z)


def compare(success: Bools, at_risk: Bools, followed: Bools, group: Ints, block: Ints) -> Evidence:
    """Score K lessons on N runs: success (N,), conduct (N, K), group and block ids (N,).

    A unit is the runs of one group in one block. Units in which the conduct varies are compared
    inside (Mantel-Haenszel numerator, hypergeometric variance); units in which it does not are
    compared with each other inside their block (linear permutation statistic of Hajek).
    """
    order = np.lexsort((group, block))
    new_block = np.diff(block[order], prepend=-1) != 0
    new_unit = new_block | (np.diff(group[order], prepend=-1) != 0)
    units, blocks = np.flatnonzero(new_unit), np.flatnonzero(new_block[new_unit])
    risk, kept = at_risk[order].astype(np.float64), followed[order].astype(np.float64)
    won = success[order].astype(np.float64)[:, None]
    runs, with_it, wins, wins_with = (
        np.add.reduceat(values, units, axis=0) for values in (risk, kept, risk * won, kept * won)
    )
    mixed = (with_it > 0) & (with_it < runs)
    return Evidence(
        _inside(runs, with_it, wins, wins_with, mixed),
        _across(runs, with_it, wins, (runs > 0) & ~mixed, blocks),
    )


def _inside(runs: Floats, with_it: Floats, wins: Floats, wins_with: Floats, mixed: Bools) -> Scores:
    total = np.maximum(runs, 1)
    information = with_it * (runs - with_it) / total * mixed
    gain = (wins_with - with_it * wins / total) * mixed
    variance = information * wins * (runs - wins) / (total * np.maximum(runs - 1, 1))
    return Scores(gain.sum(axis=0), variance.sum(axis=0), information.sum(axis=0))


def _across(runs: Floats, with_it: Floats, wins: Floats, pure: Bools, blocks: Ints) -> Scores:
    mean = np.where(pure, wins / np.maximum(runs, 1), 0.0)
    weight = with_it * pure

    def summed(values: Floats) -> Floats:
        return np.asarray(np.add.reduceat(values, blocks, axis=0), dtype=np.float64)

    count = np.maximum(summed(pure.astype(np.float64)), 1)
    weights, means, size = summed(weight), summed(mean), np.maximum(summed(runs * pure), 1)
    gain = summed(weight * mean) - weights * means / count
    variance = (summed(weight**2) - weights**2 / count) * (summed(mean**2) - means**2 / count)
    variance = np.where(count > 1, variance / np.maximum(count - 1, 1), 0.0)
    information = weights * (size - weights) / size
    return Scores(gain.sum(axis=0), variance.sum(axis=0), information.sum(axis=0))
