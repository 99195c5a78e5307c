"""A job from its start to its end, one iteration for each claim, steered by people."""

from collections import Counter
from datetime import timedelta

import numpy as np
import pytest
from django.db.models.functions import Now

from ace_project.core.work import queue
from ace_project.core.work.leases import JobStatus, LeaseLost
from playbooks import actors
from playbooks import services as playbooks
from tests.training.scripted import (
    GOOD,
    MANY,
    data,
    learner,
    make_agent,
    obedient,
    scripted,
    start,
    texts,
    work,
)
from training import runner, selectors
from training.models import JobState, TrainingJob, Trajectory
from training.runtimes.base import Attempt, Outcome
from training.services import jobs

pytestmark = pytest.mark.django_db
ALICE = actors.person("alice")


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


def test_parameters_move_towards_what_was_rewarded_and_the_status_says_what_was_measured() -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime, training_data=data(40), config=MANY))
    chances = learner(job).policy.probabilities(np.array([-1]))[0]
    assert chances[0] > 0.6 > 0.4 > chances[1]
    status = selectors.status_of(selectors.job(job.pk))
    assert status["metrics"]["trajectories_generated"] == 8 * 8 * 4
    rewards = [row.reward for row in Trajectory.objects.filter(job=job, iteration=8)]
    assert status["metrics"]["avg_reward"] == pytest.approx(sum(rewards) / len(rewards))
    assert (status["progress_percent"], status["reason"]) == (100.0, "finished")


def test_attempts_that_fail_are_recorded_and_never_scored() -> None:
    def flaky(attempt: Attempt) -> Outcome:
        if attempt.trial == 1:
            return Outcome(failure="timeout", error="no answer")
        if attempt.trial == 2:
            raise RuntimeError("a bug of the runtime's")
        return obedient(attempt)

    with scripted(flaky) as runtime:
        job = work(start(make_agent(), runtime), 3)
    rows = Trajectory.objects.filter(job=job)
    assert Counter(rows.values_list("outcome", flat=True)) == {
        "ended": 12, "timeout": 6, "broken": 6,
    }  # fmt: skip
    assert not rows.exclude(outcome="ended").exclude(reward=None).exists()
    assert job.failed_trajectories == 12
    assert job.iterations.get(number=1).failed == 6


def test_five_best_checkpoints_and_the_latest_are_kept() -> None:
    with scripted() as runtime:
        changes = {"n_iterations": 9, "eval_interval": 1, "checkpoint_interval": 1}
        job = work(start(make_agent(), runtime, config=changes))
    kept = list(selectors.checkpoints(job))
    assert kept[0].iteration == 9
    assert len(kept) in (5, 6)
    lowest = min(c.avg_reward for c in kept if c.iteration < 9)
    means = job.evaluations.filter(kind="validation").values_list("iteration", "avg_reward")
    gone = [mean for number, mean in means if number not in {c.iteration for c in kept}]
    assert all(mean <= lowest for mean in gone)
    assert job.best_checkpoint.avg_reward == max(mean for _, mean in means)


def test_a_pause_stores_a_checkpoint_and_a_resumed_job_ends_as_if_it_had_never_paused() -> None:
    with scripted() as runtime:
        straight = work(start(make_agent("a"), runtime))
        job = work(start(make_agent("b"), runtime, config={"checkpoint_interval": 4}), 2)
        assert not job.checkpoints.exists()
        jobs.pause_job(job=job, by=ALICE)
        assert [c.iteration for c in job.checkpoints.all()] == [1]
        assert work(job).state == JobState.PAUSED
        jobs.resume_job(job=job, by=ALICE)
        work(job)
    assert (job.reason, straight.reason) == ("finished", "finished")
    assert bytes(job.saved.state) == bytes(straight.saved.state)


def test_a_job_paused_amid_an_iteration_stores_it_and_then_waits() -> None:
    def pausing(attempt: Attempt) -> Outcome:
        job = TrainingJob.objects.get(pk=attempt.job_id)
        if job.state == JobState.RUNNING and attempt.trial == 3:
            jobs.pause_job(job=job, by=ALICE)
        return obedient(attempt)

    with scripted(pausing) as runtime:
        config = {"checkpoint_interval": 4}
        job = work(start(make_agent(), runtime, config=config, training_data=data(4)))
    assert (job.state, job.iteration) == (JobState.PAUSED, 1)
    assert [c.iteration for c in job.checkpoints.all()] == [1]


