"""One transaction for all that a piece of a job brought: stored once, by who holds the lease."""

from collections.abc import Iterator
from contextlib import contextmanager

from django.db import connection, transaction

from ace_project.core.work import leases
from training.models import TrainingJob


@contextmanager
def stored_once(job: TrainingJob) -> Iterator[None]:
    """Store what the block writes, all or nothing; raises LeaseLost where the job is not ours.

    The agent comes first, as when it is erased: or rows would come to hang on a job that is gone.
    """
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM agents WHERE id = %s FOR KEY SHARE", (job.agent_id,))
            if cursor.fetchone() is None:
                raise leases.LeaseLost(f"the agent of training job {job.pk} was erased")
        leases.write(job)
        yield
