"""What becomes of each delta, decided before anything is written: runs count their deltas."""

import random
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar

from bench.seeding.shape import BUSIEST, QUEUED, Shape
from playbooks.models import DeltaStatus, Source

T = TypeVar("T")

_STATUSES = {
    DeltaStatus.APPLIED: 40, DeltaStatus.REJECTED: 40, DeltaStatus.PENDING_REVIEW: 6,
    DeltaStatus.RECORDED: 4, DeltaStatus.UNDONE: 3, DeltaStatus.FAILED: 3,
    DeltaStatus.CONFLICT: 2, DeltaStatus.CHANGES_REQUESTED: 2,
}  # fmt: skip
_OPEN = {
    DeltaStatus.PENDING_REVIEW: 90, DeltaStatus.CONFLICT: 7, DeltaStatus.CHANGES_REQUESTED: 3,
}  # fmt: skip
_SOURCES = {
    Source.STATISTICAL: 45, Source.LLM: 30, Source.AGENT: 8, Source.SCRIPTED: 6,
    Source.OPERATOR: 6, Source.TRAINING: 5,
}  # fmt: skip
_OF_RUNS = (Source.STATISTICAL, Source.LLM)
# How often a run's delta is the first of a new run.
_NEW_RUN = 0.35


@dataclass(slots=True)
class RunPlan:
    """One evolution run: whose, when, and what came of it."""

    owner: int
    source: Source
    at: datetime
    generated: int = 0
    applied: int = 0


@dataclass(frozen=True, slots=True)
class DeltaPlan:
    """One delta: whose, when, from where, what became of it, and by which run (its place)."""

    owner: int
    at: datetime
    status: DeltaStatus
    source: Source
    run: int | None


def plan(shape: Shape) -> tuple[list[DeltaPlan], list[RunPlan]]:
    """Return the deltas and the runs in the order of time."""
    rng = shape.rng("plans")
    owners = shape.owners_of_deltas()
    left = {BUSIEST: shape.busiest_versions - 1}
    deltas: list[DeltaPlan] = []
    runs: list[RunPlan] = []
    newest: dict[tuple[int, Source], int] = {}
    for place, owner in enumerate(owners):
        at = shape.moment(place, len(owners))
        status, source = _status(rng, owner, left), _drawn(rng, _SOURCES)
        run = _run_of(rng, owner, source, at, runs, newest) if source in _OF_RUNS else None
        if run is not None:
            runs[run].generated += 1
            runs[run].applied += status == DeltaStatus.APPLIED
        deltas.append(DeltaPlan(owner, at, status, source, run))
    return deltas, runs


def _run_of(
    rng: random.Random,
    owner: int,
    source: Source,
    at: datetime,
    runs: list[RunPlan],
    newest: dict[tuple[int, Source], int],
) -> int:
    known = newest.get((owner, source))
    if known is not None and rng.random() >= _NEW_RUN:
        return known
    runs.append(RunPlan(owner, source, at))
    newest[owner, source] = len(runs) - 1
    return len(runs) - 1


def _status(rng: random.Random, owner: int, left: dict[int, int]) -> DeltaStatus:
    if owner == QUEUED:
        return _drawn(rng, _OPEN)
    if owner != BUSIEST:
        return _drawn(rng, _STATUSES)
    # The busiest agent has as many versions as it shall have, and the rest waits for a person.
    left[BUSIEST] -= 1
    return DeltaStatus.APPLIED if left[BUSIEST] >= 0 else DeltaStatus.PENDING_REVIEW


def _drawn(rng: random.Random, weights: dict[T, int]) -> T:
    return rng.choices(list(weights), list(weights.values()))[0]
