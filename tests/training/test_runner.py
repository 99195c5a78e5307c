"""A job from its start to its end, one iteration for each claim, and all that may go wrong."""

from collections import Counter
from datetime import timedelta
from decimal import Decimal

import numpy as np
import pytest
from django.db import OperationalError
from django.db.models.functions import Now

from ace_project.core.errors import Conflict
from ace_project.core.work import queue
from ace_project.core.work.leases import JobStatus, LeaseLost
from evolution.models import Budget, LlmCall
from playbooks import actors
from playbooks import services as playbooks
from playbooks.selectors import agent_by_id
from tests.training.scripted import (
    BAD,
    BULLETS,
    GOOD,
    data,
    make_agent,
    obedient,
    scripted,
    start,
    texts,
)
from training import rounds, runner, scoring, selectors
from training.engine.rewards import Registry, Rollout
from training.learner import Learner
from training.models import JobState, PolicyCheckpoint, TrainingJob, TrainingState, Trajectory
from training.runtimes.base import Attempt, Outcome
from training.services import jobs

pytestmark = pytest.mark.django_db
ALICE = actors.person("alice")
MANY = {"n_iterations": 8, "batch_size": 8, "n_trajectories_per_query": 4}


def work(job: TrainingJob, pieces: int = 1000) -> TrainingJob:
    """Carry jobs on as a worker does, so many pieces at most."""
    for _ in range(pieces):
        claimed = queue.claim_next(TrainingJob)
        if claimed is None:
            break
        runner.carry_out(claimed)
    job.refresh_from_db()
    return job


def usd(text: str) -> Decimal:
    return Decimal(text)


def learner(job: TrainingJob) -> Learner:
    return Learner.from_bytes(bytes(TrainingState.objects.get(job=job).state))


# ---- from start to end ----
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


# ---- steering ----
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


# ---- why a job ends early ----
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
        monkeypatch.setattr(Trajectory.objects, "bulk_create", full)
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


# ---- money ----
def test_an_iteration_is_reserved_for_before_it_and_settled_at_what_it_cost_after() -> None:
    held = []

    def paid(attempt: Attempt) -> Outcome:
        held.append(Budget.objects.get(scope=f"job:{attempt.job_id}").reserved_usd)
        return Outcome(success=attempt.seed % 2 == 0, cost_usd=usd("0.002"))

    with scripted(paid, usd="0.01") as runtime:
        job = work(start(make_agent(), runtime, config={"max_budget_usd": 1}), 2)
    assert held[1:] == [usd("0.12")] * 12
    budget = Budget.objects.get(scope=f"job:{job.pk}")
    assert (budget.reserved_usd, budget.spent_usd) == (0, usd("0.026"))
    assert job.spent_usd == usd("0.026")
    assert job.iterations.get(number=1).cost_usd == usd("0.024")
    assert selectors.status_of(job)["budget_remaining_percent"] == pytest.approx(97.4)
    assert Budget.objects.get(scope="global").spent_usd == usd("0.026")


def test_a_job_stops_with_a_checkpoint_where_the_money_went_elsewhere(settings) -> None:
    def paid(attempt: Attempt) -> Outcome:
        return Outcome(success=attempt.seed % 2 == 0, cost_usd=usd("0.01"))

    with scripted(paid, usd="0.01") as runtime:
        job = work(start(make_agent(), runtime), 3)
        Budget.objects.filter(scope="global").update(spent_usd=99.99)
        work(job)
    assert (job.status, job.reason, job.iteration) == (JobStatus.FAILED, "budget_exceeded", 2)
    assert job.checkpoints.order_by("-iteration").first().iteration == 2
    assert not LlmCall.objects.filter(state="reserved").exists()


def test_what_an_agent_says_it_cost_its_owner_is_not_counted_as_ours() -> None:
    def theirs(attempt: Attempt) -> Outcome:
        return Outcome(success=attempt.seed % 2 == 0, cost_usd=usd("0.5"))

    with scripted(theirs) as runtime:
        job = work(start(make_agent(), runtime), 2)
    assert (job.spent_usd, job.report["theirs_usd"]) == (0, "6.0")


# ---- many jobs ----
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


