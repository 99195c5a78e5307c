"""Reads of training jobs that are used in more than one place."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

from django.db.models import QuerySet

from ace_project.core.errors import NotFound
from training.models import (
    Evaluation,
    JobState,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingJob,
    Trajectory,
)
from training.money import spent_usd

# How many iterations say how fast a job goes on.
_RECENT = 20
MOST_AT_ONCE = 500
METRICS = (
    *("train_loss", "avg_reward", "reward_std", "success_rate", "entropy", "clip_fraction"),
    "frac_zero_variance_groups",
)
# Reasons of the queue itself, under the names of the contract.
_REASONS = {"gave_up": "runtime_error", "internal_error": "runtime_error"}
_LARGE = ("candidates", "effects", "report", "task_types")


def jobs(*, agent_id: str | None = None, state: str | None = None) -> QuerySet[TrainingJob]:
    """Return jobs with their agents, the newest first, each with its state as `state_now`."""
    rows = TrainingJob.objects.select_related("agent").annotate(
        state_now=TrainingJob.state_expression()
    )
    if agent_id is not None:
        rows = rows.filter(agent__agent_id=agent_id)
    if state is not None:
        rows = rows.filter(state_now=state)
    return rows.defer(*_LARGE)


def job(pk: int, agent_id: str | None = None) -> TrainingJob:
    """Return a job with its agent; raises NotFound, also for another agent's than `agent_id`.

    Its large columns are read when they are looked at.
    """
    rows = TrainingJob.objects.select_related("agent").defer(*_LARGE)
    if agent_id is not None:
        rows = rows.filter(agent__agent_id=agent_id)
    found = rows.filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        raise NotFound(f"there is no training job {pk}")
    return found


def status_of(job: TrainingJob) -> dict[str, Any]:
    """Return the result of `training.get_status`; two queries, whatever the job has done."""
    budget = Decimal(str(job.config["max_budget_usd"]))
    spent = spent_usd(job)
    left = 100 * max(Decimal(0), budget - spent) / budget if budget else Decimal(0)
    total = job.total_iterations
    return {
        "job_id": job.pk,
        "agent_id": job.agent.agent_id,
        "status": str(job.state),
        "current_iteration": job.iteration,
        "total_iterations": total,
        "progress_percent": round(100 * job.iteration / total, 1),
        "metrics": {
            **{name: job.metrics.get(name) for name in METRICS},
            "trajectories_generated": job.trajectories,
        },
        "cost_usd": float(spent),
        "budget_usd": float(budget),
        "budget_remaining_percent": round(float(left), 2),
        "started_at": _told(job.started_at),
        "estimated_completion": _told(estimated_completion(job)),
        "best_checkpoint_id": job.best_checkpoint_id,
        "reason": reason_of(job),
    }


def reason_of(job: TrainingJob) -> str | None:
    """Return why the job ended, under the contract's names; None while it has not."""
    return _REASONS.get(job.reason, job.reason) if job.finished_at else None


def estimated_completion(job: TrainingJob) -> datetime | None:
    """Return when a running job ends if it goes on as lately; None where nobody can say."""
    if job.state != JobState.RUNNING:
        return None
    newest = job.iterations.order_by("-number").values_list("created_at", flat=True)
    times = list(newest[:_RECENT])
    if len(times) < 2:
        return None
    each = (times[0] - times[-1]) / (len(times) - 1)
    end: datetime = times[0] + each * (job.total_iterations - job.iteration)
    return max(end, times[0] + timedelta(seconds=1))


def iterations(job: TrainingJob, last: int | None = None) -> list[TrainingIteration]:
    """Return the job's iterations in their order; only the `last` so many where given."""
    if last is None:
        return list(job.iterations.order_by("number"))
    return list(job.iterations.order_by("-number")[:last])[::-1]


def checkpoints(job: TrainingJob) -> QuerySet[PolicyCheckpoint]:
    """Return the job's kept checkpoints without their bytes, the latest first."""
    return job.checkpoints.defer("state").order_by("-iteration")


def checkpoint(job: TrainingJob, pk: int) -> PolicyCheckpoint:
    """Return one of the job's checkpoints; raises NotFound."""
    found = job.checkpoints.filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        raise NotFound(f"there is no checkpoint {pk} of job {job.pk}")
    return found


def evaluations(job: TrainingJob) -> QuerySet[Evaluation]:
    """Return what was measured of the job, in its order, without the results by task."""
    return job.evaluations.defer("results").order_by("pk")


def trajectories(
    job: TrainingJob,
    *,
    after: int | None = None,
    limit: int = 100,
    iteration: int | None = None,
    outcomes: Iterable[str] | None = None,
    success: bool | None = None,
    min_reward: float | None = None,
) -> list[Trajectory]:
    """Return trajectories without their steps, the newest first, below the id `after`.

    The last one's id is the next page's `after`. At most MOST_AT_ONCE come at once.
    """
    rows = job.rollouts.order_by("-id").defer("body")
    if after is not None:
        rows = rows.filter(id__lt=after)
    if iteration is not None:
        rows = rows.filter(iteration=iteration)
    if outcomes is not None:
        rows = rows.filter(outcome__in=list(outcomes))
    if success is not None:
        rows = rows.filter(success=success)
    if min_reward is not None:
        rows = rows.filter(reward__gte=min_reward)
    return list(rows[: min(limit, MOST_AT_ONCE)])


def trajectory(job: TrainingJob, pk: int) -> Trajectory:
    """Return one trajectory with its steps; raises NotFound."""
    found = job.rollouts.filter(pk=pk).first() if 0 < pk < 2**63 else None
    if found is None:
        raise NotFound(f"there is no trajectory {pk} of job {job.pk}")
    return found


def _told(moment: datetime | None) -> str | None:
    return None if moment is None else moment.isoformat()
