"""Which bullets the trajectories of one task try: spread evenly inside their group.

Drawn for each trajectory alone, a bullet with probability one half is in none or all of eight
with chance 1/128, and often in two or six; what it does then hides behind how many had it.
Stratified (Cochran 1977, Sampling Techniques, chapters 5 and 8), each of G trajectories its
own G-th of the unit interval, shuffled anew for every bullet:

- exactly floor(pG) or ceil(pG) of the group let a bullet with probability p in,
- each trajectory does so with probability exactly p,
- different bullets, heads and groups are independent, as their shuffles are.

**The propensity.** `ContextPolicy.log_prob`, the product of these marginal probabilities, is
exactly the law of one trajectory's mask, so ratios and importance weights that compare
trajectories one by one are unbiased. What it leaves out is that the G masks of a group depend on
each other: a bullet that is in here is in elsewhere less often, by 1 / (G - 1). A group's mean as
baseline therefore no longer is independent of the choice it is subtracted from. Where pG is whole
and bullets add up, this makes up precisely for the (G - 1) / G by which such a baseline shrinks
the gradient; in between it changes the length of the steps by at most that, and not their sign.
"""

import numpy as np

from training.engine.distributions import Bools, Floats, Ints
from training.engine.policy import ContextBatch, ContextPolicy, Contexts


def stratified(
    policy: ContextPolicy, groups: Contexts, size: int, rng: np.random.Generator
) -> ContextBatch:
    """Return `size` stratified choices for each of K tasks: K * size rows, group after group.

    Raise ValueError for a size below 1.
    """
    if size < 1:
        raise ValueError("a group needs at least one trajectory")
    rows = np.repeat(np.arange(len(groups.types)), size)
    features = None if groups.features is None else groups.features[rows]
    contexts = Contexts(groups.types[rows], features)
    chances = policy.probabilities(contexts.types, contexts.features)  # (N, B)
    bullets: Bools = _points(chances.shape, size, rng) < chances
    heads: dict[str, Ints] = {}
    for name, options in policy.head_probabilities(contexts).items():
        edges = options.cumsum(axis=1)[:, :-1]  # (N, K - 1)
        heads[name] = (edges <= _points((len(rows), 1), size, rng)).sum(axis=1)
    return ContextBatch(contexts, bullets, heads)


def _points(shape: tuple[int, int], size: int, rng: np.random.Generator) -> Floats:
    """Return points of [0, 1) (N, C): in a column, every group has one in each `size`-th of it.

    All of a group and column share their place inside the `size`-th. That makes the count below p
    floor(p size) or ceil(p size), never further off.
    """
    groups = shape[0] // size
    order = rng.permuted(
        np.broadcast_to(np.arange(size)[None, :, None], (groups, size, shape[1])), axis=1
    )
    return np.asarray(((order + rng.random((groups, 1, shape[1]))) / size).reshape(shape))
