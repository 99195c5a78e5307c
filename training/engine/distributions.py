"""Softmax, sigmoid, entropy and draws, each over the rows of an array."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]


def fitting(value: Floats, size: int) -> Floats:
    """Return a copy of the parameters `value`; raise ValueError unless there are `size`."""
    flat = np.array(value, dtype=np.float64)
    if flat.shape != (size,):
        raise ValueError(f"the policy has {size} parameters, not {flat.shape}")
    return flat


def draw(chances: Floats, rng: np.random.Generator) -> Ints:
    """Draw an option (N,) by inversion, never one of probability zero."""
    return draw_at(chances, rng.random(len(chances)))


def draw_at(chances: Floats, points: Floats) -> Ints:
    """Return the option (N,) at `points` (N,) in [0, 1), never one of probability zero."""
    edges = chances.cumsum(axis=1)
    last = edges[:, -1:]  # 1 up to rounding; a product that rounds up to it would draw nothing
    point = np.minimum(points[:, None] * last, np.nextafter(last, 0))
    return (edges <= point).sum(axis=1)


def sigmoid(logits: Floats) -> Floats:
    """Return 1 / (1 + exp(-z)) in a form that cannot overflow."""
    return 0.5 * (1 + np.tanh(0.5 * logits))


def softmax(logits: Floats) -> Floats:
    """Return exp(z_k) / sum_j exp(z_j) of each row (N, K); a logit of -inf gives exactly 0."""
    powers = np.exp(logits - logits.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def log_softmax(logits: Floats) -> Floats:
    """Return the logarithm of `softmax`, exact also where that would underflow."""
    lowered = logits - logits.max(axis=1, keepdims=True)
    return np.asarray(lowered - np.log(np.exp(lowered).sum(axis=1, keepdims=True)))


def safe_log(chances: Floats) -> Floats:
    """Return log p, and 0 where p is 0: there p log p is 0."""
    return np.log(np.where(chances > 0, chances, 1.0))


def entropies(chances: Floats) -> Floats:
    """Return -sum_k p_k log p_k (N,) in nats."""
    return -np.asarray((chances * safe_log(chances)).sum(axis=1))
