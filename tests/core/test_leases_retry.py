"""A try that fails: another one after a pause, and after the last a visible end."""

from datetime import timedelta

import pytest
from django.db.models.functions import Now

from ace_project.core.errors import Conflict
from ace_project.core.work import leases, queue
from ace_project.core.work.leases import JobStatus, LeaseLost
from evolution import pipeline, services, tasks
from evolution.models import EvolutionRun, Trigger
from playbooks import actors
from playbooks.services import get_or_create_agent

pytestmark = pytest.mark.django_db


@pytest.fixture
def run() -> EvolutionRun:
    """Return a queued run."""
    agent = get_or_create_agent(agent_id="bot", author=actors.AUTOMATIC)
    started = services.start_run(agent=agent, trigger=Trigger.API, requested_by="test", force=True)
    assert started.run is not None
    return started.run


def claimed(run: EvolutionRun) -> EvolutionRun:
    found = leases.claim(EvolutionRun, run.pk)
    assert found is not None
    return found


def seconds_to_wait(run: EvolutionRun) -> float:
    run.refresh_from_db()
    assert run.not_before is not None
    now = EvolutionRun.objects.values_list(Now(), flat=True)[0]
    return (run.not_before - now).total_seconds()


def let_the_wait_pass(run: EvolutionRun) -> None:
    earlier = Now() - timedelta(seconds=1)
    EvolutionRun.objects.filter(pk=run.pk).update(not_before=earlier)


def break_the_pipeline(monkeypatch: pytest.MonkeyPatch, error: Exception) -> list[int]:
    tries: list[int] = []

    def fail(run: EvolutionRun, *_: object) -> None:
        tries.append(run.pk)
        raise error

    monkeypatch.setattr(pipeline, "_cycle", fail)
    return tries


@pytest.mark.parametrize("tries, usual", [(1, 5.0), (2, 20.0), (3, 80.0)])
def test_each_wait_is_four_times_the_last_and_a_fifth_up_or_down(tries: int, usual: float) -> None:
    waits = [leases.backoff_seconds(tries, draw) for draw in (0.0, 0.5, 1.0)]
    assert waits == pytest.approx([0.8 * usual, usual, 1.2 * usual])


def test_a_try_that_failed_waits_and_then_runs_again(run: EvolutionRun) -> None:
    leases.retry_later(claimed(run), "the disk was full")
    assert 3 < seconds_to_wait(run) <= 6
    assert (run.status, run.attempts, run.error) == (JobStatus.QUEUED, 1, "the disk was full")
    assert run.lease_token is None
    assert leases.claim(EvolutionRun, run.pk) is None
    assert queue.offer(EvolutionRun, 10) == []
    let_the_wait_pass(run)
    assert queue.offer(EvolutionRun, 10) == [run.pk]
    again = claimed(run)
    assert (again.attempts, again.error, again.not_before) == (2, "", None)


def test_a_caller_who_knows_how_long_to_wait_says_so(run: EvolutionRun) -> None:
    leases.retry_later(claimed(run), "too many requests", seconds=300)
    assert 290 < seconds_to_wait(run) <= 300


def test_only_the_holder_of_the_lease_may_ask_for_another_try(run: EvolutionRun) -> None:
    first = claimed(run)
    EvolutionRun.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    claimed(run)
    with pytest.raises(LeaseLost):
        leases.retry_later(first, "late")
    with pytest.raises(LeaseLost):
        leases.hand_back(first)


def test_a_run_handed_back_is_free_at_once_and_its_try_does_not_count(run: EvolutionRun) -> None:
    queue.offer(EvolutionRun, 1)
    leases.hand_back(claimed(run))
    run.refresh_from_db()
    assert (run.status, run.attempts, run.lease_token) == (JobStatus.QUEUED, 0, None)
    assert queue.offer(EvolutionRun, 1) == [run.pk]
    assert claimed(run).attempts == 1


def test_an_unexpected_error_is_tried_three_times_and_then_fails_visibly(
    run: EvolutionRun, monkeypatch
) -> None:
    tries = break_the_pipeline(monkeypatch, ZeroDivisionError("no luck"))
    for attempt in (1, 2, 3):
        tasks.run_evolution.fn(run.pk)
        run.refresh_from_db()
        assert run.attempts == attempt == len(tries)
        assert "no luck" in run.error
        # Before its time it is left alone.
        tasks.run_evolution.fn(run.pk)
        assert len(tries) == attempt
        let_the_wait_pass(run)
    run.refresh_from_db()
    assert (run.status, run.reason) == (JobStatus.FAILED, "internal_error")
    assert run.finished_at is not None
    tasks.run_evolution.fn(run.pk)
    assert len(tries) == 3


def test_a_refusal_is_not_tried_again(run: EvolutionRun, monkeypatch) -> None:
    tries = break_the_pipeline(monkeypatch, Conflict("it cannot be"))
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert (run.status, run.reason, tries) == (JobStatus.FAILED, "refused", [run.pk])


def test_a_second_try_that_succeeds_shows_no_error(run: EvolutionRun) -> None:
    leases.retry_later(claimed(run), "once")
    let_the_wait_pass(run)
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert (run.status, run.error, run.attempts) == (JobStatus.COMPLETED, "", 2)


def test_in_the_foreground_a_failed_try_is_repeated_too(run: EvolutionRun, monkeypatch) -> None:
    monkeypatch.setattr(leases, "FIRST_RETRY_SECONDS", 0.0)
    tries = break_the_pipeline(monkeypatch, ZeroDivisionError("no luck"))
    said: list[str] = []
    ended = services.run_in_foreground(run=run, progress=said.append)
    assert (ended.status, len(tries)) == (JobStatus.FAILED, 3)
    assert sum("no luck" in line for line in said) == 2