# ---- what is learned ----
def test_a_bullet_that_does_harm_is_dropped_by_a_delta_that_rests_on_what_was_measured() -> None:
    with scripted() as runtime:
        job = start(make_agent(), runtime, training_data=data(40), config=MANY)
        work(job)
    delta = job.delta
    assert (delta.status, delta.source) == ("pending_review", "training")
    assert [op["op"] for op in delta.operations] == ["remove"]
    by_text = {entry["text"]: entry for entry in job.effects}
    assert [by_text[text]["decision"] for text in BULLETS] == ["keep", "drop", "keep"]
    harm = by_text[BAD]
    assert harm["low"] < harm["effect"] < harm["high"] < 0
    assert 0 < harm["uses"] < 256
    assert delta.confidence == pytest.approx(1 - harm["q_value"])
    assert delta.evidence["counts"]["trajectories"][1] == 256
    assert {v["judge"]: v["outcome"] for v in delta.verdicts}["held_out"] in ("pass", "warn")
    assert job.report["delta_test"]["success_rate"] == 1.0
    assert job.evaluations.filter(kind="test").count() == 1
    assert jobs.propose_from(job=job, by=ALICE) == delta


def test_a_lesson_from_outside_the_playbook_is_added_once_it_proved_itself() -> None:
    with scripted() as runtime:
        agent = make_agent(bullets=("Be brief.",))
        job = start(agent, runtime, training_data=data(40), config=MANY, candidates=[GOOD, BAD])
        work(job)
    assert [op["text"] for op in job.delta.operations] == [GOOD]
    decided = {entry["text"]: entry["decision"] for entry in job.effects}
    assert decided == {"Be brief.": "keep", GOOD: "add", BAD: "leave_out"}


def test_a_bullet_that_helps_one_type_of_task_and_harms_another_is_restricted() -> None:
    def typed(attempt: Attempt) -> Outcome:
        wanted = attempt.task.task_type == "even"
        return Outcome(success=(BAD in texts(attempt)) == wanted and attempt.seed % 8 != 0)

    with scripted(typed) as runtime:
        job = work(start(make_agent(), runtime, training_data=data(40), config=MANY))
    assert job.delta.operations == [
        {
            "op": "update",
            "bullet_id": job.effects[1]["bullet_id"],
            "text": "In even tasks, never check anything.",
        }
    ]


def test_where_nothing_is_significant_nothing_is_proposed_and_the_job_says_so() -> None:
    with scripted(lambda a: Outcome(success=a.seed % 2 == 0)) as runtime:
        config = {**MANY, "seed": 8}
        job = work(start(make_agent(), runtime, training_data=data(40), config=config))
    assert job.delta is None
    assert "Nothing is proposed" in job.report["conclusion"]
    with pytest.raises(Conflict, match="Nothing is proposed"):
        jobs.propose_from(job=job, by=ALICE)


def test_constraints_are_told_in_every_attempt_and_never_proposed_to_go() -> None:
    said: set[bool] = set()

    def watching(attempt: Attempt) -> Outcome:
        said.add("Obey the law." in texts(attempt))
        return Outcome(success=False)

    agent = make_agent()
    content = {"constraints": ["Obey the law."], "strategies": ["Be brief."]}
    playbooks.import_playbook(agent=agent, content=content, author=ALICE, reason="")
    with scripted(watching) as runtime:
        job = work(start(agent_by_id("bot"), runtime))
    assert said == {True}
    assert [entry["decision"] for entry in job.effects] == ["fixed", "keep"]


def test_a_reward_function_that_raises_fails_the_job_with_its_words(monkeypatch) -> None:
    calls = []

    def fragile(rollout: Rollout) -> float:
        calls.append(rollout)
        if len(calls) > 12:
            raise ZeroDivisionError("no steps at all")
        return 1.0

    monkeypatch.setattr(scoring, "CUSTOM", Registry())
    scoring.CUSTOM.register("fragile", fragile)
    with scripted() as runtime:
        reward = {"custom": {"name": "fragile"}}
        job = work(start(make_agent(), runtime, reward=reward))
    assert (job.status, job.reason) == (JobStatus.FAILED, "runtime_error")
    assert "'fragile' raised ZeroDivisionError: no steps at all" in job.error
