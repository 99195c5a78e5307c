"""Policies: what may be chosen, how likely it is, and the gradients of that.

The parameters of every policy are one flat float64 vector, shape (P,).
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Protocol, Self, TypeVar

import numpy as np

from training.engine.distributions import (
    Bools,
    Floats,
    Ints,
    draw,
    entropies,
    fitting,
    sigmoid,
    softmax,
)
from training.engine.packing import pack, unpack

FLOOR = 0.05  # no bullet is left out, or let in, more rarely than this
_SPAN = 1 - 2 * FLOOR


class Batch(Protocol):
    """Choices that were made, one a row."""

    def __len__(self) -> int: ...

    def take(self, rows: Ints | Bools) -> Self:
        """Return the rows that an index array or a mask picks."""
        ...


SituationT = TypeVar("SituationT", contravariant=True)
BatchT = TypeVar("BatchT", bound=Batch)


class Policy(Protocol[SituationT, BatchT]):
    """What the optimiser needs to know of a policy; another kind needs no more than this."""

    @property
    def parameters(self) -> Floats:
        """A copy of the parameters (P,)."""
        ...

    @parameters.setter
    def parameters(self, value: Floats) -> None: ...

    @property
    def rates(self) -> Floats:
        """Factors (P,) of the learning rate, applied after the optimiser's own scaling."""
        ...

    def log_prob(self, batch: BatchT) -> Floats:
        """Log probability (N,) of each choice."""
        ...

    def grad(self, batch: BatchT, weights: Floats) -> Floats:
        """Gradient (P,) of sum_n weights[n] log_prob[n]."""
        ...

    def entropy(self, batch: BatchT) -> Floats:
        """Entropy (N,) in nats of the distribution that each choice was drawn from."""
        ...

    def entropy_grad(self, batch: BatchT, weights: Floats) -> Floats:
        """Gradient (P,) of sum_n weights[n] entropy[n]."""
        ...

    def sample(self, situation: SituationT, rng: np.random.Generator) -> BatchT:
        """Draw a choice for each situation."""
        ...

    def to_bytes(self) -> bytes:
        """The whole policy; `from_bytes` of its class gives it back bit for bit."""
        ...


@dataclass(frozen=True, slots=True)
class Contexts:
    """Tasks to compose a context for: type -1 is one that the policy has not met."""

    types: Ints  # (N,)
    features: Floats | None = None  # (N, F)


@dataclass(frozen=True, slots=True)
class ContextBatch:
    """Contexts composed: which bullets were let in, and what each head chose."""

    contexts: Contexts
    bullets: Bools  # (N, B)
    heads: Mapping[str, Ints] = field(default_factory=dict)  # name -> (N,)

    def __len__(self) -> int:
        return len(self.bullets)

    def take(self, rows: Ints | Bools) -> "ContextBatch":
        """Return the rows that an index array or a mask picks."""
        features = None if self.contexts.features is None else self.contexts.features[rows]
        heads = {name: chosen[rows] for name, chosen in self.heads.items()}
        return ContextBatch(
            Contexts(self.contexts.types[rows], features), self.bullets[rows], heads
        )


