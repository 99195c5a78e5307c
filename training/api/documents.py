"""What goes out about training jobs (`answers` has the shapes for the OpenAPI document)."""

from typing import Any

from training import selectors
from training.models import (
    Evaluation,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingJob,
    Trajectory,
)

ITERATION_FIGURES = (
    *("train_loss", "avg_reward", "reward_std", "success_rate", "entropy", "clip_fraction"),
    *("frac_zero_variance_groups", "frac_all_passed", "frac_all_failed", "kl"),
    *("gradient_norm", "change_norm", "distance"),
)
MEASURES = ("success_rate", "avg_reward", "avg_steps", "tool_accuracy")


def started(job: TrainingJob) -> dict[str, Any]:
    """Return the answer to a start."""
    return {
        "job_id": job.pk,
        "status": str(job.state),
        "agent_id": job.agent.agent_id,
        "total_iterations": job.total_iterations,
        "created_at": job.created_at,
    }


def in_lists(job: TrainingJob) -> dict[str, Any]:
    """Return a job as lists show it: from its row alone."""
    total = job.total_iterations
    return {
        "job_id": job.pk,
        "agent_id": job.agent.agent_id,
        "title": job.title,
        "status": str(job.state),
        "reason": selectors.reason_of(job),
        "policy": job.policy,
        "runtime": job.runtime["name"],
        "simulated": job.simulated,
        "current_iteration": job.iteration,
        "total_iterations": total,
        "progress_percent": round(100 * job.iteration / total, 1),
        "trajectories_generated": job.trajectories,
        "cost_usd": float(job.spent_usd),
        "budget_usd": float(job.config["max_budget_usd"]),
        "created_at": job.created_at,
        "started_at": job.started_at,
        "finished_at": job.finished_at,
    }


def in_full(job: TrainingJob) -> dict[str, Any]:
    """Return a job's status with what it was started with and what came of it."""
    return {
        **selectors.status_of(job),
        "title": job.title,
        "requested_by": job.requested_by,
        "policy": job.policy,
        "simulated": job.simulated,
        "config": job.config,
        "runtime": job.runtime,
        "reward": job.reward,
        "base_version": job.base_version,
        "candidates": job.candidates,
        "report": job.report,
        "effects": job.effects,
        "delta_id": str(job.delta.delta_id) if job.delta else None,
        "error": job.error or None,
        "failed_trajectories": job.failed_trajectories,
        "created_at": job.created_at,
        "finished_at": job.finished_at,
    }


def steered(job: TrainingJob) -> dict[str, Any]:
    """Return where a job stands after it was paused, resumed or cancelled."""
    newest = selectors.checkpoints(job).first()
    return {
        "job_id": job.pk,
        "status": str(job.state),
        "current_iteration": job.iteration,
        "checkpoint_id": newest.pk if newest else None,
    }


def iteration(row: TrainingIteration) -> dict[str, Any]:
    """Return what one iteration measured."""
    return {
        "iteration": row.number,
        **{name: getattr(row, name) for name in ITERATION_FIGURES},
        "trajectories": row.trajectories,
        "failed": row.failed,
        "cost_usd": float(row.cost_usd),
        "seconds": row.seconds,
        "created_at": row.created_at,
    }


def checkpoint(row: PolicyCheckpoint) -> dict[str, Any]:
    """Return what is known of a checkpoint; not its bytes."""
    return {
        "checkpoint_id": row.pk,
        "iteration": row.iteration,
        "success_rate": row.success_rate,
        "avg_reward": row.avg_reward,
        "size": row.size,
        "sha256": row.sha256,
        "created_at": row.created_at,
    }


def trajectory(row: Trajectory) -> dict[str, Any]:
    """Return a trajectory without its steps; an export has them."""
    return {
        "trajectory_id": row.pk,
        "iteration": row.iteration,
        "task": row.task,
        "trial": row.trial,
        "outcome": row.outcome,
        "error": row.error or None,
        "success": row.success,
        "reward": row.reward,
        "advantage": row.advantage,
        "log_prob": row.log_prob,
        "step_count": row.step_count,
        "tokens": row.tokens,
        "cost_usd": None if row.cost_usd is None else float(row.cost_usd),
        "seconds": row.seconds,
    }


def evaluation(row: Evaluation) -> dict[str, Any]:
    """Return held-out success beside the baseline's, with interval and p value."""
    known = row.low is not None and row.high is not None
    return {
        "metrics": {name: getattr(row, name) for name in MEASURES},
        "baseline": {name: row.baseline.get(name) for name in MEASURES},
        "difference": row.difference,
        "interval": [row.low, row.high] if known else None,
        "p_value": row.p_value,
        "queries_evaluated": row.tasks,
    }
