"""What a job learns with: policy, optimiser and value, and the few counts that go with them."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from training.engine.action_policy import ActionPolicy
from training.engine.config import Config
from training.engine.distributions import Floats
from training.engine.optimisers import Optimiser, make_optimiser, optimiser_from_bytes
from training.engine.packing import CorruptState, pack, unpack
from training.engine.policy import ContextPolicy
from training.engine.values import LinearValue, TableValue

_LENGTH = 8
_KIND = "training state"


@dataclass(slots=True)
class Learner:
    """All that the next iteration goes on from; every draw is made anew from seed and iteration.

    `start` are the parameters before training. `quiet` counts the latest iterations in a row in
    which no group told anything apart, `silent` those in which nothing ended.
    """

    policy: ContextPolicy | ActionPolicy
    optimiser: Optimiser
    value: TableValue | LinearValue | None
    start: Floats  # (P,)
    quiet: int = 0
    silent: int = 0

    @property
    def distance(self) -> float:
        """How far the parameters are from where they started; exactly 0 if they never moved."""
        return float(np.linalg.norm(self.policy.parameters - self.start))

    def to_bytes(self, config: Config) -> bytes:
        """The whole state; `from_bytes` gives it back bit for bit."""
        value = b"" if self.value is None else self.value.to_bytes()
        counts = {"quiet": self.quiet, "silent": self.silent, "value": _value_kind(self.value)}
        counts |= {"optimiser": config.optimiser, "policy": _policy_kind(self.policy)}
        head = pack(_KIND, counts, {"start": self.start})
        parts = (head, self.policy.to_bytes(), self.optimiser.to_bytes(), value)
        return b"".join(len(part).to_bytes(_LENGTH, "little") + part for part in parts)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Learner":
        """Return the state that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        head, policy, optimiser, value = _parts(data)
        counts, arrays = unpack(_KIND, head)
        return cls(
            policy=_POLICIES[counts["policy"]].from_bytes(policy),
            optimiser=optimiser_from_bytes(counts["optimiser"], optimiser),
            value=_VALUES[counts["value"]].from_bytes(value) if counts["value"] else None,
            start=arrays["start"],
            quiet=counts["quiet"],
            silent=counts["silent"],
        )


def context_learner(
    config: Config,
    *,
    bullets: int,
    types: int,
    heads: Mapping[str, int] = {},  # noqa: B006 - read
) -> Learner:
    """Return a fresh learner over `bullets` that may be left out: each is in half of the time."""
    policy = ContextPolicy(bullets, types, heads=heads, type_rate=config.type_rate)
    # A choice of context is one step, so that no state follows another.
    return _learner(config, policy, None)


def action_learner(
    config: Config, *, n_inputs: int, n_actions: int, n_states: int | None
) -> Learner:
    """Return a fresh learner over an environment's actions, each as likely at first."""
    rng = np.random.default_rng([config.seed, 0])
    policy = ActionPolicy(n_inputs, n_actions, config.hidden_units, rng)
    value = None
    if config.credit == "td_lambda":
        value = LinearValue(n_inputs) if n_states is None else TableValue(n_states)
    return _learner(config, policy, value)


_POLICIES: dict[str, Any] = {"context": ContextPolicy, "action": ActionPolicy}
_VALUES: dict[str, Any] = {"table": TableValue, "linear": LinearValue}


def _learner(
    config: Config,
    policy: ContextPolicy | ActionPolicy,
    value: TableValue | LinearValue | None,
) -> Learner:
    start = policy.parameters
    return Learner(policy, make_optimiser(config.optimiser, len(start)), value, start)


def _policy_kind(policy: ContextPolicy | ActionPolicy) -> str:
    return "context" if isinstance(policy, ContextPolicy) else "action"


def _value_kind(value: TableValue | LinearValue | None) -> str:
    if value is None:
        return ""
    return "table" if isinstance(value, TableValue) else "linear"


def _parts(data: bytes) -> list[bytes]:
    parts, place = [], 0
    for _ in range(4):
        start = place + _LENGTH
        place = start + int.from_bytes(data[place:start], "little")
        parts.append(data[start:place])
    if place != len(data):
        raise CorruptState("the saved training state is damaged: its length does not fit")
    return parts
