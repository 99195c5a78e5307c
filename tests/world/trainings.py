"""Training jobs in every state: one real in the workshop, the others as a worker leaves them."""

from math import exp
from typing import Any

import numpy as np

from playbooks.content import bullets
from playbooks.models import Agent
from playbooks.selectors import agent_by_id, head
from tests.training_rows import add_evaluation, add_iterations, add_trajectory, make_job
from tests.world.clock import ago
from training.models import TrainingIteration, TrainingJob, Trajectory
from training.runtimes.registry import own_tasks
from training.services import jobs

STEPS = [
    {"tool": "find_booking", "arguments": {"reference": "4QX7PL"}, "result": {"segments": 2}},
    {"tool": "get_fare_rules", "arguments": {"segment": 1}, "error": "fare class K is unknown"},
    {"tool": "offer_refund", "arguments": {"amount": 180}, "result": {"accepted": True}},
]


def _candidates(owner: Agent) -> list[dict[str, Any]]:
    return [
        {"bullet_id": b.bullet_id, "section": b.section, "text": b.text, "in_playbook": True}
        | {"fixed": b.section == "goals"}
        for b in bullets(head(owner.playbook).content)
    ]


def _learned(job: TrainingJob, count: int) -> None:
    """Let a job have learned for `count` iterations, with the noise that there is."""
    rng = np.random.default_rng(job.pk)
    for n in range(1, count + 1):
        risen = 1 - exp(-n / 40)
        add_iterations(
            job,
            1,
            avg_reward=0.42 + 0.27 * risen + float(rng.normal(0, 0.015)),
            reward_std=0.24 - 0.05 * risen,
            entropy=2.0 - 1.5 * risen,
            clip_fraction=0.05 + float(rng.uniform(0, 0.04)),
            frac_zero_variance_groups=(same := 0.2 + float(rng.uniform(0, 0.1))),
            frac_all_passed=0.8 * same,
            frac_all_failed=0.2 * same,
            change_norm=0.03 * exp(-n / 90) + float(rng.uniform(0, 0.006)),
        )
        TrainingIteration.objects.filter(job=job, number=n).update(
            created_at=ago(hours=(count - n) / 120)
        )
        if n % 20 == 0:
            add_evaluation(job, n, 0.62 + 0.14 * risen + float(rng.normal(0, 0.008)))


def _tried(job: TrainingJob) -> Trajectory:
    """Record tries of two tasks; return one with steps."""
    for trial in range(6):
        passed = trial % 3 != 1
        add_trajectory(job, trial=trial, success=passed, reward=float(passed), advantage=0.2)
    add_trajectory(
        job, task=1, outcome="timeout", success=None, reward=None, advantage=None,
        error="no answer within 600 s",
    )  # fmt: skip
    return add_trajectory(
        job, task=1, trial=1, steps=STEPS, answer={"refunded": 180, "currency": "EUR"}
    )


def _in_the_workshop() -> TrainingJob:
    """Carry out a small job to its end."""
    owner = agent_by_id("workshop-demo")
    runtime = {"name": "workshop", "seed": 10}
    data = [
        [{"query": task.query, "task_type": task.task_type} for task in tasks]
        for tasks in (own_tasks(runtime, "train", 24), own_tasks(runtime, "validation", 24))
    ]
    job = jobs.start_job(
        agent=owner,
        config={"n_iterations": 4, "batch_size": 6, "eval_interval": 2},
        runtime=runtime,
        training_data=data[0],
        evaluation_data=data[1],
        requested_by="person:bob",
        title="which of the demo’s lessons earn their place",
        candidates=["Check the order before you notify the customer."],
    )
    return jobs.run_in_foreground(job=job, progress=lambda _: None)


def make_trainings(iterations: int) -> tuple[dict[str, TrainingJob], Trajectory]:
    """Return jobs by their state, and a trajectory of the one that runs."""
    airline, warehouse = agent_by_id("airline-support"), agent_by_id("warehouse-sql")
    running = make_job(
        airline, title="which lessons help with refunds", candidates=_candidates(airline),
        spent_usd=6.94, started_at=ago(hours=1.5), config={"n_iterations": 300},
    )  # fmt: skip
    _learned(running, iterations)
    trajectory = _tried(running)
    failed = make_job(
        warehouse, state="failed", reason="budget_exceeded", candidates=_candidates(warehouse)
    )
    found = {
        "completed": _in_the_workshop(),
        "failed": failed,
        "queued": make_job(warehouse, state="queued", candidates=_candidates(warehouse)),
        "paused": make_job(airline, state="paused", candidates=_candidates(airline)),
        "running": running,
    }
    return found, trajectory
