"""Group-relative policy optimisation: the clipped objective and one iteration's update.

Objective: Schulman et al. 2017 (arXiv:1707.06347, equation 7) with separate bounds (Yu et al.
2025, arXiv:2503.14476, equation 10) and group advantages (Shao et al. 2024, arXiv:2402.03300).
Every row weighs the same: dividing by each trajectory's own length instead would make long
failures cheap (Liu et al. 2025, arXiv:2503.20783, section 3.1).
"""

from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import numpy as np

from training.engine.config import Config
from training.engine.credit import Credit, credit
from training.engine.distributions import Bools, Floats, Ints
from training.engine.optimisers import Optimiser
from training.engine.policy import Batch, Policy
from training.engine.trajectories import Trajectories
from training.engine.values import Value

BatchT = TypeVar("BatchT", bound=Batch)


class Diverged(ArithmeticError):
    """A loss, gradient or parameter is no longer a finite number."""


@dataclass(frozen=True, slots=True)
class Experience(Generic[BatchT]):
    """What one iteration brought back: choices (N rows) and what was logged when they were made."""

    trajectories: Trajectories
    choices: BatchT
    log_prob: Floats  # (N,) under the policy that chose
    reference: Floats | None = None  # (N,) under the reference policy; needed for kl_beta > 0

    def __post_init__(self) -> None:
        rows = len(self.trajectories.rewards)
        if not len(self.choices) == len(self.log_prob) == rows:
            raise ValueError(f"{rows} steps need as many choices and log probabilities")
        if not np.isfinite(self.log_prob).all():
            raise ValueError("a logged log probability is not a finite number")


@dataclass(frozen=True, slots=True)
class Metrics:
    """What one update measured; loss, clip fraction and gradient norm are means over its steps.

    `kl` estimates the divergence of the policy after the update from the one before it,
    `kl_reference` that from the reference policy (0 without one); `entropy` is that of the
    policy before the update. All are means over rows, in nats.
    """

    loss: float
    clip_fraction: float
    kl: float
    kl_reference: float
    entropy: float
    gradient_norm: float
    change_norm: float
    frac_zero_variance_groups: float
    avg_reward: float
    reward_std: float
    rows: int
    rows_used: int
    steps: int


@dataclass(frozen=True, slots=True)
class Slope:
    """The objective at one point, to be made small."""

    loss: float
    gradient: Floats  # (P,)
    clipped: float  # share of the rows whose ratio the bounds cut


def k3(log_ratio: Floats) -> Floats:
    """Return r - 1 - log r for r = q / p at samples of p: estimates KL(p, q), never below 0.

    Schulman 2020, "Approximating KL divergence" (joschu.net/blog/kl-approx.html), third estimator.
    """
    return np.asarray(np.expm1(log_ratio) - log_ratio)


def objective(
    policy: Policy[Any, BatchT],
    choices: BatchT,
    advantages: Floats,
    old: Floats,
    config: Config,
    reference: Floats | None = None,
) -> Slope:
    """Return loss and gradient over rows (N,) whose log probability was `old` (N,).

    loss = -mean_n(min(r A, clip(r) A) - kl_beta k3 + entropy_bonus H), r = exp(log p - old).
    The gradient is exact: zero for a row that the bounds cut. k3 is that of reference / policy.
    Raise `Diverged` when a ratio is not finite.
    """
    now = policy.log_prob(choices)
    with np.errstate(over="ignore"):
        ratio = np.exp(now - old)
    bounded = np.clip(ratio, 1 - config.clip_low, 1 + config.clip_high)
    cut = _cut(ratio, advantages, config)
    gain = np.where(cut, bounded, ratio) * advantages
    pull = np.where(cut, 0.0, gain)  # d gain / d log p
    if config.kl_beta:
        if reference is None:
            raise ValueError("kl_beta needs the log probabilities of a reference policy")
        gain = gain - config.kl_beta * k3(reference - now)
        pull = pull + config.kl_beta * np.expm1(reference - now)
    if not np.isfinite(pull).all():
        raise Diverged("the policy has left what it was: a probability ratio is not finite")
    each = np.full(len(choices), 1 / len(choices))
    gradient = -policy.grad(choices, pull * each)
    loss = -float(each @ gain)
    if config.entropy_bonus:
        loss -= config.entropy_bonus * float(each @ policy.entropy(choices))
        gradient -= policy.entropy_grad(choices, config.entropy_bonus * each)
    return Slope(loss, gradient, float(cut.mean()))


