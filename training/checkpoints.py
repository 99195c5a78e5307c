"""Policies as they were: the five best on validation and the latest, checked when they are read."""

import hashlib

from training.engine.packing import CorruptState
from training.learner import Learner
from training.models import Evaluation, PolicyCheckpoint, TrainingJob

KEPT = 5


def save(
    job: TrainingJob, iteration: int, state: bytes, evaluation: Evaluation | None = None
) -> PolicyCheckpoint:
    """Keep `state` as the job's checkpoint after `iteration`; one that is there stays."""
    found, _ = PolicyCheckpoint.objects.get_or_create(
        job=job,
        iteration=iteration,
        defaults={
            "state": state,
            "sha256": hashlib.sha256(state).hexdigest(),
            "size": len(state),
            "success_rate": evaluation.success_rate if evaluation else None,
            "avg_reward": evaluation.avg_reward if evaluation else None,
        },
    )
    return found


def keep_measured(job: TrainingJob, state: bytes, evaluation: Evaluation) -> None:
    """Keep `state` with what was measured of it, also where it is kept already."""
    kept = save(job, evaluation.iteration, state, evaluation)
    kept.success_rate, kept.avg_reward = evaluation.success_rate, evaluation.avg_reward
    kept.save(update_fields=["success_rate", "avg_reward"])


def save_present(job: TrainingJob) -> PolicyCheckpoint | None:
    """Keep the state that the job's next iteration would go on from; None before the first."""
    saved = job.saved
    if not saved.iteration:
        return None
    kept = save(job, saved.iteration, bytes(saved.state))
    prune(job)
    return kept


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
    gone = [r["pk"] for r in rows if r["pk"] not in kept and r["iteration"] != latest]
    return PolicyCheckpoint.objects.filter(pk__in=gone).delete()[0] if gone else 0


def read(checkpoint: PolicyCheckpoint) -> Learner:
    """Return what was kept; raises CorruptState if a bit of it differs."""
    kept = PolicyCheckpoint.objects.values_list("state", flat=True).get(pk=checkpoint.pk)
    state = bytes(kept or b"")
    if hashlib.sha256(state).hexdigest() != checkpoint.sha256:
        raise CorruptState(f"{checkpoint} is damaged: its checksum does not fit")
    return Learner.from_bytes(state)
