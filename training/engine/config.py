"""The settings of a training job."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, Self

from training.engine.finite import is_number

# Field -> lowest and highest value; `_OPEN` ones exclude the lowest.
_RANGES: dict[str, tuple[float, float | None]] = {
    "n_iterations": (1, 10_000),
    "batch_size": (1, 128),
    "n_trajectories_per_query": (2, 16),
    "learning_rate": (0, 1),
    "max_budget_usd": (0, None),
    "checkpoint_interval": (1, None),
    "eval_interval": (1, None),
    "max_steps_per_trajectory": (1, 1000),
    "gamma": (0, 1),
    "clip_low": (0, 1),
    "clip_high": (0, None),
    "kl_beta": (0, None),
    "entropy_bonus": (0, None),
    "trace_decay": (0, 1),
    "value_memory": (0, 1),
    "max_grad_norm": (0, None),
    "epochs": (1, 100),
    "minibatches": (1, 1000),
    "hidden_units": (0, 1024),
    "type_rate": (0, 1),
    "seed": (0, 2**63 - 1),
}
_OPEN = {"learning_rate", "clip_low", "clip_high", "max_grad_norm"}
_CHOICES: dict[str, tuple[str | None, ...]] = {
    "advantage": ("mean", "mean_std", "rloo"),
    "credit": ("broadcast", "reward_to_go", "anchor", "td_lambda"),
    "optimiser": ("adam", "sgd"),
    "policy": ("context", "action", None),
}


class InvalidConfig(ValueError):
    """A setting that cannot be; `field` names it."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"config.{field} {problem}")
        self.field, self.problem = field, problem


@dataclass(frozen=True, slots=True)
class Config:
    """Settings of one job; every value is checked when it is made.

    `clip_low` and `clip_high` bound the probability ratio at 1 - low and 1 + high; the higher
    upper bound lets rare choices grow (Yu et al. 2025, arXiv:2503.14476, section 3.1).
    `trace_decay` is the lambda of TD(lambda), `value_memory` the weight that what a value
    estimate knew keeps per iteration, `type_rate` the share of the learning rate for the weights
    of single task types. `policy` None leaves the choice to the runtime.
    """

    n_iterations: int = 1000
    batch_size: int = 16  # tasks an iteration
    n_trajectories_per_query: int = 8
    learning_rate: float = 0.05
    max_budget_usd: float = 100.0
    checkpoint_interval: int = 10  # iterations
    eval_interval: int = 10  # iterations
    max_steps_per_trajectory: int = 20
    gamma: float = 0.99
    advantage: str = "mean"
    clip_low: float = 0.2
    clip_high: float = 0.28
    kl_beta: float = 0.0
    credit: str = "reward_to_go"
    positive_only: bool = False
    entropy_bonus: float = 0.0
    max_grad_norm: float = 1.0
    optimiser: str = "adam"
    epochs: int = 4  # passes over one iteration's trajectories
    minibatches: int = 1  # steps a pass
    trace_decay: float = 0.95
    value_memory: float = 0.9
    hidden_units: int = 32  # of an action policy; 0 is linear
    type_rate: float = 0.5
    seed: int = 0
    policy: str | None = None
    target_reward: float | None = None

    def __post_init__(self) -> None:
        for name, allowed in _CHOICES.items():
            if getattr(self, name) not in allowed:
                words = ", ".join(word for word in allowed if word is not None)
                raise InvalidConfig(name, f"must be one of {words}")
        if not isinstance(self.positive_only, bool):
            raise InvalidConfig("positive_only", "must be true or false")
        for name in _RANGES:
            self._check_number(name)
        if self.target_reward is not None and not is_number(self.target_reward):
            raise InvalidConfig("target_reward", "must be a number")

    @classmethod
    def parse(cls, values: Mapping[str, Any]) -> Self:
        """Return the settings that `values` names, defaults for the rest.

        Raise `InvalidConfig` for the first that is unknown, of the wrong type or out of range.
        """
        known = {field.name for field in fields(cls)}
        for name in values:
            if name not in known:
                raise InvalidConfig(name, "is not a setting")
        return cls(**values)

    def _check_number(self, name: str) -> None:
        value, (low, high) = getattr(self, name), _RANGES[name]
        whole = isinstance(type(self).__dataclass_fields__[name].default, int)
        if not is_number(value) or (whole and not isinstance(value, int)):
            raise InvalidConfig(name, "must be a whole number" if whole else "must be a number")
        above = value > low if name in _OPEN else value >= low
        if not above or (high is not None and value > high):
            raise InvalidConfig(name, f"must be {_range(name)}, not {value}")


def _range(name: str) -> str:
    low, high = _RANGES[name]
    start = f"above {low:g}" if name in _OPEN else f"at least {low:g}"
    return start if high is None else f"{start} and at most {high:g}"


def context_defaults() -> dict[str, Any]:
    """Return the settings of a context policy's job where nobody chose others.

    Chosen on simulated worlds (seeds 1000 to 1299 of `bench.bullet_world`) for 2,000 trajectories
    with 8 a task: 16 tasks an iteration at 0.1 ended level with 8 at 0.05; half the epochs cost the
    policy 0.6 points of success, half or double `type_rate` about 0.5, and an entropy bonus gained
    nothing. A context is chosen in one step: credit and discount have nothing to share out.
    """
    return {
        "policy": "context",
        "learning_rate": 0.1,
        "epochs": 4,
        "type_rate": 0.5,
        "entropy_bonus": 0.0,
        "credit": "broadcast",
        "gamma": 1.0,
    }
