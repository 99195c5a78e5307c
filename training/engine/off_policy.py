"""What can be known of a policy from trajectories that another one chose.

Replaying old trajectories as if they were new hurts: the clipped objective holds only near the
policy that made them. Two things are sound instead. `warm_start` gives a policy the beliefs that
the logs support, and `evaluate` estimates what a policy would have earned, with its doubt. Both
need logs in which chance decided: what was always in, or never, is not explored.
"""

from dataclasses import dataclass
from math import sqrt
from statistics import NormalDist

import numpy as np

from training.engine.distributions import Bools, Floats, Ints
from training.engine.policy import ContextPolicy, logit
from training.engine.shrinkage import Effects, Outcomes, fit
from training.engine.student import critical

FEWEST_EFFECTIVE = 20.0  # rows that the weights must be worth; below, an interval is fiction
_SURE = 0.9  # a warm start keeps trying both sides of every bullet this often
_ROUNDING = 1e-9  # effects below this are none
_FOLDS = 5
_MOST = 20.0  # weights above this, of a mean of 1, are cut


class NotExplored(ValueError):
    """The logs never tried what is asked about."""


@dataclass(frozen=True, slots=True)
class Log:
    """Logged trajectories, and with what chance each bullet was let in when they ran.

    Raise ValueError where a propensity is no probability, or says that what happened could not.
    """

    outcomes: Outcomes  # N rows
    propensities: Floats  # (N, B)

    def __post_init__(self) -> None:
        chances, bullets = self.propensities, self.outcomes.bullets
        if chances.shape != bullets.shape:
            raise ValueError("every bullet of every trajectory needs a propensity")
        if not ((chances >= 0) & (chances <= 1)).all():
            raise ValueError("a propensity lies between 0 and 1")
        if (np.where(bullets, chances, 1 - chances) == 0).any():
            raise ValueError("a choice was logged that its propensity rules out")

    @property
    def explored(self) -> Bools:
        """Tell of every bullet (B,) whether chance left it out and let it in."""
        chance = (self.propensities > 0) & (self.propensities < 1)
        bullets = self.outcomes.bullets
        return np.asarray((chance & bullets).any(axis=0) & (chance & ~bullets).any(axis=0))


def warm_start(log: Log, n_types: int, type_rate: float = 0.5) -> ContextPolicy:
    """Return a policy that lets each bullet in as likely as it is believed to help.

    The belief is that of `shrinkage.fit`, its chance above zero bounded to [0.1, 0.9] so that new
    trajectories can still overturn it. A bullet that was not explored starts at one half. Raise
    `NotExplored` where chance decided over no bullet. The best choices of the policy
    (`ContextPolicy.best`) are exactly the bullets whose effect is believed to be positive.
    """
    explored = log.explored
    if not explored.any():
        raise NotExplored("not explored: in these logs no bullet was left out or let in by chance")
    effects = fit(log.outcomes, n_types)
    logits = _logits(effects) * explored  # (1 + T, B)
    policy = ContextPolicy(len(explored), n_types, type_rate=type_rate)
    weights = policy.weights
    weights[0] = logits[0]
    weights[1 : 1 + n_types] = logits[1:] - logits[0]
    policy.parameters = weights.ravel()
    return policy


def crossed_chances(log: Log, n_types: int) -> Floats:
    """Return the chances (N, B) of warm starts that did not see the rows they are given for.

    Each half of the tasks has the policy that the other half leads to: valued on the rows that it
    was learnt from, a policy is praised for their luck. What chance did not decide over stays as
    it was. Raise `NotExplored` where a half explored nothing.
    """
    groups, index = np.unique(log.outcomes.groups, return_inverse=True)
    if len(groups) == 1:
        raise NotExplored("not explored: all trajectories are of one task")
    chances = log.propensities.copy()
    for half in (index % 2 == 0, index % 2 == 1):
        other = Log(_rows(log.outcomes, ~half), log.propensities[~half])
        policy = warm_start(other, n_types)
        chances[half] = policy.probabilities(log.outcomes.types[half])
    decided = (log.propensities > 0) & (log.propensities < 1)
    return np.where(decided, chances, log.propensities)


def _logits(effects: Effects) -> Floats:
    means = np.vstack([effects.overall, effects.by_type])
    errors = np.vstack([effects.overall_errors, effects.by_type_errors])
    means = np.where(np.abs(means) < _ROUNDING, 0.0, means)
    normal = NormalDist()
    chances = np.vectorize(normal.cdf, otypes=[np.float64])(means / errors)
    return logit(np.clip(chances, 1 - _SURE, _SURE))


@dataclass(frozen=True, slots=True)
class Value:
    """An estimate of the mean outcome of a policy that did not choose the logged trajectories."""

    value: float
    interval: tuple[float, float]  # 95 %
    weighted: float  # the same from weights alone, without the outcome model
    effective_rows: float
    cut: float  # share of the rows whose weight was cut


