"""What all trajectories of a context job say of its candidates, read from the database."""

from collections.abc import Sequence

import numpy as np

from training.engine.distributions import Ints
from training.engine.effects import BulletEffect, bullet_effects
from training.engine.shrinkage import Outcomes
from training.models import Split, TrainingJob, TrainingTask, Trajectory

# The latest so many; more would change no decision and fill the memory.
MOST_ROWS = 200_000


def outcomes_of(job: TrainingJob, up_to: int | None = None) -> Outcomes | None:
    """Return the scored trajectories up to an iteration; None without any, or any candidate.

    Columns are the candidates that are not fixed, in their order.
    """
    rows = Trajectory.objects.filter(job=job, reward__isnull=False)
    if up_to is not None:
        rows = rows.filter(iteration__lte=up_to)
    found = list(rows.order_by("-id").values_list("task", "bullets", "reward")[:MOST_ROWS])
    fixed = np.array([entry["fixed"] for entry in job.candidates], dtype=bool)
    if not found or fixed.all():
        return None
    packed = np.frombuffer(b"".join(bytes(bits) for _, bits, _ in found), dtype=np.uint8)
    bits = np.unpackbits(packed.reshape(len(found), -1), axis=1, count=len(fixed))
    tasks = np.array([task for task, _, _ in found])
    return Outcomes(
        types=_types(job)[tasks],
        groups=tasks,
        bullets=bits[:, ~fixed].astype(bool),
        rewards=np.array([reward for _, _, reward in found]),
    )


def effects_of(job: TrainingJob, outcomes: Outcomes) -> list[BulletEffect]:
    """Return the effect of each candidate that is not fixed."""
    return bullet_effects(outcomes, len(job.task_types))


def _types(job: TrainingJob) -> Ints:
    """Return the type of each training task by its number, -1 for none."""
    place = {name: index for index, name in enumerate(job.task_types)}
    rows = TrainingTask.objects.filter(job=job, split=Split.TRAIN).order_by("number")
    names: Sequence[str] = list(rows.values_list("task_type", flat=True))
    return np.array([place.get(name, -1) for name in names], dtype=np.int64)
