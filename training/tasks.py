"""The actor that compares two versions on the same workshop tasks."""

import logging

import dramatiq

from ace_project.core.work import leases, nudge
from ace_project.core.work.leases import JobStatus
from training import sandbox
from training.models import Comparison

logger = logging.getLogger(__name__)

# Written to the row this often, so that a page can show the comparison as it happens.
TASKS_PER_WRITE = 4


@dramatiq.actor(queue_name="workshop", max_retries=0)
def compare(comparison_id: int) -> None:
    """Claim the comparison and go on where its row stands."""
    job = leases.claim(Comparison, comparison_id)
    if job is None:
        return
    try:
        with leases.heartbeat(job):
            _go_on(job)
    except leases.LeaseLost:
        logger.warning("comparison %s went to another worker", comparison_id)


def _go_on(job: Comparison) -> None:
    while len(job.results) < job.total:
        done = len(job.results)
        indexes = range(done, min(done + TASKS_PER_WRITE, job.total))
        pairs = [
            sandbox.pair(job.agent, job.before, job.after, job.first_task + index)
            for index in indexes
        ]
        leases.write(job, results=[*job.results, *pairs])
    leases.finish(job, JobStatus.COMPLETED, reason="finished")


nudge.register(Comparison, compare)
