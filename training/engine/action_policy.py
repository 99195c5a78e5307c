"""Softmax over an environment's actions, some of which may be forbidden."""

from dataclasses import dataclass

import numpy as np

from training.engine.distributions import (
    Bools,
    Floats,
    Ints,
    draw,
    entropies,
    fitting,
    log_softmax,
    safe_log,
    softmax,
)
from training.engine.packing import pack, unpack


@dataclass(frozen=True, slots=True)
class Observations:
    """What an agent sees, and which actions it may take; None allows all.

    A policy remembers what it made of the last one: never write into its arrays afterwards.
    """

    values: Floats  # (N, D)
    allowed: Bools | None = None  # (N, A)


@dataclass(frozen=True, slots=True)
class ActionBatch:
    """Actions taken on observations."""

    observations: Observations
    actions: Ints  # (N,)

    def __len__(self) -> int:
        return len(self.actions)

    def take(self, rows: Ints | Bools) -> "ActionBatch":
        """Return the rows that an index array or a mask picks."""
        seen = self.observations
        allowed = None if seen.allowed is None else seen.allowed[rows]
        return ActionBatch(Observations(seen.values[rows], allowed), self.actions[rows])


class ActionPolicy:
    """Softmax over actions, linear in the observation or with one hidden layer of tanh.

    Without a hidden layer all parameters start at zero; with one, `rng` draws the first layer
    from N(0, 1/D) and the second starts at zero, so that every action is as likely at first.
    """

    def __init__(
        self,
        n_inputs: int,
        n_actions: int,
        hidden: int = 0,
        rng: np.random.Generator | None = None,
    ) -> None:
        self.n_inputs, self.n_actions, self.hidden = n_inputs, n_actions, hidden
        self._lower = np.zeros((n_inputs + 1, hidden))  # (D + 1, H), the last row is the bias
        if hidden:
            if rng is None:
                raise ValueError("a hidden layer needs a random generator to start from")
            self._lower[:-1] = rng.normal(0, n_inputs**-0.5, (n_inputs, hidden))
        self._upper = np.zeros(((hidden or n_inputs) + 1, n_actions))  # (H + 1, A)
        self._last: tuple[Observations, Floats] | None = None  # seen last, and its hidden layer

    @property
    def parameters(self) -> Floats:
        """A copy of the parameters (P,): first layer, then second, row by row."""
        return np.concatenate([self._lower.ravel(), self._upper.ravel()])

    @parameters.setter
    def parameters(self, value: Floats) -> None:
        size = self._lower.size
        flat = fitting(value, size + self._upper.size)
        self._last = None
        self._lower = flat[:size].reshape(self._lower.shape)
        self._upper = flat[size:].reshape(self._upper.shape)

    @property
    def rates(self) -> Floats:
        """Factors (P,) of the learning rate: all one."""
        return np.ones(self._lower.size + self._upper.size)

    def probabilities(self, observations: Observations) -> Floats:
        """Return the probability (N, A) of each action; exactly 0 where it is not allowed."""
        return softmax(self._logits(observations, self._represent(observations)))

    def best(self, observations: Observations) -> Ints:
        """Return the likeliest allowed action (N,), the first of equals."""
        return np.argmax(self.probabilities(observations), axis=1)

    def sample(self, situation: Observations, rng: np.random.Generator) -> ActionBatch:
        """Draw an action for each observation."""
        return ActionBatch(situation, draw(self.probabilities(situation), rng))

    def log_prob(self, batch: ActionBatch) -> Floats:
        """Log probability (N,) of each action; -inf where it was not allowed."""
        inner = self._represent(batch.observations)
        chances = log_softmax(self._logits(batch.observations, inner))
        return np.asarray(chances[np.arange(len(batch)), batch.actions])

    def grad(self, batch: ActionBatch, weights: Floats) -> Floats:
        """Gradient (P,) of sum_n weights[n] log_prob[n]: d log p_a / d z_k = [k = a] - p_k."""
        inner = self._represent(batch.observations)
        slope = -softmax(self._logits(batch.observations, inner))  # (N, A)
        slope[np.arange(len(batch)), batch.actions] += 1
        return self._backward(batch.observations, inner, slope * weights[:, None])

    def entropy(self, batch: ActionBatch) -> Floats:
        """Entropy (N,) in nats over the allowed actions."""
        return entropies(self.probabilities(batch.observations))

    def entropy_grad(self, batch: ActionBatch, weights: Floats) -> Floats:
        """Gradient (P,) of sum_n weights[n] entropy[n]: d H / d z_k = -p_k (log p_k + H)."""
        inner = self._represent(batch.observations)
        chances = softmax(self._logits(batch.observations, inner))
        slope = -chances * (safe_log(chances) + entropies(chances)[:, None])
        return self._backward(batch.observations, inner, slope * weights[:, None])

    def to_bytes(self) -> bytes:
        """The whole policy; `from_bytes` gives it back bit for bit."""
        shape = {"n_inputs": self.n_inputs, "n_actions": self.n_actions, "hidden": self.hidden}
        return pack("action policy", shape, {"parameters": self.parameters})

    @classmethod
    def from_bytes(cls, data: bytes) -> "ActionPolicy":
        """Return the policy that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        shape, arrays = unpack("action policy", data)
        policy = cls(**shape, rng=np.random.default_rng(0))
        policy.parameters = arrays["parameters"]
        return policy

    def _represent(self, observations: Observations) -> Floats:
        if not self.hidden:
            return observations.values
        # Log probability and gradient follow each other on the same observations: half the time.
        if self._last is None or self._last[0] is not observations:
            inner = np.tanh(observations.values @ self._lower[:-1] + self._lower[-1])  # (N, H)
            self._last = observations, inner
        return self._last[1]

    def _logits(self, observations: Observations, inner: Floats) -> Floats:
        logits = inner @ self._upper[:-1] + self._upper[-1]  # (N, A)
        if observations.allowed is not None:
            if not observations.allowed.any(axis=1).all():
                raise ValueError("an observation allows no action at all")
            logits = np.where(observations.allowed, logits, -np.inf)
        return np.asarray(logits)

    def _backward(self, observations: Observations, inner: Floats, slope: Floats) -> Floats:
        upper = np.vstack([inner.T @ slope, slope.sum(axis=0)])
        if not self.hidden:
            return upper.ravel()
        below = (slope @ self._upper[:-1].T) * (1 - inner**2)  # (N, H)
        # Transposed twice: the same product, a third faster than with the wide array turned.
        lower = np.vstack([(below.T @ observations.values).T, below.sum(axis=0)])
        return np.concatenate([lower.ravel(), upper.ravel()])
