"""Whatever kills a worker, a job ends with the bytes that it would have ended with anyway."""

import os
import signal
import time

import numpy as np
import pytest
from django.db import connection
from django.db.models.functions import Now

from ace_project.core.work.leases import JobStatus
from playbooks import actors
from playbooks.models import Mode
from playbooks.selectors import agent_by_id
from tests.waiting import wait_until
from training import tasks
from training.models import TrainingJob, TrainingState, Trajectory
from training.runtimes.registry import own_tasks
from training.services import jobs, make_workshop_agent

KILLS = 10
CONFIG = {
    "n_iterations": 60,
    "batch_size": 4,
    "n_trajectories_per_query": 4,
    "eval_interval": 10,
    "checkpoint_interval": 5,
    "seed": 3,
}
RUNTIME = {"name": "workshop", "seed": 2}
LESSONS = [
    "Never repeat an identical refund.",
    "Before refund, call check_fee.",
    "Never call check_fee.",
    "Do not finish before close.",
]


def start(agent_id: str) -> TrainingJob:
    cases = own_tasks(RUNTIME, "train", 40)
    make_workshop_agent(agent_id=agent_id, seed=2, mode=Mode.STRICT, author=actors.AUTOMATIC)
    return jobs.start_job(
        agent=agent_by_id(agent_id),
        config=CONFIG,
        runtime=RUNTIME,
        training_data=[{"query": t.query, "task_type": t.task_type} for t in cases or ()],
        requested_by="test",
        candidates=LESSONS,
    )


def worker() -> int:
    """Start a process that works on what waits; return its id."""
    # Both processes connect anew: a socket that two write to is of use to neither.
    connection.close()
    pid = os.fork()
    if pid:
        return pid
    try:
        while TrainingJob.objects.filter(status__in=["queued", "running"]).exists():
            tasks.advance_training.fn(0)
    finally:
        os._exit(0)


def progress(job: TrainingJob) -> tuple[int, int]:
    """Return what only grows while the job goes on: its iterations, and what measured them."""
    row = TrainingJob.objects.get(pk=job.pk)
    return row.iteration, row.evaluations.count()


def kill_amid(job: TrainingJob, rng: np.random.Generator) -> None:
    """Let a worker live for a few pieces of the job and a moment more, then kill it."""
    pid = worker()
    before, pieces = sum(progress(job)), int(rng.integers(1, 3))
    wait_until(lambda: sum(progress(job)) >= before + pieces, "progress", pause=0.001)
    time.sleep(rng.uniform(0, 0.03))
    os.kill(pid, signal.SIGKILL)
    os.waitpid(pid, 0)
    # Nobody has to wait for the dead one's lease to run out.
    TrainingJob.objects.filter(status=JobStatus.RUNNING).update(lease_until=Now())


def work_to_the_end(job: TrainingJob) -> TrainingJob:
    pid = worker()
    wait_until(lambda: os.waitpid(pid, os.WNOHANG)[0], "the end of the job")
    job.refresh_from_db()
    return job


@pytest.mark.django_db(transaction=True)
def test_ten_kills_at_random_moments_change_no_byte_of_what_is_learned() -> None:
    straight = work_to_the_end(start("straight"))
    disturbed, rng = start("disturbed"), np.random.default_rng()
    for _ in range(KILLS):
        kill_amid(disturbed, rng)
    assert TrainingJob.objects.get(pk=disturbed.pk).iteration < CONFIG["n_iterations"]
    work_to_the_end(disturbed)
    assert disturbed.status == straight.status == JobStatus.COMPLETED
    states = TrainingState.objects.in_bulk()
    assert bytes(states[disturbed.pk].state) == bytes(states[straight.pk].state)
    fields = ("iteration", "task", "trial", "reward", "advantage", "log_prob", "bullets")
    rows = {
        job.pk: list(Trajectory.objects.filter(job=job).order_by("id").values_list(*fields))
        for job in (disturbed, straight)
    }
    assert rows[disturbed.pk] == rows[straight.pk]
    assert len(rows[straight.pk]) == 60 * 16
    kept = [
        list(job.checkpoints.order_by("iteration").values_list("iteration", "sha256"))
        for job in (disturbed, straight)
    ]
    assert kept[0] == kept[1]
