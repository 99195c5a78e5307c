"""The actors that advance training jobs, and compare two versions on the same workshop tasks."""

import logging

import dramatiq
from django.db.utils import InterfaceError, OperationalError

from ace_project.core.work import broker, leases, nudge, queue
from ace_project.core.work.leases import JobStatus
from training import runner, sandbox
from training.models import Comparison, TrainingJob

logger = logging.getLogger(__name__)

# Written to the row this often, so that a page can show the comparison as it happens.
TASKS_PER_WRITE = 4


# After all else: a job comes back for every iteration.
@dramatiq.actor(queue_name="training", max_retries=0, priority=10)
def advance_training(_job_id: int) -> None:
    """Carry the jobs that are first in the queue one iteration further each."""
    for job in queue.batch(TrainingJob):
        _advance(job)
    if _someone_should_go_on():
        nudge.send(_TRAINING, 0)


def _advance(job: TrainingJob) -> None:
    try:
        with leases.heartbeat(job):
            runner.carry_out(job)
    except leases.LeaseLost as lost:
        logger.info("training job %s was taken away: %s", job.pk, lost)
    except (OperationalError, InterfaceError) as error:
        # Its lease runs out, and whoever claims it next goes on.
        logger.warning("training job %s waits for the database: %s", job.pk, str(error).strip())


def _someone_should_go_on() -> bool:
    """Tell whether jobs wait for their next iteration, and no message says so yet."""
    if queue.closing.is_set() or broker.untaken(advance_training.queue_name):
        return False
    return TrainingJob.objects.filter(leases.claimable(TrainingJob)).exists()


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
nudge.register(TrainingJob, advance_training)
_TRAINING = next(kind for kind in nudge.KINDS if kind.model is TrainingJob)
