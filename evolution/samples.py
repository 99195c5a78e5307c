"""Runs as arrays, and the split of their task groups into two parts."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from evolution.leaks import View

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Sample:
    """Runs as arrays: outcome, group, task type and stratum ids, (N,) each."""

    success: Bools
    group: Ints
    kind: Ints  # index into `types`
    stratum: Ints  # task type, playbook version and situation
    types: tuple[str | None, ...]

    def part(self, rows: Bools) -> "Sample":
        """Return some of the runs."""
        return replace(
            self,
            success=self.success[rows],
            group=self.group[rows],
            kind=self.kind[rows],
            stratum=self.stratum[rows],
        )


def sample_of(seen: View) -> Sample:
    """Return the runs as arrays."""
    types = tuple(sorted({run.task_type for run in seen.runs}, key=lambda kind: kind or ""))
    strata = [(run.task_type, run.version, seen.situation(run)) for run in seen.runs]
    return Sample(
        success=np.array([run.success for run in seen.runs], dtype=bool),
        group=_numbered([run.task_group for run in seen.runs]),
        kind=np.array([types.index(run.task_type) for run in seen.runs], dtype=np.int64),
        stratum=_numbered(strata),
        types=types,
    )


def _numbered(values: Sequence[object]) -> Ints:
    number: dict[object, int] = {}
    return np.array([number.setdefault(value, len(number)) for value in values], dtype=np.int64)


def split_groups(sample: Sample, share: float, rng: np.random.Generator) -> Bools:
    """Return which runs (N,) to look at: whole groups, about `share` of the runs of each type.

    Groups come in random order and go to the side that lacks runs most.
    """
    groups, first = np.unique(sample.group, return_index=True)
    size = np.bincount(sample.group)
    looking = np.zeros(len(size), dtype=bool)
    filled = np.zeros((len(sample.types), 2))
    for index in rng.permutation(len(groups)):
        group, kind = groups[index], sample.kind[first[index]]
        here, there = filled[kind] / (share, 1 - share)
        chosen = here < there or (here == there and rng.random() < share)
        looking[group] = chosen
        filled[kind, 0 if chosen else 1] += size[group]
    return looking[sample.group]


def groups_with(rows: Bools, group: Ints) -> Ints:
    """Return in how many groups (K,) any row is set."""
    order = np.argsort(group, kind="stable")
    starts = np.flatnonzero(np.diff(group[order], prepend=-1))
    if not len(starts):
        return np.zeros(rows.shape[1], dtype=np.int64)
    return np.asarray(np.logical_or.reduceat(rows[order], starts, axis=0).sum(axis=0))
