"""Which tasks an iteration tries, and the seeds of its attempts: all follow from the job's seed.

Nothing is drawn from a generator that lives on, so that a job goes on after a crash as it would
have without, and no attempt depends on the order in which threads work.
"""

from collections.abc import Sequence
from enum import IntEnum

import numpy as np

_MOST = 2**63 - 1


class Purpose(IntEnum):
    """What is drawn; each has a stream of its own."""

    ORDER = 1
    CHOICE = 2
    ATTEMPT = 3
    UPDATE = 4
    MEASURE = 5


def generator(seed: int, purpose: Purpose, *place: int) -> np.random.Generator:
    """Return the generator of one place in a job, such as an iteration."""
    return np.random.default_rng([seed, int(purpose), *place])


def batch(seed: int, iteration: int, count: int, size: int) -> list[int]:
    """Return the numbers of the tasks that an iteration (from 1) tries, none of them twice.

    Every epoch has an order of its own; what does not fill a batch at its end waits for the next
    epoch. With fewer than `size` tasks each iteration tries them all.
    """
    size = min(size, count)
    epoch, place = divmod(iteration - 1, count // size)
    order = generator(seed, Purpose.ORDER, epoch).permutation(count)
    return [int(number) for number in order[place * size : (place + 1) * size]]


def attempt_seeds(seed: int, iteration: int, tasks: Sequence[int], size: int) -> list[int]:
    """Return a seed for each of `size` tries of each task, task after task."""
    return [
        _drawn(seed, Purpose.ATTEMPT, iteration, task, trial)
        for task in tasks
        for trial in range(size)
    ]


def measure_seed(seed: int, split: int, task: int) -> int:
    """Return the seed under which a held-out task is tried, the same for every policy."""
    return _drawn(seed, Purpose.MEASURE, split, task)


def _drawn(seed: int, purpose: Purpose, *place: int) -> int:
    return int(generator(seed, purpose, *place).integers(_MOST))