def evaluate(log: Log, chances: Floats, n_types: int) -> Value:
    """Return the doubly robust value of letting bullets in with `chances` (N, B).

    value = mean(q(x, policy) + w (r - q(x, mask))) (Dudik, Langford and Li 2011,
    arXiv:1103.4601) with w the ratio of the two policies' chances of the mask, cut at
    20 (Bottou et al. 2013, arXiv:1209.2355, section 4) and divided by its mean (self-normalised;
    Swaminathan and Joachims 2015), and q a linear model fitted to other tasks (cross-fitted;
    Chernozhukov et al. 2018, arXiv:1608.00060). Sound where either the weights or the model are;
    cutting leans on the model. The interval clusters by task. Effective rows: Kong 1992.
    Raise `NotExplored` where the policy does what the logs never could, or where the weights are
    worth fewer than 20 rows, as with many bullets they soon are for a policy far from the logs'.
    """
    _check_overlap(log, chances)
    outcomes = log.outcomes
    weights = _ratios(outcomes.bullets, chances, log.propensities)
    cut = np.minimum(weights, _MOST)
    effective = _effective(cut)
    if effective < FEWEST_EFFECTIVE:
        raise NotExplored(
            f"not explored: {len(cut)} trajectories are worth {effective:.1f} of this policy's"
        )
    cut = cut / cut.mean()
    expected, seen = _predictions(outcomes, chances, n_types)
    rows = expected + cut * (outcomes.rewards - seen)
    value = float(rows.mean())
    return Value(
        value=value,
        interval=_interval(rows, cut * (outcomes.rewards - seen), cut, outcomes.groups),
        weighted=float((cut * outcomes.rewards).mean()),
        effective_rows=effective,
        cut=float((weights > _MOST).mean()),
    )


def effective_rows(log: Log, chances: Floats) -> float:
    """Return how many trajectories of the policy's own the N logged ones are worth (Kong 1992)."""
    ratios = _ratios(log.outcomes.bullets, chances, log.propensities)
    return _effective(np.minimum(ratios, _MOST))


def _effective(weights: Floats) -> float:
    return float(weights.sum() ** 2 / (weights**2).sum()) if weights.any() else 0.0


def _check_overlap(log: Log, chances: Floats) -> None:
    fixed = (log.propensities == 0) | (log.propensities == 1)
    missing = (fixed & (np.abs(chances - log.propensities) > 1e-12)).any(axis=0)
    if missing.any():
        names = ", ".join(str(number) for number in np.flatnonzero(missing)[:5])
        raise NotExplored(f"not explored: chance did not decide over bullet {names} in these logs")


def _ratios(bullets: Bools, chances: Floats, propensities: Floats) -> Floats:
    """Return the ratio (N,) of the chances of each mask, from logarithms lest it underflow."""
    now = np.where(bullets, chances, 1 - chances)
    then = np.where(bullets, propensities, 1 - propensities)
    with np.errstate(divide="ignore", over="ignore"):
        return np.asarray(np.exp((np.log(now) - np.log(then)).sum(axis=1)))


def _predictions(outcomes: Outcomes, chances: Floats, n_types: int) -> tuple[Floats, Floats]:
    """Return the model's outcomes (N,) of the policy and of what was done, fitted elsewhere."""
    _, index = np.unique(outcomes.groups, return_inverse=True)
    fold = index % min(_FOLDS, int(index.max()) + 1)
    if not fold.any():
        raise NotExplored("not explored: all trajectories are of one task")
    expected, seen = np.empty(len(index)), np.empty(len(index))
    for number in range(int(fold.max()) + 1):
        inside = fold == number
        model = fit(_rows(outcomes, ~inside), n_types)
        types = outcomes.types[inside]
        expected[inside] = model.predict(types, chances[inside])
        seen[inside] = model.predict(types, outcomes.bullets[inside].astype(np.float64))
    return expected, seen


def _rows(outcomes: Outcomes, rows: Bools) -> Outcomes:
    return Outcomes(
        outcomes.types[rows], outcomes.groups[rows], outcomes.bullets[rows], outcomes.rewards[rows]
    )


def _interval(
    rows: Floats, corrections: Floats, weights: Floats, groups: Ints
) -> tuple[float, float]:
    """Return value -+ t times the error of the mean, tasks being what was drawn.

    Dividing by the mean weight takes the mean correction off in proportion to the weight (the
    linearised error of a ratio; Cochran 1977, chapter 6).
    """
    away = rows - rows.mean() - corrections.mean() * (weights - 1)
    _, index = np.unique(groups, return_inverse=True)
    totals = np.bincount(index, away)
    count = len(totals)
    error = sqrt(count / (count - 1) * float((totals**2).sum())) / len(rows)
    half = critical(count - 1) * error
    return float(rows.mean()) - half, float(rows.mean()) + half
