"""Why a job ends before its last iteration, and what it leaves behind."""

from datetime import timedelta

import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from ace_project.core.work import queue
from ace_project.core.work.leases import JobStatus
from playbooks import actors
from tests.training.scripted import (
    MANY,
    data,
    learner,
    make_agent,
    scripted,
    start,
    work,
)
from training import rounds, runner, selectors
from training.models import PolicyCheckpoint, TrainingJob, TrainingState
from training.runtimes.base import Attempt, Outcome

pytestmark = pytest.mark.django_db
ALICE = actors.person("alice")


def test_equal_rewards_end_as_no_signal_with_parameters_that_never_moved_by_a_bit() -> None:
    with scripted(lambda _: Outcome(success=True)) as runtime:
        job = start(make_agent(), runtime, config={**MANY, "n_iterations": 50})
        before = learner(job).policy.to_bytes()
        work(job)
    assert (job.status, job.reason) == (JobStatus.COMPLETED, "no_signal")
    assert job.iteration < 50
    assert learner(job).policy.to_bytes() == before


def test_a_reward_that_is_not_a_number_fails_the_job_and_leaves_it_as_it_was(monkeypatch) -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime, training_data=data(4)), 1)
        before = bytes(job.saved.state)
        monkeypatch.setattr(rounds, "score", lambda *_: float("nan"))
        work(job)
    assert (job.status, job.reason, job.iteration) == (JobStatus.FAILED, "diverged", 1)
    assert "not a finite number" in job.error
    assert bytes(TrainingState.objects.get(job=job).state) == before
    assert job.checkpoints.get().iteration == 1


def test_a_runtime_that_never_answers_fails_the_job_with_what_it_said() -> None:
    def silent(attempt: Attempt) -> Outcome:
        return Outcome(failure="refused", error="connection refused")

    with scripted(silent) as runtime:
        job = work(start(make_agent(), runtime, config={"n_iterations": 9}))
    assert (job.status, job.reason, job.iteration) == (JobStatus.FAILED, "runtime_error", 3)
    assert "connection refused" in job.error
    assert learner(job).distance == 0


def test_a_target_that_validation_reaches_ends_the_job() -> None:
    with scripted() as runtime:
        config = {**MANY, "n_iterations": 60, "target_reward": 1.0}
        job = work(start(make_agent(), runtime, config=config, training_data=data(40)))
    assert (job.status, job.reason) == (JobStatus.COMPLETED, "target_reached")
    newest = job.evaluations.filter(kind="validation").order_by("-iteration").first()
    assert newest.avg_reward == 1.0
    assert newest.iteration == job.iteration < 60


def test_evaluations_that_rise_no_more_end_the_job_as_converged() -> None:
    def by_chance(attempt: Attempt) -> Outcome:
        return Outcome(success=attempt.seed % 2 == 0)

    with scripted(by_chance) as runtime:
        config = {"n_iterations": 60, "eval_interval": 1}
        job = work(start(make_agent(), runtime, config=config, training_data=data(40)))
    assert (job.status, job.reason) == (JobStatus.COMPLETED, "converged")
    assert job.iteration < 60
    assert "10 evaluations in a row" in job.report["stopped"]


@pytest.mark.parametrize("damage", ["flipped", "missing", "of another iteration"])
def test_a_damaged_state_fails_the_job_and_is_never_silently_begun_anew(damage) -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime), 3)
        saved = TrainingState.objects.get(job=job)
        if damage == "flipped":
            state = bytearray(saved.state)
            state[len(state) // 2] ^= 1
            TrainingState.objects.update(state=bytes(state))
        elif damage == "missing":
            saved.delete()
        else:
            TrainingState.objects.update(iteration=1)
        work(job)
    assert (job.status, job.reason, job.iteration) == (JobStatus.FAILED, "runtime_error", 2)
    assert "cannot go on" in job.error


def test_a_damaged_checkpoint_is_noticed_before_the_sealed_test_is_read() -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime), 5)
        assert job.iteration == 4
        PolicyCheckpoint.objects.filter(job=job).update(state=b"rubbish")
        work(job)
    assert (job.status, job.reason) == (JobStatus.FAILED, "runtime_error")
    assert "checksum" in job.error
    assert not job.evaluations.filter(kind="test").exists()


def test_a_disk_that_is_full_is_waited_for_and_then_told(monkeypatch) -> None:
    def full(*_, **__) -> None:
        raise OperationalError("could not extend file: No space left on device")

    with scripted() as runtime:
        job = work(start(make_agent(), runtime), 1)
        monkeypatch.setattr(runner, "write_trajectories", full)
        for tries in (1, 2):
            work(job)
            assert (job.status, job.attempts, job.iteration) == (JobStatus.QUEUED, tries, 0)
            assert "No space left" in job.error
            TrainingJob.objects.update(not_before=None)
        work(job)
    assert (job.status, job.iteration) == (JobStatus.FAILED, 0)
    status = selectors.status_of(job)
    assert (status["status"], status["reason"]) == ("failed", "runtime_error")
    assert "No space left" in job.error


def test_tries_count_anew_after_every_iteration() -> None:
    with scripted() as runtime:
        job = start(make_agent(), runtime, config={"n_iterations": 9})
        for _ in range(9):
            assert queue.claim_next(TrainingJob).attempts == 1
            TrainingJob.objects.update(lease_until=Now() - timedelta(seconds=1))
            work(job, 1)
    assert job.iteration == 8
