"""How a trajectory's reward is shared among its steps: one advantage a row, shape (N,).

Rewards become returns first and lose their baseline after. A baseline never depends on which
trajectories still run at a step: a policy that controls when it stops would bias such a one.
"""

from dataclasses import dataclass

import numpy as np

from training.engine.advantages import DEVIATION_FLOOR, Groups, all_equal, group
from training.engine.config import Config
from training.engine.distributions import Bools, Floats
from training.engine.trajectories import Trajectories
from training.engine.values import Value


@dataclass(frozen=True, slots=True)
class Credit:
    """Advantages of the rows, and which rows there is anything to learn from."""

    advantages: Floats  # (N,)
    used: Bools  # (N,)
    groups: Groups
    targets: Floats | None = None  # (N,) for the value estimate, TD(lambda) only


def credit(trajectories: Trajectories, config: Config, value: Value | None = None) -> Credit:
    """Return every row's advantage by the mode that `config.credit` names.

    Trajectories of a group without variance are left out. TD(lambda) compares with the value
    estimate instead of the group, so that there only an iteration whose rewards are all equal
    is left out, and `mean_std` divides by the deviation of the whole iteration.
    """
    groups = group(trajectories.totals, trajectories.groups)
    owner = groups.index[trajectories.owners]  # (N,)
    scale = groups.scale(config.advantage)[owner]
    used, targets = groups.live[owner], None
    if config.credit == "broadcast":
        rows = (trajectories.totals - groups.mean[groups.index])[trajectories.owners] * scale
    elif config.credit == "reward_to_go":
        rows = reward_to_go(trajectories, groups, config.gamma) * scale
    elif config.credit == "anchor":
        rows = (trajectories.totals - groups.mean[groups.index])[trajectories.owners] * scale
        # The states' part is centred on the others already: what `rloo` does to the group's.
        own = groups.scale("mean_std" if config.advantage == "mean_std" else "mean")[owner]
        rows = rows + anchored(trajectories, groups, config.gamma) * own
    else:
        if value is None:
            raise ValueError("credit td_lambda needs a value estimate")
        rows, targets = td_lambda(trajectories, value, config.gamma, config.trace_decay)
        used = np.full(len(rows), not all_equal(trajectories.totals))
        if config.advantage == "mean_std":
            rows = rows / max(float(trajectories.totals.std(ddof=1)), DEVIATION_FLOOR)
    if config.positive_only:
        rows = np.maximum(rows, 0.0)
    return Credit(np.where(used, rows, 0.0), used, groups, targets)


def returns_to_go(trajectories: Trajectories, gamma: float) -> Floats:
    """Return G_t = r_t + gamma G_(t+1) as (M, T), 0 after a trajectory's end."""
    returns = trajectories.grid(trajectories.rewards)
    for step in range(returns.shape[1] - 2, -1, -1):
        returns[:, step] += gamma * returns[:, step + 1]
    return returns


def reward_to_go(trajectories: Trajectories, groups: Groups, gamma: float) -> Floats:
    """Return the rows' returns-to-go less the group's mean return-to-go at the same step.

    For a trajectory that has ended its last return stands in, so that the mean is always over
    the whole group: the others' part of it does not depend on the row's choice, and the row's
    own part only shrinks every advantage by the same (n - 1) / n (Williams 1992 on baselines;
    Kool et al. 2019). A mean over those still running would not have that property. With all
    reward at the end and gamma = 1 this equals `broadcast`.
    """
    returns = returns_to_go(trajectories, gamma)  # (M, T)
    alive = trajectories.alive
    last = returns[np.arange(len(returns)), trajectories.lengths - 1]
    carried = np.where(alive, returns, last[:, None])
    sums = np.zeros((len(groups.size), returns.shape[1]))
    np.add.at(sums, groups.index, carried)
    baseline = sums / groups.size[:, None]  # (K, T)
    return np.asarray((returns - baseline[groups.index])[alive])


def anchored(trajectories: Trajectories, groups: Groups, gamma: float) -> Floats:
    """Return the rows' returns-to-go less what others of the group got from the same state.

    Anchor-state groups of GiGPO (Feng et al. 2025, arXiv:2505.10978, section 4.2), with two
    changes: a trajectory counts once for a state however often it was there, and is compared
    with the others alone. Where no other was in that state the row gets 0.
    """
    if trajectories.states is None:
        raise ValueError("credit anchor needs the states of the trajectories")
    returns = returns_to_go(trajectories, gamma)[trajectories.alive]  # (N,)
    owners = trajectories.owners
    _, visit = np.unique(np.stack([owners, trajectories.states]), axis=1, return_inverse=True)
    visits = int(visit.max()) + 1
    mean = np.bincount(visit, returns) / np.bincount(visit)  # (V,) by trajectory and state
    row = np.zeros(visits, dtype=np.int64)
    row[visit] = np.arange(len(visit))  # a row that made the visit
    places = np.stack([groups.index[owners[row]], trajectories.states[row]])
    _, place = np.unique(places, axis=1, return_inverse=True)  # (V,) by group and state
    others = np.bincount(place)[place] - 1
    total = np.bincount(place, mean)[place]
    baseline = (total - mean) / np.maximum(others, 1)  # (V,)
    return np.asarray(np.where(others[visit] > 0, returns - baseline[visit], 0.0))


def td_lambda(
    trajectories: Trajectories, value: Value, gamma: float, decay: float
) -> tuple[Floats, Floats]:
    """Return advantages (N,) and targets (N,) for the value estimate.

    A_t = d_t + gamma decay A_(t+1) with d_t = r_t + gamma V(s_(t+1)) - V(s_t) (Schulman et al.
    2016, arXiv:1506.02438, equations 11 and 16); after the end V is 0, but where the trajectory
    was cut short it is V of the last state. The target is A_t + V(s_t), the TD(lambda) return.
    """
    now, last = value.of(trajectories)
    after = np.append(now[1:], 0.0)
    ends = trajectories.starts + trajectories.lengths - 1
    after[ends] = (
        0.0 if trajectories.truncated is None else np.where(trajectories.truncated, last, 0.0)
    )
    errors = trajectories.grid(trajectories.rewards + gamma * after - now)  # (M, T)
    for step in range(errors.shape[1] - 2, -1, -1):
        errors[:, step] += gamma * decay * errors[:, step + 1]
    rows = errors[trajectories.alive]
    return rows, rows + now
