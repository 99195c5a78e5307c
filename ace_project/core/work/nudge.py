"""Tell the workers that a row waits. Losing a nudge loses nothing: the sweeper offers again."""

import logging
from dataclasses import dataclass

import dramatiq
from django.conf import settings
from django.db import connection, transaction
from dramatiq.errors import BrokerConnectionError
from redis.exceptions import RedisError

from ace_project.core.work.leases import LeasedJob

logger = logging.getLogger(__name__)

CHANNEL = "ace_work"


@dataclass(frozen=True)
class JobKind:
    """A table of jobs and the actor that runs one of its rows by id."""

    model: type[LeasedJob]
    actor: "dramatiq.Actor[[int], None]"


KINDS: list[JobKind] = []


def register(model: type[LeasedJob], actor: "dramatiq.Actor[[int], None]") -> None:
    """Let workers offer the queued rows of `model` to `actor`."""
    KINDS.append(JobKind(model, actor))


def nudge(job: LeasedJob) -> None:
    """After commit, tell a worker about `job`; a dead broker is logged and otherwise harmless."""
    kind = next(kind for kind in KINDS if isinstance(job, kind.model))
    if not settings.REDIS_URL:
        # PostgreSQL itself holds a NOTIFY back until the transaction commits.
        wake(job)
        return
    transaction.on_commit(lambda: send(kind, job.pk))


def wake(job: LeasedJob) -> None:
    """Let some other process than this one look at `job`."""
    if settings.REDIS_URL:
        send(next(kind for kind in KINDS if isinstance(job, kind.model)), job.pk)
        return
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_notify(%s, '')", [CHANNEL])


def send(kind: JobKind, pk: int) -> None:
    """Put a nudge for row `pk` on the broker of this process."""
    try:
        kind.actor.send(pk)
    except (BrokerConnectionError, RedisError) as error:
        logger.warning("nudge for %s %s not sent: %s", kind.model.__name__, pk, error)
