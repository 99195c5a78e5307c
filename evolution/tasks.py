"""The actors that carry out evolution runs and the council's deliberations."""

import logging
from collections.abc import Callable

import dramatiq
from django.db.utils import InterfaceError, OperationalError

from ace_project.core.work import allocator, leases, nudge, queue
from ace_project.core.work.leases import JobT
from evolution import council, pipeline
from evolution.models import Deliberation, EvolutionRun

logger = logging.getLogger(__name__)


@dramatiq.actor(queue_name="evolution", max_retries=0)
def run_evolution(_run_id: int) -> None:
    """Carry out the runs that are first in the queue; the message only says that some wait."""
    for run in queue.batch(EvolutionRun):
        _hold(run, pipeline.carry_out)
        allocator.give_back()


@dramatiq.actor(queue_name="council", max_retries=0)
def run_council(_deliberation_id: int) -> None:
    """Carry out the deliberations that are first in the queue."""
    for job in queue.batch(Deliberation):
        _hold(job, council.carry_out)


def _hold(job: JobT, carry_out: Callable[[JobT], None]) -> None:
    """Carry out a claimed job, its lease prolonged meanwhile."""
    name = f"{type(job).__name__} {job.pk}"
    try:
        with leases.heartbeat(job):
            carry_out(job)
    except leases.HandedBack as back:
        logger.info("%s", back)
    except leases.LeaseLost:
        logger.warning("%s went to another worker", name)
    except (OperationalError, InterfaceError) as error:
        # Its lease runs out, and whoever claims it next goes on.
        logger.warning("%s waits for the database: %s", name, str(error).strip())


nudge.register(EvolutionRun, run_evolution)
nudge.register(Deliberation, run_council)