def test_what_a_cancelled_job_was_working_on_is_not_stored() -> None:
    def cancelling(attempt: Attempt) -> Outcome:
        job = TrainingJob.objects.get(pk=attempt.job_id)
        if job.iteration == 1 and job.state == JobState.RUNNING:
            jobs.cancel_job(job=job, by=ALICE)
        return obedient(attempt)

    with scripted(cancelling) as runtime:
        job = start(make_agent(), runtime, training_data=data(4))
        with pytest.raises(LeaseLost):
            work(job)
    job.refresh_from_db()
    assert (job.state, job.iteration) == (JobState.CANCELLED, 1)
    assert job.rollouts.count() == 12
    assert job.checkpoints.get().iteration == 1


def test_an_erased_agent_ends_its_jobs_amid_an_iteration() -> None:
    agent = make_agent()

    def erasing(attempt: Attempt) -> Outcome:
        playbooks.delete_agent(agent=agent, author=ALICE)
        return obedient(attempt)

    with scripted() as runtime:
        job = work(start(agent, runtime), 2)
    with scripted(erasing), pytest.raises(LeaseLost):
        runner.carry_out(queue.claim_next(TrainingJob))
    assert not TrainingJob.objects.filter(pk=job.pk).exists()
    assert not Trajectory.objects.exists()


def test_two_workers_that_hold_the_same_iteration_store_it_once() -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime, training_data=data(4)), 1)
        first = queue.claim_next(TrainingJob)
        TrainingJob.objects.update(lease_until=Now() - timedelta(seconds=1))
        second = queue.claim_next(TrainingJob)
        runner.carry_out(second)
        with pytest.raises(LeaseLost):
            runner.carry_out(first)
    job.refresh_from_db()
    assert (job.iteration, job.rollouts.count()) == (2, 24)


# In transactions of their own, by the clock of the database.
@pytest.mark.django_db(transaction=True)
def test_jobs_that_wait_take_turns() -> None:
    with scripted() as runtime:
        for number in range(6):
            start(make_agent(f"bot-{number}"), runtime, config={"n_iterations": 20})
        for _ in range(6 * 5):
            runner.carry_out(queue.claim_next(TrainingJob))
    done = sorted(TrainingJob.objects.values_list("iteration", flat=True))
    assert done[-1] <= 2 * done[0]


def test_lists_of_trajectories_read_no_bodies_and_take_one_query(django_assert_num_queries) -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime), 3)
    with django_assert_num_queries(1):
        page = selectors.trajectories(job, limit=10)
        assert all(row.reward is not None for row in page)
    rest = selectors.trajectories(job, after=page[-1].pk, limit=100)
    assert len(page) + len(rest) == 24
    assert {row.pk for row in page}.isdisjoint(row.pk for row in rest)


def test_the_bullets_of_a_trajectory_are_those_that_its_agent_was_told() -> None:
    told = {}

    def listening(attempt: Attempt) -> Outcome:
        told[attempt.task.number, attempt.trial] = GOOD in texts(attempt)
        return obedient(attempt)

    with scripted(listening) as runtime:
        job = work(start(make_agent(), runtime, training_data=data(4)), 1)
    assert {
        (row.task, row.trial): bool(bytes(row.bullets)[0] & 0x80) for row in job.rollouts.all()
    } == told


def test_a_checkpoint_is_measured_on_request_beside_what_was_there_before() -> None:
    with scripted() as runtime:
        job = start(make_agent(), runtime, training_data=data(40), config=MANY)
        work(job)
        found = jobs.evaluate(job=job, by=ALICE)
        assert (found.kind, found.iteration) == ("asked", job.best_checkpoint.iteration)
        asked = jobs.evaluate(job=job, queries=[{"query": "new"}, {"query": "newer"}], by=ALICE)
    assert asked.tasks == 2
    assert asked.success_rate >= asked.baseline_success_rate


def test_a_job_is_carried_through_in_the_foreground() -> None:
    said: list[str] = []
    with scripted() as runtime:
        job = jobs.run_in_foreground(job=start(make_agent(), runtime), progress=said.append)
    assert job.status == JobStatus.COMPLETED
    assert len(said) == 6