class ContextPolicy:
    """A Bernoulli choice for every bullet and a softmax for every head (prompt, strategy, route).

    Every logit is global + of the task's type + features. A bullet's probability is
    0.05 + 0.9 sigmoid(logit) and a head's 0.9 softmax(logits) + 0.1 / K: bounded as a clip would,
    but with a slope everywhere. Beyond a hard clip the gradient is zero, so that a bullet once
    pinned there could never come back. `type_rate` slows the weights of single types, which see
    less data than the global ones while Adam would move both alike.
    """

    def __init__(
        self,
        n_bullets: int,
        n_types: int,
        n_features: int = 0,
        heads: Mapping[str, int] = {},  # noqa: B006 - only read
        type_rate: float = 0.5,
    ) -> None:
        self.n_bullets, self.n_types, self.n_features = n_bullets, n_types, n_features
        self.heads, self.type_rate = dict(heads), type_rate
        columns = n_bullets + sum(self.heads.values())
        # (1 + types + F, B + sum of K): bullets first, then the heads in their order.
        self._weights = np.zeros((1 + n_types + n_features, columns))

    @property
    def parameters(self) -> Floats:
        """A copy of the parameters (P,): rows global, types, features; columns bullets, heads."""
        return self._weights.ravel().copy()

    @parameters.setter
    def parameters(self, value: Floats) -> None:
        self._weights = fitting(value, self._weights.size).reshape(self._weights.shape)

    @property
    def weights(self) -> Floats:
        """A copy of the parameters as (1 + types + F, B + sum of K)."""
        return self._weights.copy()

    @property
    def rates(self) -> Floats:
        """Factors (P,) of the learning rate: `type_rate` for the weights of single types."""
        rates = np.ones_like(self._weights)
        rates[1 : 1 + self.n_types] = self.type_rate
        return rates.ravel()

    def probabilities(self, types: Ints, features: Floats | None = None) -> Floats:
        """Return the probability (N, B) that each bullet is let in, within [0.05, 0.95]."""
        logits = self._logits(Contexts(types, features))
        return FLOOR + _SPAN * sigmoid(logits[:, : self.n_bullets])

    def head_probabilities(self, contexts: Contexts) -> dict[str, Floats]:
        """Return the probabilities (N, K) of each head's options, none below 0.1 / K."""
        logits = self._logits(contexts)
        return {
            name: _mixed(softmax(logits[:, columns])) for name, columns in self._columns().items()
        }

    def sample(self, situation: Contexts, rng: np.random.Generator) -> ContextBatch:
        """Draw bullets and heads, each for itself."""
        chances = self.probabilities(situation.types, situation.features)
        bullets = rng.random(chances.shape) < chances
        heads = {n: draw(p, rng) for n, p in self.head_probabilities(situation).items()}
        return ContextBatch(situation, bullets, heads)

    def best(self, situation: Contexts) -> ContextBatch:
        """Return the likeliest choices: bullets of more than one half, each head's top option."""
        bullets = self.probabilities(situation.types, situation.features) > 0.5
        heads = {n: p.argmax(axis=1) for n, p in self.head_probabilities(situation).items()}
        return ContextBatch(situation, bullets, heads)

    def log_prob(self, batch: ContextBatch) -> Floats:
        """Log probability (N,) of all choices of a row together."""
        chances = self.probabilities(batch.contexts.types, batch.contexts.features)
        total = np.log(np.where(batch.bullets, chances, 1 - chances)).sum(axis=1)
        for name, options in self.head_probabilities(batch.contexts).items():
            total = total + np.log(options[np.arange(len(batch)), batch.heads[name]])
        return np.asarray(total)

    def grad(self, batch: ContextBatch, weights: Floats) -> Floats:
        """Gradient (P,) of sum_n weights[n] log_prob[n].

        With s = sigmoid(z), p = 0.05 + 0.9 s: d log p / d z = 0.9 s (1 - s) / p, and for a bullet
        left out -0.9 s (1 - s) / (1 - p). Heads: d log q_c / d z_k = 0.9 s_c ([k = c] - s_k) / q_c.
        """
        logits = self._logits(batch.contexts)
        slope = np.empty_like(logits)
        share = sigmoid(logits[:, : self.n_bullets])
        chances = FLOOR + _SPAN * share
        over = np.where(batch.bullets, chances, chances - 1)
        slope[:, : self.n_bullets] = _SPAN * share * (1 - share) / over
        rows = np.arange(len(batch))
        for name, columns in self._columns().items():
            share, chosen = softmax(logits[:, columns]), batch.heads[name]
            drop = -share
            drop[rows, chosen] += 1
            factor = _SPAN * share[rows, chosen] / _mixed(share)[rows, chosen]
            slope[:, columns] = drop * factor[:, None]
        return self._backward(batch.contexts, slope * weights[:, None])

    def entropy(self, batch: ContextBatch) -> Floats:
        """Entropy (N,) in nats of all choices of a row together."""
        chances = self.probabilities(batch.contexts.types, batch.contexts.features)
        total = entropies(chances) + entropies(1 - chances)
        for options in self.head_probabilities(batch.contexts).values():
            total = total + entropies(options)
        return total

    def entropy_grad(self, batch: ContextBatch, weights: Floats) -> Floats:
        """Gradient (P,) of sum_n weights[n] entropy[n]; d H / d q_k = -(log q_k + 1)."""
        logits = self._logits(batch.contexts)
        slope = np.empty_like(logits)
        share = sigmoid(logits[:, : self.n_bullets])
        chances = FLOOR + _SPAN * share
        slope[:, : self.n_bullets] = np.log(1 / chances - 1) * _SPAN * share * (1 - share)
        for columns in self._columns().values():
            share = softmax(logits[:, columns])
            outer = -_SPAN * (np.log(_mixed(share)) + 1)
            slope[:, columns] = share * (outer - (share * outer).sum(axis=1, keepdims=True))
        return self._backward(batch.contexts, slope * weights[:, None])

    def to_bytes(self) -> bytes:
        """The whole policy; `from_bytes` gives it back bit for bit."""
        shape = {
            "n_bullets": self.n_bullets,
            "n_types": self.n_types,
            "n_features": self.n_features,
            "heads": self.heads,
            "type_rate": self.type_rate,
        }
        return pack("context policy", shape, {"parameters": self.parameters})

    @classmethod
    def from_bytes(cls, data: bytes) -> "ContextPolicy":
        """Return the policy that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        shape, arrays = unpack("context policy", data)
        policy = cls(**shape)
        policy.parameters = arrays["parameters"]
        return policy

    def _columns(self) -> dict[str, slice]:
        start, columns = self.n_bullets, {}
        for name, options in self.heads.items():
            columns[name] = slice(start, start + options)
            start += options
        return columns

    def _logits(self, contexts: Contexts) -> Floats:
        known = contexts.types >= 0
        row = np.where(known, 1 + contexts.types, 0)
        logits = self._weights[0] + known[:, None] * self._weights[row]
        if self.n_features:
            if contexts.features is None:
                raise ValueError(f"this policy needs {self.n_features} features of every task")
            logits = logits + contexts.features @ self._weights[1 + self.n_types :]
        return np.asarray(logits)  # (N, B + sum of K)

    def _backward(self, contexts: Contexts, slope: Floats) -> Floats:
        grad = np.zeros_like(self._weights)
        grad[0] = slope.sum(axis=0)
        known = contexts.types >= 0
        np.add.at(grad, 1 + contexts.types[known], slope[known])
        if contexts.features is not None and self.n_features:
            grad[1 + self.n_types :] = contexts.features.T @ slope
        return grad.ravel()


def logit(probability: Floats | float) -> Floats:
    """Return the logit at which a bullet is let in with `probability`, inside (0.05, 0.95)."""
    share = (np.asarray(probability, dtype=np.float64) - FLOOR) / _SPAN
    return np.log(share / (1 - share))


def _mixed(share: Floats) -> Floats:
    return _SPAN * share + 2 * FLOOR / share.shape[1]
