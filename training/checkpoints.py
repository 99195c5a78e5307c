"""Policies as they were: the five best on validation and the latest, checked when they are read.

Those of ACE_CHECKPOINT_STORE_MIN_BYTES and more lie in the object store, where there is one.
"""

import hashlib
import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from training import object_store
from training.engine.packing import CorruptState
from training.learner import Learner
from training.models import Evaluation, PolicyCheckpoint, TrainingJob, TrainingState
from training.object_store import ObjectMissing, StoreUnavailable

logger = logging.getLogger(__name__)

KEPT = 5


@dataclass(frozen=True, slots=True)
class Held:
    """A state that a checkpoint may be made of: in hand, or in the object store by now."""

    iteration: int
    state: bytes | None
    location: str
    sha256: str
    size: int


def is_large(state: bytes) -> bool:
    """Tell whether the state goes to the object store."""
    if settings.ACE_CHECKPOINT_STORE is None:
        return False
    return len(state) >= settings.ACE_CHECKPOINT_STORE_MIN_BYTES


def hold(job: TrainingJob, iteration: int, state: bytes) -> Held:
    """Put a large state into the object store, before the transaction that writes its row.

    Whoever dies in between leaves an object that nobody refers to; a repeat writes the same one.
    Raises StoreUnavailable.
    """
    digest = hashlib.sha256(state).hexdigest()
    if not is_large(state):
        return Held(iteration, state, "", digest, len(state))
    location = object_store.put(f"{job.pk}/{iteration}/{digest}", state)
    return Held(iteration, None, location, digest, len(state))


def save(job: TrainingJob, held: Held, evaluation: Evaluation | None = None) -> PolicyCheckpoint:
    """Keep what is held as the job's checkpoint; one of the iteration that is there stays."""
    found, _ = PolicyCheckpoint.objects.get_or_create(
        job=job,
        iteration=held.iteration,
        defaults={
            "state": held.state,
            "location": held.location,
            "sha256": held.sha256,
            "size": held.size,
            "success_rate": evaluation.success_rate if evaluation else None,
            "avg_reward": evaluation.avg_reward if evaluation else None,
        },
    )
    return found


def keep_measured(job: TrainingJob, held: Held, evaluation: Evaluation) -> None:
    """Keep what is held with what was measured of it, also where it is kept already."""
    kept = save(job, held, evaluation)
    kept.success_rate, kept.avg_reward = evaluation.success_rate, evaluation.avg_reward
    kept.save(update_fields=["success_rate", "avg_reward"])


def save_present(job: TrainingJob) -> None:
    """Keep the state that the job's next iteration would go on from, if there was one before.

    A large one follows when the transaction is committed: whoever stops a job does not wait for
    the store, and where it is away the job stops without the checkpoint. The state itself stays.
    """
    saved = TrainingState.objects.get(job=job)
    if not saved.iteration:
        return
    state = bytes(saved.state)
    if is_large(state):
        late = partial(_save_late, job, saved.iteration, state)
        transaction.on_commit(late, robust=True)
        return
    save(job, hold(job, saved.iteration, state))
    prune(job)


def _save_late(job: TrainingJob, iteration: int, state: bytes) -> None:
    try:
        held = hold(job, iteration, state)
    except StoreUnavailable as error:
        logger.error("checkpoint %s of training job %s is not kept: %s", iteration, job.pk, error)
        return
    try:
        with transaction.atomic():
            save(job, held)
            prune(job)
    except IntegrityError:
        # The job was erased meanwhile.
        forget([held.location])


def best(job: TrainingJob) -> PolicyCheckpoint | None:
    """Return the checkpoint with the highest mean reward on validation, the later of equals."""
    measured = job.checkpoints.filter(avg_reward__isnull=False).defer("state")
    return measured.order_by("-avg_reward", "-success_rate", "-iteration").first()


def prune(job: TrainingJob) -> int:
    """Delete all but the latest and the best on validation; return how many went."""
    rows = list(job.checkpoints.values("pk", "iteration", "success_rate", "avg_reward"))
    latest = max((row["iteration"] for row in rows), default=0)
    measured = [row for row in rows if row["avg_reward"] is not None]
    measured.sort(key=lambda r: (r["avg_reward"], r["success_rate"] or 0.0, r["iteration"]))
    kept = {row["pk"] for row in measured[-KEPT:]}
    pks = [r["pk"] for r in rows if r["pk"] not in kept and r["iteration"] != latest]
    if not pks:
        return 0
    gone = PolicyCheckpoint.objects.filter(pk__in=pks)
    _forget_after_commit(gone.exclude(location="").values_list("location", flat=True))
    return gone.delete()[0]


def read(checkpoint: PolicyCheckpoint) -> Learner:
    """Return what was kept; raises CorruptState if a bit of it differs, StoreUnavailable."""
    state = _stored(checkpoint)
    if len(state) != checkpoint.size or hashlib.sha256(state).hexdigest() != checkpoint.sha256:
        raise CorruptState(f"{checkpoint} is damaged: its checksum does not fit")
    return Learner.from_bytes(state)


def _stored(checkpoint: PolicyCheckpoint) -> bytes:
    if not checkpoint.location:
        kept = PolicyCheckpoint.objects.values_list("state", flat=True).get(pk=checkpoint.pk)
        return bytes(kept or b"")
    try:
        return object_store.get(checkpoint.location, most=checkpoint.size)
    except ObjectMissing as error:
        raise CorruptState(f"{checkpoint} is gone from the checkpoint store") from error


def on_job_deleted(instance: TrainingJob, **_: Any) -> None:
    """Delete the objects of a job that is being deleted, itself or with its agent."""
    rows = instance.checkpoints.exclude(location="")
    _forget_after_commit(rows.values_list("location", flat=True))


def forget(locations: Sequence[str]) -> None:
    """Delete objects as far as the store lets us; those that stay behind are logged."""
    for place, location in enumerate(locations):
        try:
            object_store.delete(location)
        except (StoreUnavailable, ObjectMissing) as error:
            left = ", ".join(locations[place:])
            logger.warning("the checkpoint store keeps what nobody needs: %s: %s", left, error)
            return


def _forget_after_commit(locations: Iterable[str]) -> None:
    gone = list(locations)
    if gone:
        transaction.on_commit(partial(forget, gone), robust=True)
