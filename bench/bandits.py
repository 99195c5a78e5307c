"""Other ways to learn which bullets to let in, each as good as we could make it.

All three meet a new task with every trajectory, which suits them: they have no use for repeats.
All believe in the model of `training.engine.shrinkage` (effects overall and by type, shrunk), with
sizes chosen on worlds that no comparison uses; without that shrinking each is worse by points.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from bench.bullet_world import BULLETS, DIFFICULTY, TYPES, Bools, World
from training.engine.shrinkage import Outcomes, Posterior, Sums, fit, posterior, sums

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BATCH = 32  # trajectories between two looks at the outcomes; 8 was no better
MIDDLE = 0.4  # outcome at which levels start


@dataclass(frozen=True, slots=True)
class Prior:
    """What a learner believes before it starts, as variances, and how it explores."""

    overall: float = 1e-3
    deviation: float = 5e-4
    level: float = 0.1
    noise: float = 0.24
    scale: float = 1.0  # Thompson: width of the draws, in standard deviations
    share: float = 0.5  # epsilon-greedy: trajectories with a mask of coin flips


def thompson(
    world: World, budget: int, rng: np.random.Generator, prior: Prior | None = None
) -> Bools:
    """Return the masks (T, B) that Thompson sampling (Bayesian linear) believes in at the end.

    Agrawal and Goyal 2013 (arXiv:1209.3352): draw effects from the beliefs, do what is best for
    the draw.
    """
    prior = prior or Prior()

    def choose(belief: Posterior, types: Ints) -> Bools:
        mean = belief.by_type[types]
        drawn = belief.draw(len(types), rng)[np.arange(len(types)), types]
        return np.asarray((mean + prior.scale * (drawn - mean))[:, :BULLETS] > 0)

    return _online(world, budget, rng, prior, choose)


def epsilon_greedy(
    world: World, budget: int, rng: np.random.Generator, prior: Prior | None = None
) -> Bools:
    """Return the masks (T, B) of the best guess, after flips of a coin at a fixed share."""
    prior = prior or Prior()

    def choose(belief: Posterior, types: Ints) -> Bools:
        guess = belief.by_type[types][:, :BULLETS] > 0
        flips = rng.random(guess.shape) < 0.5
        return np.where((rng.random(len(types)) < prior.share)[:, None], flips, guess)

    return _online(world, budget, rng, prior, choose)


def factorial(world: World, budget: int, rng: np.random.Generator) -> Bools:
    """Return the masks (T, B) that a factorial A/B test finds: every bullet a coin flip."""
    types, difficulty = tasks(budget, rng)
    masks = rng.random((budget, BULLETS)) < 0.5
    success = world.run(types, difficulty, masks, rng).astype(np.float64)
    return fit(Outcomes(types, np.arange(budget), masks, success), TYPES).by_type > 0


def tasks(count: int, rng: np.random.Generator) -> tuple[Ints, Floats]:
    """Draw the types and hidden difficulties (N,) of new tasks."""
    return rng.integers(0, TYPES, count), rng.normal(0, DIFFICULTY, count)


def _online(
    world: World,
    budget: int,
    rng: np.random.Generator,
    prior: Prior,
    choose: Callable[[Posterior, Ints], Bools],
) -> Bools:
    overall = np.append(np.full(BULLETS, prior.overall), prior.level)
    deviation = np.append(np.full(BULLETS, prior.deviation), prior.level)
    data = sums(np.empty(0, int), np.empty((0, BULLETS + 1)), np.empty(0), TYPES)
    for start in range(0, budget, BATCH):
        types, difficulty = tasks(min(BATCH, budget - start), rng)
        masks = choose(posterior(data, prior.noise, overall, deviation), types)
        success = world.run(types, difficulty, masks, rng).astype(np.float64) - MIDDLE
        data = _added(data, types, masks, success)
    return posterior(data, prior.noise, overall, deviation).by_type[:, :BULLETS] > 0


def _added(data: Sums, types: Ints, masks: Bools, rewards: Floats) -> Sums:
    more = sums(types, np.column_stack([masks, np.ones(len(types))]), rewards, TYPES)
    squares, products = data.squares + more.squares, data.products + more.products
    return Sums(squares, products, data.loose_squares, data.loose_products)
