"""What a job's trajectories say of every bullet, and what to do with it.

A linear regression of the outcome on all bullets, compared inside tasks only. Errors allow for
any likeness among the trajectories of a task. Unlike the policy, which acts on the better guess,
a verdict here needs evidence that would be rare by chance.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np

from evolution.stats import benjamini_hochberg
from training.engine.distributions import Bools, Floats, Ints
from training.engine.shrinkage import Outcomes
from training.engine.student import critical, two_sided_p

LEVEL = 0.05  # false discoveries among what is called significant
_FEWEST_TASKS = 6  # in which a bullet varied; with fewer an error cannot be estimated
_IDENTIFIED = 1e-6
_NOTHING = 1e-9

Action = Literal["keep", "drop", "restrict"]


@dataclass(frozen=True, slots=True)
class Estimate:
    """The difference a bullet makes to the outcome, others as they were."""

    effect: float
    interval: tuple[float, float]  # 95 %, for this estimate alone
    p_value: float  # two-sided
    q_value: float  # at most LEVEL where it is called significant, see `_corrected`
    uses: int  # trajectories that had the bullet
    tasks: int  # in which it varied

    @property
    def sign(self) -> int:
        """1 or -1 where the effect is significant, else 0."""
        return int(np.sign(self.effect)) if self.q_value <= LEVEL else 0


@dataclass(frozen=True, slots=True)
class BulletEffect:
    """One bullet's estimates and the verdict; None where nothing could be compared."""

    overall: Estimate | None
    by_type: tuple[Estimate | None, ...]
    action: Action
    types: tuple[int, ...]  # where it stays; empty for `drop`, all for `keep`


def bullet_effects(outcomes: Outcomes, n_types: int) -> list[BulletEffect]:
    """Return the effects of all bullets, in their order, types being 0..n_types - 1.

    Overall: ordinary least squares on all bullets with a level for each task. In a type: what is
    left of the outcome there, after the other bullets' overall effects, on the bullet alone; where
    chance decided over the masks, others that differ between types add noise but no bias.
    False discoveries are controlled among the bullets that something is said of.
    """
    strata = _strata(outcomes)
    columns = _centred(outcomes.bullets.astype(np.float64), strata)
    rewards = _centred(outcomes.rewards[:, None], strata)[:, 0]
    _, tasks = np.unique(outcomes.groups, return_inverse=True)
    found = _regression(columns, rewards, tasks)
    left = rewards - columns @ found.effects
    rows = [_overall(found, outcomes.bullets, _varied(columns, tasks))]
    for number in range(n_types):
        inside = outcomes.types == number
        uses = outcomes.bullets[inside].sum(axis=0)
        rows.append(_alone(columns[inside], left[inside], tasks[inside], uses, found))
    return [_verdict(row) for row in _corrected(list(zip(*rows, strict=True)))]


@dataclass(frozen=True, slots=True)
class _Regression:
    effects: Floats  # (B,)
    errors: Floats  # (B,)
    known: Bools  # (B,) whether the data tell the bullet from the others


def _strata(outcomes: Outcomes) -> Ints:
    """Return what levels belong to: tasks if most were tried more than once, else types."""
    _, index, size = np.unique(outcomes.groups, return_inverse=True, return_counts=True)
    return index if (size[index] > 1).mean() > 0.5 else outcomes.types


def _centred(columns: Floats, strata: Ints) -> Floats:
    _, index, size = np.unique(strata, return_inverse=True, return_counts=True)
    total = np.zeros((len(size), columns.shape[1]))
    np.add.at(total, index, columns)
    return np.asarray(columns - (total / size[:, None])[index])


def _varied(columns: Floats, tasks: Ints) -> Ints:
    """Count the tasks (B,) in which a bullet tells anything."""
    return np.asarray((_by_task(columns**2, tasks) > _NOTHING).sum(axis=0))


def _by_task(columns: Floats, tasks: Ints) -> Floats:
    sums = np.zeros((int(tasks.max(initial=-1)) + 1, columns.shape[1]))
    np.add.at(sums, tasks, columns)
    return sums


