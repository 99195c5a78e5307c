"""The worker process: hears nudges, sweeps for rows that wait, runs what is due."""

import copy
import logging
import os
import socket
from collections.abc import Callable
from contextlib import suppress
from threading import Event

import dramatiq
from django.conf import settings
from django.db import connection
from django.db.models.functions import Now
from django.db.utils import InterfaceError, OperationalError

from ace_project.core.models import WorkerBeat
from ace_project.core.work import broker, leases, queue
from ace_project.core.work.nudge import CHANNEL, KINDS, send, wake

logger = logging.getLogger(__name__)

# Called about once a second by every worker; each must be cheap and safe to run twice.
TICKS: list[Callable[[], None]] = []
TICK_SECONDS = 1.0


def every_tick(function: Callable[[], None]) -> Callable[[], None]:
    """Register `function` to be called about once a second."""
    TICKS.append(function)
    return function


def run(stop: Event, *, threads: int) -> bool:
    """Work until `stop` is set; then end what is in hand, or hand back what takes too long.

    Returns whether everything ended: if not, threads still compute what nobody will store.
    """
    name = f"{socket.gethostname()}-{os.getpid()}"
    queue.closing.clear()
    worker = dramatiq.Worker(dramatiq.get_broker(), worker_threads=threads, worker_timeout=100)
    worker.start()
    try:
        while not stop.is_set():
            try:
                _round(name, threads, stop)
            except (OperationalError, InterfaceError) as error:
                # The database went away; the next round connects anew (and revives the embedded).
                logger.warning("worker waits for the database: %s", str(error).strip())
                connection.close()
                stop.wait(TICK_SECONDS)
    finally:
        queue.closing.set()
        worker.stop(timeout=int(settings.ACE_WORKER_DRAIN_SECONDS * 1000))
        left = leases.in_hand()
        _hand_back(left)
        _say_goodbye(name)
    return not left


def _round(name: str, threads: int, stop: Event) -> None:
    WorkerBeat.objects.update_or_create(name=name, defaults={"threads": threads, "beat_at": Now()})
    for tick in TICKS:
        tick()
    for kind in KINDS:
        untaken = broker.untaken(kind.actor.queue_name)
        for pk in queue.offer(kind.model, limit=settings.ACE_WORKER_BATCH_SIZE - untaken):
            send(kind, pk)
    _wait_for_nudge(stop)


def _wait_for_nudge(stop: Event) -> None:
    if settings.REDIS_URL:
        stop.wait(TICK_SECONDS)
        return
    with connection.cursor() as cursor:
        cursor.execute(f"LISTEN {CHANNEL}")
    # The driver's own errors become Django's, which the loop knows how to wait out.
    with connection.wrap_database_errors:
        for _ in connection.connection.notifies(timeout=TICK_SECONDS, stop_after=1):
            return


def _hand_back(jobs: list[leases.LeasedJob]) -> None:
    """Queue again what is still in hand; what its threads write from now on is refused."""
    try:
        for job in jobs:
            with suppress(leases.LeaseLost):
                # A copy, because the thread that carries it out still reads the object.
                leases.hand_back(copy.copy(job))
                wake(job)
                logger.warning("%s %s is handed back to the queue", type(job).__name__, job.pk)
    except (OperationalError, InterfaceError) as error:
        logger.warning("jobs in hand wait for their leases to end: %s", str(error).strip())


def _say_goodbye(name: str) -> None:
    try:
        WorkerBeat.objects.filter(name=name).delete()
    except (OperationalError, InterfaceError) as error:
        logger.warning("worker left without a word: %s", str(error).strip())
