"""The one iterator that every export reads: decoded trajectories, a chunk at a time."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.db.models import QuerySet

from playbooks.content import Content
from playbooks.selectors import snapshot
from training import bodies
from training.candidates import compose
from training.models import Split, TrainingJob, TrainingTask, Trajectory
from training.runtimes.heads import chosen

# Trajectories in memory at once.
CHUNK = 100


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which trajectories: after `offset` of those that pass, in the order of their making."""

    success_only: bool = False
    min_reward: float | None = None
    offset: int = 0

    def rows(self, job: TrainingJob) -> QuerySet[Trajectory]:
        """Return the job's trajectories that pass, unordered and whatever the offset."""
        rows = Trajectory.objects.filter(job=job)
        if self.success_only:
            rows = rows.filter(success=True)
        if self.min_reward is not None:
            rows = rows.filter(reward__gte=self.min_reward)
        return rows


@dataclass(frozen=True, slots=True)
class Tried:
    """One try of one task with all that is known of it."""

    row: Trajectory
    task_type: str
    query: Any
    expected_outcome: Any
    bullets: Sequence[str]  # ids of the candidates that were let in
    steps: Sequence[Mapping[str, Any]]
    answer: Any
    heads: Mapping[str, str]  # what each head of the runtime chose, as it was told

    @property
    def group(self) -> tuple[int, int]:
        """What the tries of one task under one policy have in common."""
        return self.row.iteration, self.row.task


class Reader:
    """Reads one job's trajectories; what does not change is read once."""

    def __init__(self, job: TrainingJob) -> None:
        self.job = job
        self._ids = [entry["bullet_id"] for entry in job.candidates]

    def tried(self, wanted: Wanted) -> Iterator[Tried]:
        """Yield what passes, as far as it was there when this began; two queries a chunk.

        Rows are found by key, so that neither memory nor a transaction grows with their number.
        """
        rows = wanted.rows(self.job).order_by("id")
        newest = rows.values_list("id", flat=True).last()
        if newest is None:
            return
        rows = rows.filter(id__lte=newest)
        chunk = list(rows[wanted.offset : wanted.offset + CHUNK])
        while chunk:
            tasks = self._tasks({row.task for row in chunk})
            for row in chunk:
                yield self._decoded(row, tasks.get(row.task))
            chunk = list(rows.filter(id__gt=chunk[-1].pk)[:CHUNK])

    def told(self, tried: Tried) -> str:
        """Return what a try was told before its task: instructions, heads' choices, context."""
        system = self.job.runtime.get("system", "")
        parts = (system, *tried.heads.values(), self.context(tried.bullets))
        return "\n\n".join(part for part in parts if part)

    def context(self, bullets: Sequence[str]) -> str:
        """Return the playbook as text, as a try that was let in these bullets was told it."""
        return compose(self._content(), self.job.candidates, set(bullets))

    def base_context(self) -> str:
        """Return the whole playbook that the job began with, as text."""
        known = [entry["bullet_id"] for entry in self.job.candidates if entry["in_playbook"]]
        return self.context(known)

    def _content(self) -> Content:
        return snapshot(self.job.agent.playbook.pk, self.job.base_version).content

    def _tasks(self, numbers: set[int]) -> dict[int, TrainingTask]:
        rows = self.job.tasks.filter(split=Split.TRAIN, number__in=numbers)
        return {row.number: row for row in rows}

    def _decoded(self, row: Trajectory, task: TrainingTask | None) -> Tried:
        body = bodies.read(bytes(row.body))
        bits = np.unpackbits(np.frombuffer(row.bullets, np.uint8), count=len(self._ids))
        return Tried(
            row=row,
            task_type=task.task_type if task else "",
            query=task.query if task else None,
            expected_outcome=task.expected_outcome if task else None,
            bullets=[name for name, bit in zip(self._ids, bits, strict=True) if bit],
            steps=body["steps"],
            answer=body["answer"],
            heads=chosen(self.job.runtime.get("heads") or {}, body["heads"]),
        )