def update(
    policy: Policy[Any, BatchT],
    optimiser: Optimiser,
    experience: Experience[BatchT],
    config: Config,
    rng: np.random.Generator,
    value: Value | None = None,
) -> Metrics:
    """Improve `policy` in place by one iteration's experience and say what was measured.

    Where no group tells anything apart, neither the parameters nor the optimiser change by a
    bit. The same arguments and random state give the same bits. Raise `Diverged` when a number
    is no longer finite; the parameters are then those from before.
    """
    shares = credit(experience.trajectories, config, value)
    before = policy.parameters
    entropy = float(policy.entropy(experience.choices).mean())
    rows = np.flatnonzero(shares.used)
    slopes: list[tuple[Slope, float]] = []
    try:
        for _ in range(config.epochs if len(rows) else 0):
            for part in _parts(rows, config, rng):
                slopes.append(_step(policy, optimiser, experience, shares, part, config))
    except Diverged:
        policy.parameters = before
        raise
    if value is not None and shares.targets is not None:
        value.learn(experience.trajectories, shares.targets, config.value_memory)
    return _metrics(policy, experience, shares, slopes, before, entropy)


def _cut(ratio: Floats, advantages: Floats, config: Config) -> Bools:
    over = (advantages > 0) & (ratio > 1 + config.clip_high)
    return over | ((advantages < 0) & (ratio < 1 - config.clip_low))


def _parts(rows: Ints, config: Config, rng: np.random.Generator) -> list[Ints]:
    if config.minibatches == 1:
        return [rows]
    shuffled = rng.permutation(rows)
    return [part for part in np.array_split(shuffled, config.minibatches) if len(part)]


def _step(
    policy: Policy[Any, BatchT],
    optimiser: Optimiser,
    experience: Experience[BatchT],
    shares: Credit,
    rows: Ints,
    config: Config,
) -> tuple[Slope, float]:
    """Take one step down the objective over `rows`; return it with its gradient's norm."""
    whole = len(rows) == len(experience.choices) and config.minibatches == 1
    choices = experience.choices if whole else experience.choices.take(rows)
    reference = None if experience.reference is None else experience.reference[rows]
    old = experience.log_prob[rows]
    slope = objective(policy, choices, shares.advantages[rows], old, config, reference)
    norm = float(np.linalg.norm(slope.gradient))
    if not np.isfinite([norm, slope.loss]).all():
        raise Diverged(f"the loss is {slope.loss} and the gradient's norm {norm}")
    gradient = slope.gradient * min(1.0, config.max_grad_norm / max(norm, 1e-300))
    change = config.learning_rate * policy.rates * optimiser.direction(gradient)
    policy.parameters = policy.parameters - change
    return slope, norm


def _metrics(
    policy: Policy[Any, BatchT],
    experience: Experience[BatchT],
    shares: Credit,
    slopes: list[tuple[Slope, float]],
    before: Floats,
    entropy: float,
) -> Metrics:
    now = policy.log_prob(experience.choices)
    totals, reference = experience.trajectories.totals, experience.reference
    return Metrics(
        loss=_mean([slope.loss for slope, _ in slopes]),
        clip_fraction=_mean([slope.clipped for slope, _ in slopes]),
        kl=float(k3(now - experience.log_prob).mean()),
        kl_reference=0.0 if reference is None else float(k3(reference - now).mean()),
        entropy=entropy,
        gradient_norm=_mean([norm for _, norm in slopes]),
        change_norm=float(np.linalg.norm(policy.parameters - before)),
        frac_zero_variance_groups=shares.groups.frac_zero_variance,
        avg_reward=float(totals.mean()),
        reward_std=float(totals.std()),
        rows=len(experience.choices),
        rows_used=int(shares.used.sum()),
        steps=len(slopes),
    )


def _mean(values: list[float]) -> float:
    return float(np.mean(values)) if values else 0.0
