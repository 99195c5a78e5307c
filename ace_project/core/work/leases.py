"""Rows that are jobs: claimed by conditional UPDATE, held by a lease, finished exactly once."""

import random
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from threading import Event, Lock, Thread
from typing import Any, TypeVar

from django.conf import settings
from django.db import connection, models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

JobT = TypeVar("JobT", bound="LeasedJob")

MAX_ATTEMPTS = 5
# How often a job whose try failed for no reason of its own is begun before it fails for good.
MAX_TRIES = 3
# Seconds before the second try; each later wait is four times as long, and a fifth up or down.
FIRST_RETRY_SECONDS = 5.0
_JITTER = 0.2


class LeaseLost(Exception):
    """Somebody else holds the row now (or it ended); nothing more may be written for it."""


class HandedBack(LeaseLost):
    """The row is queued again, by our own will: for a pause, or because this process ends."""


class JobStatus(models.TextChoices):
    QUEUED = "queued"
    RUNNING = "running"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (JobStatus.QUEUED, JobStatus.RUNNING)


class LeasedJob(models.Model):
    """A job as a row. Times are the database's, so that hosts need not agree on a clock."""

    status = models.CharField(max_length=16, choices=JobStatus, default=JobStatus.QUEUED)
    priority = models.SmallIntegerField(default=0)
    attempts = models.PositiveSmallIntegerField(default=0)
    lease_token = models.UUIDField(null=True, editable=False)
    lease_until = models.DateTimeField(null=True, editable=False)
    offered_at = models.DateTimeField(null=True, editable=False)
    # Nobody claims the row before; set when a try failed and another one may succeed.
    not_before = models.DateTimeField(null=True, editable=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    started_at = models.DateTimeField(null=True, editable=False)
    finished_at = models.DateTimeField(null=True, editable=False)
    reason = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)

    class Meta:
        abstract = True

    @classmethod
    def held_back(cls) -> Q:
        """Return which rows nobody may claim at present; a kind of job with a pause says more."""
        return Q(pk__in=[])

    @classmethod
    def last_served(cls) -> Any:
        """Return when the row's owner was served last, as an expression; None: no owners."""
        return None


def _lease_end() -> Any:
    return Now() + timedelta(seconds=settings.ACE_LEASE_SECONDS)


def claimable(model: type[LeasedJob]) -> Q:
    """Return which rows a worker may claim: queued and due or left by a dead one, not held back."""
    due = Q(not_before__isnull=True) | Q(not_before__lte=Now())
    expired = Q(status=JobStatus.RUNNING, lease_until__lt=Now())
    return ((Q(status=JobStatus.QUEUED) & due) | expired) & ~model.held_back()


def claim(model: type[JobT], pk: int) -> JobT | None:
    """Take row `pk` for this process; None if another holds it, it may not run, or it ended.

    A row that was claimed `MAX_ATTEMPTS` times without an end fails visibly instead.
    """
    rows = model._default_manager.filter(claimable(model), pk=pk)
    rows.filter(attempts__gte=MAX_ATTEMPTS).update(
        status=JobStatus.FAILED,
        reason="gave_up",
        error=f"the worker died {MAX_ATTEMPTS} times while it ran this",
        finished_at=Now(),
        lease_token=None,
        lease_until=None,
    )
    token = uuid.uuid4()
    taken = rows.update(
        status=JobStatus.RUNNING,
        lease_token=token,
        lease_until=_lease_end(),
        attempts=F("attempts") + 1,
        started_at=Coalesce(F("started_at"), Now()),
        not_before=None,
        error="",
    )
    return model._default_manager.get(pk=pk) if taken else None


def _ours(job: LeasedJob) -> Any:
    """Return the row of `job` as long as this process holds its lease."""
    return type(job)._default_manager.filter(
        pk=job.pk,
        status=JobStatus.RUNNING,
        lease_token__isnull=False,
        lease_token=job.lease_token,
    )


def _let_go(job: LeasedJob, **fields: Any) -> None:
    """Write `fields` and give up the lease; raises LeaseLost when it is another's by now."""
    if not _ours(job).update(lease_token=None, lease_until=None, **fields):
        raise LeaseLost(f"{type(job).__name__} {job.pk}")
    job.refresh_from_db()


def write(job: LeasedJob, **fields: Any) -> None:
    """Store `fields` on a claimed row; raises LeaseLost when the lease is another's by now."""
    if not _ours(job).update(lease_until=_lease_end(), **fields):
        raise LeaseLost(f"{type(job).__name__} {job.pk}")
    for name, value in fields.items():
        setattr(job, name, value)


def finish(job: LeasedJob, status: JobStatus, **fields: Any) -> None:
    """End a claimed row once; raises LeaseLost when somebody else has it."""
    _let_go(job, status=status, finished_at=Now(), **fields)


def hand_back(job: LeasedJob) -> None:
    """Queue a claimed row again as if it had not been claimed; raises LeaseLost as `finish`."""
    _let_go(job, status=JobStatus.QUEUED, attempts=F("attempts") - 1, offered_at=None)


def hand_on(job: LeasedJob, **fields: Any) -> None:
    """Queue a claimed row again after a piece of its work was done; its tries count anew.

    `fields` are what that piece led to. Raises LeaseLost as `finish`.
    """
    _let_go(job, status=JobStatus.QUEUED, attempts=0, offered_at=None, not_before=None, **fields)


def retry_later(job: LeasedJob, error: str, *, seconds: float | None = None) -> None:
    """Queue a claimed row again for after a pause; after MAX_TRIES it fails as `internal_error`.

    `seconds` overrides the backoff of 5 s, 20 s, ... with jitter. Raises LeaseLost as `finish`.
    """
    if job.attempts >= MAX_TRIES:
        finish(job, JobStatus.FAILED, reason="internal_error", error=error)
        return
    wait = backoff_seconds(job.attempts, random.random()) if seconds is None else seconds
    _let_go(
        job,
        status=JobStatus.QUEUED,
        not_before=Now() + timedelta(seconds=wait),
        offered_at=None,
        error=error,
    )


def backoff_seconds(tries: int, draw: float) -> float:
    """Return how long to wait after `tries` tries; `draw` from 0 to 1 spreads those who wait."""
    return FIRST_RETRY_SECONDS * 4.0 ** (tries - 1) * (1 + _JITTER * (2 * draw - 1))


# What the threads of this process are working on, by the identity of the object.
_in_hand: dict[int, LeasedJob] = {}
_lock = Lock()


def in_hand() -> list[LeasedJob]:
    """Return the jobs that threads of this process are carrying out."""
    with _lock:
        return list(_in_hand.values())


@contextmanager
def heartbeat(job: LeasedJob) -> Iterator[None]:
    """Prolong the lease from a thread of its own while the block runs."""
    stop = Event()
    # The job itself forgets its token when it ends.
    token = job.lease_token

    def beat() -> None:
        model = type(job)
        try:
            while not stop.wait(settings.ACE_LEASE_SECONDS / 3):
                model._default_manager.filter(pk=job.pk, lease_token=token).update(
                    lease_until=_lease_end()
                )
        finally:
            connection.close()

    thread = Thread(target=beat, name=f"lease-{job.pk}", daemon=True)
    thread.start()
    with _lock:
        _in_hand[id(job)] = job
    try:
        yield
    finally:
        with _lock:
            _in_hand.pop(id(job), None)
        stop.set()
        thread.join()
