"""The worker loop: hears nudges, offers what waits, outlives a lost database connection."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Event, Thread

import pytest
from django.db import OperationalError, connection

from ace_project.core.models import WorkerBeat
from ace_project.core.work import loop
from ace_project.core.work.leases import JobStatus
from evolution import services
from evolution.models import EvolutionRun, Generator, Trigger
from playbooks import actors
from playbooks import services as playbooks

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = [{"operations": [{"op": "add", "section": "s", "text": "Go."}], "confidence": 0.9}]


def queue_run(agent_id: str) -> EvolutionRun:
    agent = playbooks.get_or_create_agent(agent_id=agent_id, author=actors.AUTOMATIC)
    started = services.start_run(
        agent=agent,
        trigger=Trigger.API,
        requested_by="test",
        force=True,
        generator=Generator.SCRIPTED,
        script=SCRIPT,
    )
    assert started.run is not None
    return started.run


@contextmanager
def working() -> Iterator[None]:
    """Run the worker loop in a thread until the block ends."""
    stop = Event()

    def work() -> None:
        try:
            loop.run(stop, threads=2)
        finally:
            connection.close()

    thread = Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join(30)
        assert not thread.is_alive()


def wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def status(run: EvolutionRun) -> str:
    run.refresh_from_db()
    return run.status


def test_a_run_that_waited_before_the_worker_came_is_carried_out() -> None:
    run = queue_run("early")
    with working():
        wait_for(lambda: status(run) == JobStatus.COMPLETED)
    assert run.attempts == 1


def test_a_nudge_starts_a_run_at_once() -> None:
    with working():
        wait_for(lambda: WorkerBeat.objects.exists())
        run = queue_run("nudged")
        wait_for(lambda: status(run) == JobStatus.COMPLETED)
    assert not WorkerBeat.objects.exists()


def test_the_loop_outlives_a_database_that_goes_away(monkeypatch) -> None:
    failures = iter([OperationalError("gone"), OperationalError("still gone")])

    def tick() -> None:
        error = next(failures, None)
        if error:
            raise error

    monkeypatch.setattr(loop, "TICKS", [tick])
    monkeypatch.setattr(loop, "TICK_SECONDS", 0.05)
    run = queue_run("patient")
    with working():
        wait_for(lambda: status(run) == JobStatus.COMPLETED)
