"""A worker that is told to stop: it ends what it can, and hands back what takes too long."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import psycopg
import pytest
from django.conf import settings

from evolution import services
from evolution.models import EvolutionRun, Generator, Trigger
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Delta, Mode
from tests.conftest import ROOT
from tests.servers import database_url

pytestmark = pytest.mark.django_db(transaction=True)

SCRIPT = [{"operations": [{"op": "add", "section": "s", "text": "Go."}], "confidence": 0.9}]
GUARD_SECONDS = 180


@contextmanager
def worker(drain_seconds: float) -> Iterator["subprocess.Popen[bytes]"]:
    """Run a worker process of one thread on the database of this test."""
    env = os.environ | {
        "DJANGO_SETTINGS_MODULE": "ace_project.settings.dev",
        "DATABASE_URL": database_url(),
        "SECRET_KEY": settings.SECRET_KEY,
        "REDIS_URL": "",
        "ACE_WORKER_DRAIN_SECONDS": str(drain_seconds),
    }
    command = [sys.executable, str(ROOT / "manage.py"), "worker", "--threads", "1"]
    child = subprocess.Popen(command, env=env)
    try:
        yield child
    finally:
        if child.poll() is None:
            child.kill()
        child.wait(GUARD_SECONDS)


def wait_for(condition: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + GUARD_SECONDS
    while not condition():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


@pytest.fixture
def run() -> EvolutionRun:
    """Return a queued run that will write to its agent's playbook."""
    agent = playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC, mode=Mode.AUTO)
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
def playbook_locked(run: EvolutionRun) -> Iterator[None]:
    """Let whoever writes to the playbook wait until the block ends."""
    with psycopg.connect(database_url()) as link:
        link.execute(
            "SELECT 1 FROM context_playbooks WHERE agent_id = %s FOR UPDATE", (run.agent_id,)
        )
        yield
        link.rollback()


def in_the_last_stage(run: EvolutionRun) -> bool:
    run.refresh_from_db()
    return bool(run.stages) and run.stages[-1]["name"] == "judge and apply"


def test_a_run_in_progress_ends_before_the_worker_does(run: EvolutionRun) -> None:
    with worker(drain_seconds=GUARD_SECONDS) as child:
        with playbook_locked(run):
            wait_for(lambda: in_the_last_stage(run), "the run to be under way")
            child.send_signal(signal.SIGTERM)
            # It has heard the signal once it took its thread away from the queue.
            time.sleep(0.5)
            assert child.poll() is None
        assert child.wait(GUARD_SECONDS) == 0
    run.refresh_from_db()
    assert (run.status, run.attempts, run.deltas_applied) == ("completed", 1, 1)


def test_a_run_that_takes_too_long_is_handed_back_and_another_worker_takes_it_at_once(
    run: EvolutionRun,
) -> None:
    with playbook_locked(run), worker(drain_seconds=0.2) as child:
        wait_for(lambda: in_the_last_stage(run), "the run to be under way")
        child.send_signal(signal.SIGTERM)
        assert child.wait(GUARD_SECONDS) == 0
        run.refresh_from_db()
        assert (run.status, run.attempts, run.lease_token) == ("queued", 0, None)
        assert run.offered_at is None
    with worker(drain_seconds=GUARD_SECONDS):
        wait_for(lambda: EvolutionRun.objects.get().status == "completed", "the second worker")
    run.refresh_from_db()
    assert (run.attempts, run.deltas_applied) == (1, 1)
    assert Delta.objects.count() == 1