def _regression(columns: Floats, rewards: Floats, tasks: Ints) -> _Regression:
    """Regress with the jackknife over tasks for errors.

    CR3 (MacKinnon, Nielsen and Webb 2023, Journal of Applied Econometrics 38(5)): without task k
    the effects change by (X'X)^+ X_k' (I - H_k)^-1 e_k with H_k = X_k (X'X)^+ X_k'.
    """
    squares = columns.T @ columns
    inverse = np.linalg.pinv(squares, hermitian=True)
    effects = inverse @ (columns.T @ rewards)
    residuals = rewards - columns @ effects
    order = np.argsort(tasks, kind="stable")
    blocks = np.split(order, np.flatnonzero(np.diff(tasks[order])) + 1)
    variance = np.zeros(len(effects))
    for rows in blocks:
        block = columns[rows]
        rest = np.linalg.pinv(np.eye(len(rows)) - block @ inverse @ block.T, hermitian=True)
        variance += (inverse @ (block.T @ (rest @ residuals[rows]))) ** 2
    errors = np.sqrt((len(blocks) - 1) / len(blocks) * variance)
    known = np.abs(np.diag(inverse @ squares) - 1) < _IDENTIFIED
    return _Regression(effects, errors, known)


def _overall(found: _Regression, bullets: Bools, tasks: Ints) -> list[Estimate | None]:
    uses = bullets.sum(axis=0)
    return [
        _estimate(found.effects[number], found.errors[number], uses[number], tasks[number])
        if found.known[number] and tasks[number] >= _FEWEST_TASKS
        else None
        for number in range(len(uses))
    ]


def _alone(
    columns: Floats, left: Floats, tasks: Ints, uses: Ints, found: _Regression
) -> list[Estimate | None]:
    """Return each bullet's estimate (B,) in these rows: its overall effect and what is left.

    The slope without task k is (xy - x_k y_k) / (xx - x_k x_k); its spread is the jackknife's.
    """
    squares, products = _by_task(columns**2, tasks), _by_task(columns * left[:, None], tasks)
    row: list[Estimate | None] = []
    for bullet, known in enumerate(found.known):
        live = squares[:, bullet] > _NOTHING
        count, square, product = int(live.sum()), squares[live, bullet], products[live, bullet]
        if not known or count < _FEWEST_TASKS:
            row.append(None)
            continue
        slope = product.sum() / square.sum()
        without = (product.sum() - product) / (square.sum() - square)
        error = np.sqrt((count - 1) / count * ((without - slope) ** 2).sum())
        row.append(_estimate(found.effects[bullet] + slope, error, uses[bullet], count))
    return row


def _estimate(effect: float, error: float, uses: int, tasks: int) -> Estimate:
    half = critical(int(tasks) - 1) * error
    if error > _NOTHING:
        p_value = two_sided_p(float(effect / error), int(tasks) - 1)
    else:  # outcomes without noise: what is left is rounding, and its ratio would mean nothing
        p_value = float(abs(effect) < _NOTHING)
    interval = (float(effect - half), float(effect + half))
    return Estimate(float(effect), interval, p_value, p_value, int(uses), int(tasks))


def _corrected(rows: Sequence[Sequence[Estimate | None]]) -> list[list[Estimate | None]]:
    """Return the estimates with the q values that a verdict on a whole bullet needs.

    Bullets are chosen by their own p value (Simes 1986), and inside each of the R chosen of B a
    test has to pass at R / B of the level (Benjamini and Bogomolov 2014, J. R. Stat. Soc. B 76(1)).
    Were all tests corrected as one lot, a bullet that harms in every type would bring six sure
    discoveries, and by that let false ones about others pass.
    """
    inside = [
        benjamini_hochberg(np.array([e.p_value for e in row if e is not None])) for row in rows
    ]
    own = np.array([q_values.min() for q_values in inside if len(q_values)])
    chosen = benjamini_hochberg(own)
    share = max(1, int((chosen <= LEVEL).sum())) / max(1, len(own))
    bullet, corrected = iter(chosen), []
    for row, q_values in zip(rows, inside, strict=True):
        least = next(bullet) if len(q_values) else 1.0
        each = iter(np.clip(q_values / share, least, 1.0))
        corrected.append(
            [None if e is None else replace(e, q_value=float(next(each))) for e in row]
        )
    return corrected


def _verdict(row: Sequence[Estimate | None]) -> BulletEffect:
    """Decide: what is bad overall goes, but for types where it is good; else from bad types."""
    overall, by_type = row[0], tuple(row[1:])
    signs = [0 if estimate is None else estimate.sign for estimate in by_type]
    if overall is not None and overall.sign < 0:
        stays = tuple(number for number, sign in enumerate(signs) if sign > 0)
    else:
        stays = tuple(number for number, sign in enumerate(signs) if sign >= 0)
        if len(stays) == len(signs):
            return BulletEffect(overall, by_type, "keep", stays)
    return BulletEffect(overall, by_type, "restrict" if stays else "drop", stays)
