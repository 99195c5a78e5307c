"""A job from its start to its end, one iteration for each claim."""

import pytest

from ace_project.core.work import queue
from ace_project.core.work.leases import JobStatus
from tests.training.scripted import make_agent, scripted, start
from training import runner
from training.models import JobState, TrainingJob

pytestmark = pytest.mark.django_db


def work(job: TrainingJob, pieces: int = 1000) -> TrainingJob:
    """Carry jobs on as a worker does, so many pieces at most."""
    for _ in range(pieces):
        claimed = queue.claim_next(TrainingJob)
        if claimed is None:
            break
        runner.carry_out(claimed)
    job.refresh_from_db()
    return job


def test_a_job_goes_from_its_start_through_its_iterations_to_its_end() -> None:
    with scripted() as runtime:
        job = start(make_agent(), runtime)
        assert work(job, 2).state == JobState.RUNNING
        assert job.iteration == 1
        work(job)
    assert (job.status, job.reason, job.iteration) == (JobStatus.COMPLETED, "finished", 4)
    assert job.trajectories == job.rollouts.count() == 48
    assert [row.number for row in job.iterations.order_by("number")] == [1, 2, 3, 4]
    assert job.iterations.get(number=4).distance > 0
    kinds = list(job.evaluations.order_by("pk").values_list("kind", "iteration"))
    best = job.best_checkpoint.iteration
    assert kinds == [("baseline", 0), ("validation", 2), ("validation", 4), ("test", best)]
