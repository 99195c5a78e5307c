"""Rows of training jobs as their runner would leave them, for tests of what reads them."""

import json
import zlib
from dataclasses import asdict
from typing import Any

import numpy as np
from django.utils import timezone

from playbooks.models import Agent
from training.engine.config import Config
from training.learner import context_learner
from training.models import (
    Evaluation,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingJob,
    TrainingState,
    TrainingTask,
    Trajectory,
)

CANDIDATES = [
    {"bullet_id": "b1", "section": "s", "text": "Ask <b>first</b>.", "fixed": False,
     "in_playbook": True},
    {"bullet_id": "b2", "section": "s", "text": "Never read a card back.", "fixed": True,
     "in_playbook": True},
]  # fmt: skip


def make_job(agent: Agent, state: str = "running", **fields: Any) -> TrainingJob:
    """Return a job in a state; `config` names the settings that are not the defaults."""
    config = asdict(
        Config(**{"n_iterations": 100, "max_budget_usd": 12, **fields.pop("config", {})})
    )
    now = timezone.now()
    begun = state != "queued"
    defaults = {
        "requested_by": "person:ann",
        "runtime": {"name": "http", "url": "https://agent.example/"},
        "policy": "context",
        "base_version": 1,
        "candidates": CANDIDATES,
        "status": "queued" if state == "paused" else state,
        "started_at": now if begun else None,
        "paused_at": now if state == "paused" else None,
        "finished_at": now if state in ("completed", "failed", "cancelled") else None,
    }
    job = TrainingJob.objects.create(agent=agent, config=config, **(defaults | fields))
    free = sum(not entry["fixed"] for entry in job.candidates)
    learner = context_learner(Config(**config), bullets=free, types=0)
    state = learner.to_bytes(Config(**config))
    TrainingState.objects.create(job=job, iteration=job.iteration, state=state)
    return job


def add_iterations(job: TrainingJob, count: int, **fields: Any) -> None:
    """Let `count` iterations of 128 trajectories be done; `fields` overrides what each measured."""
    rows = [
        TrainingIteration(
            **{
                "job": job,
                "number": n,
                "avg_reward": 0.4 + 0.002 * n,
                "reward_std": 0.2,
                "entropy": 2.0,
                "clip_fraction": 0.05,
                "frac_zero_variance_groups": 0.25,
                "frac_all_passed": 0.2,
                "frac_all_failed": 0.05,
                "change_norm": 0.02,
                "distance": 1.84,
                "trajectories": 128,
                "seconds": 30.0,
            }
            | fields  # fmt: skip
        )
        for n in range(job.iteration + 1, job.iteration + count + 1)
    ]
    TrainingIteration.objects.bulk_create(rows)
    job.iteration += count
    job.trajectories += 128 * count
    job.save(update_fields=["iteration", "trajectories"])


def add_evaluation(job: TrainingJob, iteration: int, share: float = 0.75, **fields: Any) -> None:
    """Measure 160 held-out tasks against a baseline of 60 %, and keep the checkpoint."""
    found = {
        "kind": "validation", "tasks": 160, "success_rate": share, "avg_reward": share,
        "baseline_success_rate": 0.6, "difference": share - 0.6, "low": share - 0.7,
        "high": share - 0.5, "p_value": 0.01,
    } | fields  # fmt: skip
    Evaluation.objects.create(job=job, iteration=iteration, **found)
    if found["kind"] == "validation":
        job.best_checkpoint = PolicyCheckpoint.objects.create(
            job=job, iteration=iteration, state=b"x", sha256="0" * 64, size=1, success_rate=share
        )
        job.save(update_fields=["best_checkpoint"])


def add_trajectory(job: TrainingJob, task: int = 0, **fields: Any) -> Trajectory:
    """Record a try of a task, its first bullet let in; `steps` and `answer` go into its body."""
    body = {"steps": fields.pop("steps", []), "answer": fields.pop("answer", None)}
    TrainingTask.objects.get_or_create(
        job=job, split="train", number=task, defaults={"query": f"<i>Task</i> {task}"}
    )
    defaults = {
        "iteration": 1, "trial": 0, "outcome": "ended", "success": True, "reward": 1.0,
        "advantage": 0.25, "bullets": np.packbits([True, False]).tobytes(), "seconds": 1.5,
        "step_count": len(body["steps"]), "body": zlib.compress(json.dumps(body).encode()),
    }  # fmt: skip
    return Trajectory.objects.create(job=job, task=task, **(defaults | fields))
