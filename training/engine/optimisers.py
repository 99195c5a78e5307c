"""From a gradient to a change of the parameters; the state comes back bit for bit."""

from typing import Protocol

import numpy as np

from training.engine.distributions import Floats
from training.engine.packing import pack, unpack

_FIRST, _SECOND, _EPSILON = 0.9, 0.999, 1e-8  # the defaults of Kingma and Ba


class Optimiser(Protocol):
    """A rule of descent for parameters of a fixed size."""

    def direction(self, gradient: Floats) -> Floats:
        """Return what (P,) to subtract from the parameters, times the learning rate."""
        ...

    def to_bytes(self) -> bytes:
        """The whole state; `optimiser_from_bytes` gives it back bit for bit."""
        ...


class Adam:
    """Adam (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1)."""

    def __init__(self, size: int) -> None:
        self._steps = 0
        self._mean, self._square = np.zeros(size), np.zeros(size)  # (P,)

    def direction(self, gradient: Floats) -> Floats:
        """Return what (P,) to subtract from the parameters, times the learning rate."""
        self._steps += 1
        self._mean = _FIRST * self._mean + (1 - _FIRST) * gradient
        self._square = _SECOND * self._square + (1 - _SECOND) * gradient**2
        mean = self._mean / (1 - _FIRST**self._steps)
        square = self._square / (1 - _SECOND**self._steps)
        return np.asarray(mean / (np.sqrt(square) + _EPSILON))

    def to_bytes(self) -> bytes:
        """The whole state; `optimiser_from_bytes` gives it back bit for bit."""
        arrays = {"mean": self._mean, "square": self._square}
        return pack("adam", {"steps": self._steps}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "Adam":
        """Return the state that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        values, arrays = unpack("adam", data)
        adam = cls(0)
        adam._steps = values["steps"]
        adam._mean, adam._square = arrays["mean"], arrays["square"]
        return adam


class SGD:
    """Plain gradient descent; it has no state."""

    def __init__(self, size: int) -> None:
        self._size = size

    def direction(self, gradient: Floats) -> Floats:
        """Return what (P,) to subtract from the parameters, times the learning rate."""
        return gradient

    def to_bytes(self) -> bytes:
        """The whole state; `optimiser_from_bytes` gives it back bit for bit."""
        return pack("sgd", {"size": self._size}, {})

    @classmethod
    def from_bytes(cls, data: bytes) -> "SGD":
        """Return the state that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        values, _ = unpack("sgd", data)
        return cls(values["size"])


_KINDS: dict[str, type[Adam] | type[SGD]] = {"adam": Adam, "sgd": SGD}


def make_optimiser(name: str, size: int) -> Optimiser:
    """Return a fresh optimiser, `adam` or `sgd`, for parameters (size,)."""
    return _KINDS[name](size)


def optimiser_from_bytes(name: str, data: bytes) -> Optimiser:
    """Return the optimiser `name` as saved; raise `CorruptState` if it is damaged or another."""
    return _KINDS[name].from_bytes(data)
