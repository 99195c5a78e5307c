"""What a piece of a job works with: settings, runtime, playbook and tasks, read once."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import Max

from ace_project.core.work.leases import JobStatus
from playbooks.content import Content
from playbooks.selectors import snapshot
from training.candidates import compose
from training.collector import Limits
from training.engine.config import Config
from training.engine.distributions import Bools, Ints
from training.engine.rewards import Reward
from training.models import Split, TrainingJob, TrainingTask
from training.runtimes.base import Attempt, Task
from training.runtimes.registry import make_runtime
from training.scoring import reward_of


@dataclass(frozen=True, slots=True)
class Scene:
    """One job, ready to be worked on; `runtime` is a ContextRuntime or an ActionRuntime."""

    job: TrainingJob
    config: Config
    runtime: Any
    content: Content
    reward: Reward
    go_on: Callable[[], bool]

    @property
    def limits(self) -> Limits:
        """How many attempts run at once, and how long one may take."""
        return Limits(settings.ACE_TRAINING_CONCURRENCY, settings.ACE_TRAINING_ATTEMPT_SECONDS)

    def tasks(self, split: Split, numbers: Sequence[int] | None = None) -> list[Task]:
        """Return the tasks of a split in the order of `numbers`, or all of them in theirs."""
        rows = TrainingTask.objects.filter(job=self.job, split=split).order_by("number")
        if numbers is not None:
            rows = rows.filter(number__in=numbers)
        found = {
            row.number: Task(row.number, row.query, row.expected_outcome, row.task_type)
            for row in rows
        }
        return [found[number] for number in (found if numbers is None else numbers)]

    def train_count(self) -> int:
        """Return how many tasks there are to train on."""
        rows = TrainingTask.objects.filter(job=self.job, split=Split.TRAIN)
        top: int | None = rows.aggregate(top=Max("number"))["top"]
        return 0 if top is None else top + 1

    def types(self, tasks: Sequence[Task]) -> Ints:
        """Return the policy's row (N,) of each task's type, -1 for one it has not met."""
        place = {name: index for index, name in enumerate(self.job.task_types)}
        return np.array([place.get(task.task_type, -1) for task in tasks], dtype=np.int64)

    def masks(self, free: Bools) -> Bools:
        """Return which of all candidates (N, C) are let in, where `free` (N, B) says of some."""
        fixed = np.array([entry["fixed"] for entry in self.job.candidates], dtype=bool)
        whole = np.ones((len(free), len(fixed)), dtype=bool)
        whole[:, ~fixed] = free
        return whole

    def attempt(
        self, task: Task, trial: int, seed: int, mask: Bools, heads: dict[str, int]
    ) -> Attempt:
        """Return one try of a task with the candidates (C,) that `mask` lets in."""
        pairs = zip(self.job.candidates, mask.tolist(), strict=True)
        chosen = [entry for entry, let_in in pairs if let_in]
        names = {entry["bullet_id"] for entry in chosen}
        return Attempt(
            job_id=self.job.pk,
            task=task,
            trial=trial,
            seed=seed,
            bullets=[(e["bullet_id"], e["section"], e["text"]) for e in chosen],
            context=compose(self.content, chosen, names),
            heads=heads,
            max_steps=self.config.max_steps_per_trajectory,
        )


def scene_of(job: TrainingJob, go_on: Callable[[], bool] | None = None) -> Scene:
    """Return the scene of a job; raises InvalidRuntime or InvalidReward where one is gone."""
    return Scene(
        job=job,
        config=Config(**job.config),
        runtime=make_runtime(job.runtime, agent=job.agent),
        content=snapshot(job.agent.playbook.pk, job.base_version).content,
        reward=reward_of(job.reward),
        go_on=go_on or (lambda: True),
    )


def is_ours(job: TrainingJob) -> bool:
    """Tell whether this process still holds the job's lease: it was not cancelled or erased."""
    return TrainingJob.objects.filter(
        pk=job.pk, status=JobStatus.RUNNING, lease_token=job.lease_token
    ).exists()
