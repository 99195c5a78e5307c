"""Estimates of what a state is worth, for TD(lambda): a table or a line.

Both are least squares with exponential forgetting (Ljung 1999, section 11.2), pulled towards 0
as by one visit with target 0.
"""

from typing import Protocol, TypeVar

import numpy as np

from training.engine.distributions import Floats, Ints
from training.engine.packing import pack, unpack
from training.engine.trajectories import Trajectories

ArrayT = TypeVar("ArrayT", Ints, Floats)


class Value(Protocol):
    """What TD(lambda) needs to know of a value estimate."""

    def of(self, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the value of the state of each row (N,), and of each last state (M,).

        Without `truncated` no last state is looked at and theirs is 0.
        """
        ...

    def learn(self, trajectories: Trajectories, targets: Floats, memory: float) -> None:
        """Move towards `targets` (N,); what was known before keeps the weight `memory`."""
        ...

    def to_bytes(self) -> bytes:
        """The whole estimate; `from_bytes` of its class gives it back bit for bit."""
        ...


class TableValue:
    """A value for each of S states: the mean of its targets."""

    def __init__(self, n_states: int) -> None:
        self.n_states = n_states
        self._sums, self._counts = np.zeros(n_states), np.zeros(n_states)

    def of(self, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the value of the state of each row (N,), and of each last state (M,).

        Without `truncated` no last state is looked at and theirs is 0.
        """
        table = self._sums / (self._counts + 1)
        last = np.zeros(len(trajectories.lengths))
        if trajectories.truncated is not None:
            last = table[_given(trajectories.last_states)]
        return table[_given(trajectories.states)], last

    def learn(self, trajectories: Trajectories, targets: Floats, memory: float) -> None:
        """Move towards `targets` (N,); what was known before keeps the weight `memory`."""
        states: Ints = _given(trajectories.states)
        self._sums = memory * self._sums + np.bincount(states, targets, self.n_states)
        self._counts = memory * self._counts + np.bincount(states, minlength=self.n_states)

    def to_bytes(self) -> bytes:
        """The whole table; `from_bytes` gives it back bit for bit."""
        arrays = {"sums": self._sums, "counts": self._counts}
        return pack("value table", {"n_states": self.n_states}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "TableValue":
        """Return the table that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        shape, arrays = unpack("value table", data)
        value = cls(**shape)
        value._sums, value._counts = arrays["sums"], arrays["counts"]
        return value


class LinearValue:
    """A value linear in the observation."""

    def __init__(self, n_inputs: int) -> None:
        self.n_inputs = n_inputs
        self._gram = np.zeros((n_inputs + 1, n_inputs + 1))  # the last row is the bias
        self._moment = np.zeros(n_inputs + 1)

    def of(self, trajectories: Trajectories) -> tuple[Floats, Floats]:
        """Return the value of the state of each row (N,), and of each last state (M,).

        Without `truncated` no last state is looked at and theirs is 0.
        """
        line = np.linalg.solve(self._gram + np.eye(self.n_inputs + 1), self._moment)
        rows: Floats = _given(trajectories.observations)
        last = np.zeros(len(trajectories.lengths))
        if trajectories.truncated is not None:
            last = _given(trajectories.last_observations) @ line[:-1] + line[-1]
        return rows @ line[:-1] + line[-1], last

    def learn(self, trajectories: Trajectories, targets: Floats, memory: float) -> None:
        """Move towards `targets` (N,); what was known before keeps the weight `memory`."""
        rows: Floats = _given(trajectories.observations)
        rows = np.column_stack([rows, np.ones(len(rows))])
        self._gram = memory * self._gram + rows.T @ rows
        self._moment = memory * self._moment + rows.T @ targets

    def to_bytes(self) -> bytes:
        """The whole estimate; `from_bytes` gives it back bit for bit."""
        arrays = {"gram": self._gram, "moment": self._moment}
        return pack("linear value", {"n_inputs": self.n_inputs}, arrays)

    @classmethod
    def from_bytes(cls, data: bytes) -> "LinearValue":
        """Return the estimate that `to_bytes` wrote; raise `CorruptState` if it is damaged."""
        shape, arrays = unpack("linear value", data)
        value = cls(**shape)
        value._gram, value._moment = arrays["gram"], arrays["moment"]
        return value


def _given(array: ArrayT | None) -> ArrayT:
    if array is None:
        raise ValueError("this value estimate needs states that the trajectories do not carry")
    return array
