"""What each bullet adds to the outcome, overall and by task type, shrunk by how little is known.

A linear mixed model: outcome = level of the type + difficulty of the task + sum over bullets of
(overall + deviation in the type) + noise, with normal effects of unknown size. The sizes come
from the data (empirical Bayes by EM; Dempster, Laird and Rubin 1977; Laird and Ware 1982), so that
forty bullets in ten types can be told from noise with a few trajectories for each.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from training.engine.distributions import Bools, Floats, Ints

_ROUNDS = 30
_LEVEL = 1.0  # variance of the levels: as good as free, an outcome lies between 0 and 1
_OVERALL, _DEVIATION = 1e-3, 5e-4  # where the search for the sizes starts
_LEAST = 1e-7
_NOISE_FLOOR = 1e-4


@dataclass(frozen=True, slots=True)
class Outcomes:
    """N trajectories: type (-1: unknown), task, mask and outcome of each."""

    types: Ints  # (N,)
    groups: Ints  # (N,) any whole numbers, one for each task
    bullets: Bools  # (N, B)
    rewards: Floats  # (N,)

    def __post_init__(self) -> None:
        rows = len(self.rewards)
        if not rows:
            raise ValueError("there is no outcome to learn from")
        if not len(self.types) == len(self.groups) == len(self.bullets) == rows:
            raise ValueError(f"{rows} outcomes need as many types, tasks and masks")
        if not np.isfinite(self.rewards).all():
            raise ValueError("an outcome is not a finite number")


@dataclass(frozen=True, slots=True)
class Sums:
    """What the data say, as sums over rows; the last column is the level."""

    squares: Floats  # (T, D, D)
    products: Floats  # (T, D)
    loose_squares: Floats  # (D, D) of rows of unknown type
    loose_products: Floats  # (D,)


@dataclass(frozen=True, slots=True)
class Posterior:
    """Normal beliefs: overall effects, and those of a type given the overall ones."""

    overall: Floats  # (D,)
    covariance: Floats  # (D, D) of the overall ones
    inner: Floats  # (T, D, D) covariance of a type's effects given the overall ones
    pull: Floats  # (T, D, D) of a type's effects towards the overall ones
    start: Floats  # (T, D) a type's effects where the overall ones are 0

    @property
    def by_type(self) -> Floats:
        """Mean effects (T, D) of each type, the overall ones among them."""
        return np.asarray(self.start + self.pull @ self.overall)

    @property
    def spreads(self) -> Floats:
        """Covariances (T, D, D) of `by_type`."""
        return np.asarray(self.inner + self.pull @ self.covariance @ self.pull.swapaxes(1, 2))

    def draw(self, count: int, rng: np.random.Generator) -> Floats:
        """Return effects of every type (count, T, D) as likely as they are believed."""
        root, roots = np.linalg.cholesky(self.covariance), np.linalg.cholesky(self.inner)
        overall = self.overall + rng.normal(size=(count, len(self.overall))) @ root.T
        own = np.einsum("tij,ntj->nti", roots, rng.normal(size=(count, *self.start.shape)))
        return np.asarray(self.start + np.einsum("tij,nj->nti", self.pull, overall) + own)


@dataclass(frozen=True, slots=True)
class Effects:
    """The fitted model; effects are differences of the outcome."""

    overall: Floats  # (B,)
    by_type: Floats  # (T, B)
    overall_errors: Floats  # (B,) standard deviations of the beliefs
    by_type_errors: Floats  # (T, B)
    level: float  # of a type never seen, no bullet in
    levels: Floats  # (T,) no bullet in
    noise: float  # variance inside a task

    def predict(self, types: Ints, chances: Floats) -> Floats:
        """Return the expected outcome (N,) where bullets are in with `chances` (N, B)."""
        effects = np.vstack([self.by_type, self.overall])[types]  # -1, the last, is the overall
        levels = np.append(self.levels, self.level)[types]
        return np.asarray(levels + (effects * chances).sum(axis=1))


def sums(types: Ints, columns: Floats, rewards: Floats, n_types: int) -> Sums:
    """Gather rows (N, D) by type."""
    wide = columns.shape[1]
    squares, products = np.zeros((n_types + 1, wide, wide)), np.zeros((n_types + 1, wide))
    for number in range(n_types + 1):
        rows = types == (number if number < n_types else -1)
        squares[number] = columns[rows].T @ columns[rows]
        products[number] = columns[rows].T @ rewards[rows]
    return Sums(squares[:-1], products[:-1], squares[-1], products[-1])


def posterior(data: Sums, noise: float, overall: Floats, deviation: Floats) -> Posterior:
    """Return the beliefs for prior variances (D,) of overall effects and of deviations.

    A type's effects w given the overall ones b are normal with precision S + V and mean
    (S + V)^-1 (c + V b), with S, c the sums over the noise and V the deviations' precision;
    integrating w out leaves b normal as well. The cost is a few D x D inversions per type.
    """
    tight = np.diag(1 / deviation)
    inner = np.linalg.inv(data.squares / noise + tight)  # (T, D, D)
    start = np.einsum("tij,tj->ti", inner, data.products / noise)
    pull = inner @ tight
    precision = np.diag(1 / overall) + data.loose_squares / noise
    precision = precision + (tight - tight @ pull).sum(axis=0)
    covariance = np.linalg.inv(_symmetric(precision))
    weight = data.loose_products / noise + tight @ start.sum(axis=0)
    return Posterior(covariance @ weight, _symmetric(covariance), _symmetric(inner), pull, start)


def fit(outcomes: Outcomes, n_types: int) -> Effects:
    """Fit the model to trajectories of types 0..n_types - 1.

    Tasks tried more than once are compared with themselves as far as they differ from each other
    (generalised least squares by partial centring; Fuller and Battese 1973).
    """
    n_bullets = outcomes.bullets.shape[1]
    # Away from the mean mask and outcome, lest what is pulled off a level goes to the bullets.
    usual, middle = outcomes.bullets.mean(axis=0), float(outcomes.rewards.mean())
    columns = np.column_stack([outcomes.bullets - usual, np.ones(len(outcomes.rewards))])
    share, noise = _centring(outcomes)
    columns = _centred(columns, outcomes.groups, share)
    rewards = _centred(outcomes.rewards[:, None] - middle, outcomes.groups, share)[:, 0]
    data = sums(outcomes.types, columns, rewards, n_types)
    overall, deviation = _priors(_OVERALL, _DEVIATION, n_bullets + 1)
    for _ in range(_ROUNDS):
        belief = posterior(data, noise, overall, deviation)
        overall, deviation = _sizes(belief)
        noise = _noise(data, belief, float(rewards @ rewards), len(rewards))
    belief = posterior(data, noise, overall, deviation)
    return Effects(
        overall=belief.overall[:-1],
        by_type=belief.by_type[:, :-1],
        overall_errors=np.sqrt(np.diag(belief.covariance))[:-1],
        by_type_errors=np.sqrt(np.diagonal(belief.spreads, axis1=1, axis2=2))[:, :-1],
        level=middle + float(belief.overall[-1] - usual @ belief.overall[:-1]),
        levels=middle + belief.by_type[:, -1] - belief.by_type[:, :-1] @ usual,
        noise=noise,
    )


def _sizes(belief: Posterior) -> tuple[Floats, Floats]:
    """Return the prior variances (D,) that the beliefs make likeliest (one step of EM)."""
    wide = belief.start.shape[1]
    overall = (belief.overall**2 + np.diag(belief.covariance))[:-1].mean()
    turn = belief.pull - np.eye(wide)
    doubt = belief.inner + turn @ belief.covariance @ turn.swapaxes(1, 2)
    away = (belief.by_type - belief.overall) ** 2 + np.diagonal(doubt, axis1=1, axis2=2)
    deviation = away[:, :-1].mean() if len(away) else _LEAST
    return _priors(float(overall), float(deviation), wide)


def _noise(data: Sums, belief: Posterior, total: float, rows: int) -> float:
    """Return the variance of what the beliefs leave of the outcomes (the step's other half)."""
    means = np.vstack([belief.by_type, belief.overall])  # (T + 1, D)
    spreads = np.concatenate([belief.spreads, belief.covariance[None]])
    squares = np.concatenate([data.squares, data.loose_squares[None]])
    products = np.vstack([data.products, data.loose_products])
    moments = spreads + means[:, :, None] * means[:, None, :]
    left = total - 2 * float((means * products).sum()) + float((moments * squares).sum())
    return max(left / rows, _NOISE_FLOOR)


def _priors(overall: float, deviation: float, wide: int) -> tuple[Floats, Floats]:
    sizes = np.full((2, wide), _LEVEL)
    sizes[:, :-1] = np.maximum([[overall], [deviation]], _LEAST)
    return sizes[0], sizes[1]


def _centring(outcomes: Outcomes) -> tuple[Floats, float]:
    """Return the share of its task's mean that each row (N,) loses, and the noise's variance."""
    _, index, size = np.unique(outcomes.groups, return_inverse=True, return_counts=True)
    mean = np.bincount(index, outcomes.rewards) / size
    inside = float(((outcomes.rewards - mean[index]) ** 2).sum())
    free = len(index) - len(size)
    if free == 0 or inside == 0:
        return np.zeros(len(index)), max(float(outcomes.rewards.var()), _NOISE_FLOOR)
    noise = max(inside / free, _NOISE_FLOOR)
    between = max(float(mean.var(ddof=1)) - noise * float((1 / size).mean()), 0.0)
    return (1 - np.sqrt(noise / (noise + size * between)))[index], noise


def _centred(columns: Floats, groups: Ints, share: Floats) -> Floats:
    _, index, size = np.unique(groups, return_inverse=True, return_counts=True)
    total = np.zeros((len(size), columns.shape[1]))
    np.add.at(total, index, columns)
    return np.asarray(columns - share[:, None] * (total / size[:, None])[index])


def _symmetric(matrix: npt.NDArray[np.floating]) -> Floats:
    return np.asarray((matrix + np.swapaxes(matrix, -1, -2)) / 2)
