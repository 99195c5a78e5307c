"""How much better a trajectory did than others of its group: one number for each trajectory.

Statistics weigh every trajectory once, however many steps it took.
"""

from dataclasses import dataclass

import numpy as np

from training.engine.distributions import Bools, Floats, Ints

# Rewards closer than this (relative, from 1 upwards) are equal: what is left is rounding.
TOLERANCE = 1e-8
# Dividing by less would blow such a residue up to the size of a real difference.
DEVIATION_FLOOR = 1e-3


@dataclass(frozen=True, slots=True)
class Groups:
    """Statistics of K groups of trajectories."""

    index: Ints  # (M,) group of each trajectory, 0..K-1
    size: Ints  # (K,)
    mean: Floats  # (K,)
    deviation: Floats  # (K,) with the divisor n - 1; 0 where nothing varies
    live: Bools  # (K,) whether rewards differ at all

    @property
    def frac_zero_variance(self) -> float:
        """Share of the groups whose rewards are all equal; 0 without groups."""
        return float(1 - self.live.mean()) if len(self.live) else 0.0

    def scale(self, advantage: str) -> Floats:
        """Return the factor (K,) that a centred reward takes; 0 for a group without variance.

        `mean`: 1 (Liu et al. 2025, arXiv:2503.20783). `mean_std`: 1 / deviation, floored (Shao et
        al. 2024, arXiv:2402.03300). `rloo`: n / (n - 1), which makes centring on the mean of all
        the same as centring on the mean of the others (Kool et al. 2019; Ahmadian et al. 2024,
        arXiv:2402.14740).
        """
        if advantage == "mean_std":
            factor = 1 / np.maximum(self.deviation, DEVIATION_FLOOR)
        elif advantage == "rloo":
            factor = self.size / np.maximum(self.size - 1, 1)
        else:
            factor = np.ones(len(self.size))
        return np.where(self.live, factor, 0.0)


def group(totals: Floats, groups: Ints) -> Groups:
    """Gather trajectories with rewards `totals` (M,) by `groups` (M,), any whole numbers."""
    _, index, size = np.unique(groups, return_inverse=True, return_counts=True)
    mean = np.bincount(index, totals) / size
    drop = totals - mean[index]
    spread = np.sqrt(np.bincount(index, drop**2) / np.maximum(size - 1, 1))
    live = _span(totals, index, len(size)) > TOLERANCE * np.maximum(1, np.abs(mean))
    return Groups(index, size, mean, np.where(live, spread, 0.0), live)


def advantages(totals: Floats, groups: Ints, advantage: str = "mean") -> Floats:
    """Return the advantage (M,) of each trajectory; see `Groups.scale` for the kinds."""
    found = group(totals, groups)
    return np.asarray((totals - found.mean[found.index]) * found.scale(advantage)[found.index])


def all_equal(totals: Floats) -> bool:
    """Tell whether the rewards (M,) of a whole iteration are the same up to rounding."""
    return not len(totals) or bool(np.ptp(totals) <= TOLERANCE * max(1.0, np.abs(totals).max()))


def _span(totals: Floats, index: Ints, count: int) -> Floats:
    highest, lowest = np.full(count, -np.inf), np.full(count, np.inf)
    np.maximum.at(highest, index, totals)
    np.minimum.at(lowest, index, totals)
    return highest - lowest
