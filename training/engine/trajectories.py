"""What one iteration brought back, as arrays: trajectories in groups, their steps as rows."""

from dataclasses import dataclass

import numpy as np

from training.engine.distributions import Bools, Floats, Ints


class BadRewards(ValueError):
    """A reward is not a finite number: nothing may be learned from it."""


@dataclass(frozen=True, slots=True)
class Trajectories:
    """M trajectories, step rows one after the other, N = sum of `lengths`.

    `groups` names the task that a trajectory tried, by any whole number. `states` and
    `last_states` are keys of discrete states (anchor credit, a value table); `observations` and
    `last_observations` feed a linear value. The last ones, met after the final step, matter only
    where a trajectory was cut short (`truncated`). Raise `BadRewards` for a NaN or an infinity.
    """

    groups: Ints  # (M,)
    lengths: Ints  # (M,), each at least 1
    rewards: Floats  # (N,)
    truncated: Bools | None = None  # (M,)
    states: Ints | None = None  # (N,)
    last_states: Ints | None = None  # (M,)
    observations: Floats | None = None  # (N, D)
    last_observations: Floats | None = None  # (M, D)

    def __post_init__(self) -> None:
        if not len(self.groups):
            raise ValueError("there is no trajectory to learn from")
        if len(self.groups) != len(self.lengths) or (self.lengths < 1).any():
            raise ValueError("every trajectory needs a group and at least one step")
        if self.rewards.shape != (self.lengths.sum(),):
            raise ValueError(f"{self.lengths.sum()} steps need as many rewards")
        bad = ~np.isfinite(self.rewards)
        if bad.any():
            row = int(np.argmax(bad))
            trajectory = int(self.owners[row])
            raise BadRewards(
                f"the reward of trajectory {trajectory}, step {row - int(self.starts[trajectory])}"
                f" is {self.rewards[row]}, not a finite number"
            )

    @property
    def starts(self) -> Ints:
        """First row (M,) of each trajectory."""
        return np.cumsum(self.lengths) - self.lengths

    @property
    def owners(self) -> Ints:
        """Trajectory (N,) that each row belongs to."""
        return np.repeat(np.arange(len(self.lengths)), self.lengths)

    @property
    def totals(self) -> Floats:
        """Undiscounted reward (M,) of each trajectory."""
        return np.add.reduceat(self.rewards, self.starts)

    def grid(self, rows: Floats) -> Floats:
        """Spread rows (N,) over (M, T); after a trajectory's end stands 0."""
        spread = np.zeros((len(self.lengths), int(self.lengths.max())))
        spread[self.alive] = rows
        return spread

    @property
    def alive(self) -> Bools:
        """Tell for (M, T) whether trajectory m has a step t; its rows are `grid[alive]`."""
        return np.asarray(np.arange(self.lengths.max()) < self.lengths[:, None])
