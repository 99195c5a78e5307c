"""Jobs as rows: claimed once, held by a lease, ended once."""

import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import pytest
from django.db import connection
from django.db.models.functions import Now

from ace_project.core.work import leases
from ace_project.core.work.leases import JobStatus, LeaseLost
from evolution.models import EvolutionRun, Trigger
from playbooks import actors, services

pytestmark = pytest.mark.django_db


def make_run(agent_id: str = "bot") -> EvolutionRun:
    agent = services.get_or_create_agent(agent_id=agent_id, author=actors.AUTOMATIC)
    return EvolutionRun.objects.create(agent=agent, trigger=Trigger.API, requested_by="test")


def expire(run: EvolutionRun) -> None:
    EvolutionRun.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))


def test_a_queued_row_is_claimed_once() -> None:
    run = make_run()
    first = leases.claim(EvolutionRun, run.pk)
    assert first is not None
    assert first.status == JobStatus.RUNNING
    assert leases.claim(EvolutionRun, run.pk) is None


def test_an_expired_lease_is_claimed_by_another_and_the_first_can_write_no_more() -> None:
    run = make_run()
    first = leases.claim(EvolutionRun, run.pk)
    assert first is not None
    expire(run)
    second = leases.claim(EvolutionRun, run.pk)
    assert second is not None
    assert second.attempts == 2
    with pytest.raises(LeaseLost):
        leases.write(first, traces_selected=7)
    with pytest.raises(LeaseLost):
        leases.finish(first, JobStatus.COMPLETED)
    leases.finish(second, JobStatus.COMPLETED, reason="finished")
    run.refresh_from_db()
    assert (run.status, run.traces_selected) == (JobStatus.COMPLETED, 0)


def test_a_row_ends_once() -> None:
    claimed = leases.claim(EvolutionRun, make_run().pk)
    assert claimed is not None
    leases.finish(claimed, JobStatus.COMPLETED)
    with pytest.raises(LeaseLost):
        leases.finish(claimed, JobStatus.FAILED)


def test_a_row_without_a_lease_cannot_be_written() -> None:
    with pytest.raises(LeaseLost):
        leases.write(make_run(), traces_selected=1)


def test_a_row_whose_worker_died_five_times_fails_visibly() -> None:
    run = make_run()
    for _ in range(leases.MAX_ATTEMPTS):
        assert leases.claim(EvolutionRun, run.pk) is not None
        expire(run)
    assert leases.claim(EvolutionRun, run.pk) is None
    run.refresh_from_db()
    assert (run.status, run.reason) == (JobStatus.FAILED, "gave_up")
    assert run.finished_at is not None


@pytest.mark.django_db(transaction=True)
def test_of_twenty_claimants_at_once_one_wins() -> None:
    run = make_run(f"bot-{uuid.uuid4().hex[:8]}")

    def attempt(_: int) -> bool:
        try:
            return leases.claim(EvolutionRun, run.pk) is not None
        finally:
            connection.close()

    with ThreadPoolExecutor(20) as pool:
        assert sum(pool.map(attempt, range(20))) == 1


@pytest.mark.django_db(transaction=True)
def test_a_heartbeat_prolongs_the_lease(settings) -> None:
    settings.ACE_LEASE_SECONDS = 0.3
    run = make_run()
    claimed = leases.claim(EvolutionRun, run.pk)
    assert claimed is not None
    first_end = claimed.lease_until
    with leases.heartbeat(claimed):
        for _ in range(50):
            claimed.refresh_from_db()
            if claimed.lease_until > first_end:
                break
            connection.cursor().execute("SELECT pg_sleep(0.05)")
    assert claimed.lease_until > first_end
    assert leases.claim(EvolutionRun, run.pk) is None
