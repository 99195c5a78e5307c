"""One transaction for all that a piece of a job brought: stored once, by who holds the lease."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from django.db import connection, transaction

from ace_project.core.work import leases
from training.models import TrainingJob, Trajectory

# Not the key, which the database gives.
_FIELDS = [f for f in Trajectory._meta.concrete_fields if not f.primary_key]
_COPY = f"COPY {Trajectory._meta.db_table} ({', '.join(str(f.column) for f in _FIELDS)}) FROM STDIN"


def write_trajectories(rows: Sequence[Trajectory]) -> None:
    """Write rows by one COPY: they are a hundred and more for every iteration."""
    with (
        connection.cursor() as cursor,
        connection.wrap_database_errors,
        cursor.copy(_COPY) as copy,
    ):
        for row in rows:
            copy.write_row([getattr(row, field.attname) for field in _FIELDS])


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
