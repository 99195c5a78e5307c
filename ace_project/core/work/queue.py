"""The order in which jobs that wait are served, the same for every worker.

First by rank: the priority, raised by one step for each minute of waiting, so that nothing waits
behind a stream of more urgent jobs for ever. Then the owner that was served least recently, so that
one who asks again and again stands behind all others each time. Then the oldest.
"""

import time
from collections.abc import Iterator
from datetime import timedelta
from threading import Event
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F, Q, QuerySet, Window
from django.db.models.expressions import OrderBy, RawSQL
from django.db.models.functions import Now, RowNumber

from ace_project.core.work.leases import JobStatus, JobT, LeasedJob, claim, claimable

# Priorities are steps of this width.
STEP = 10
TOP = 2 * STEP
STEP_SECONDS = 60
# An offered row that nobody claimed is offered again after this many seconds.
REOFFER_SECONDS = 10

# Set when this process ends: its threads take nothing more.
closing = Event()


def in_order(model: type[LeasedJob]) -> list[Any]:
    """Return what rows that wait are ordered by."""
    waited = f"floor(extract(epoch FROM now() - created_at) / {STEP_SECONDS})"
    rank = RawSQL(f"least(priority + {STEP} * {waited}, {TOP})", [])
    served = model.last_served()
    owners = [] if served is None else [OrderBy(served, nulls_first=True)]
    return [OrderBy(rank, descending=True), *owners, F("id").asc()]


def _waiting(model: type[JobT]) -> QuerySet[JobT]:
    rows: QuerySet[JobT] = model._default_manager.filter(claimable(model))
    return rows.order_by(*in_order(model))


def position(job: LeasedJob) -> int:
    """Return the job's place among those that wait, 1 for the next; 0 once it does not wait.

    What may not run yet (it is paused, or waits before another try) stands in nobody's way.
    """
    if job.status != JobStatus.QUEUED:
        return 0
    model = type(job)
    rows = model._default_manager.filter(claimable(model) | Q(pk=job.pk), status=JobStatus.QUEUED)
    placed = rows.annotate(place=Window(RowNumber(), order_by=in_order(model)))
    places = dict(placed.order_by().values_list("pk", "place"))
    return int(places.get(job.pk, 0))


def depth(model: type[LeasedJob]) -> int:
    """Return how many jobs wait, held back or not, those left by a dead worker included."""
    left = Q(status=JobStatus.RUNNING, lease_until__lt=Now())
    return model._default_manager.filter(Q(status=JobStatus.QUEUED) | left).count()


def offer(model: type[LeasedJob], limit: int) -> list[int]:
    """Return ids that a worker should look at now, each at most once per REOFFER_SECONDS."""
    if limit < 1:
        return []
    earlier = Now() - timedelta(seconds=REOFFER_SECONDS)
    with transaction.atomic():
        rows = _waiting(model).filter(Q(offered_at__isnull=True) | Q(offered_at__lt=earlier))
        free = rows.select_for_update(skip_locked=True)
        found = list(free.values_list("pk", flat=True)[:limit])
        if found:
            model._default_manager.filter(pk__in=found).update(offered_at=Now())
    return found


def claim_next(model: type[JobT]) -> JobT | None:
    """Take the first row in the order that nobody else is taking; None when none may run."""
    while True:
        with transaction.atomic():
            free = _waiting(model).select_for_update(skip_locked=True)
            pk = free.values_list("pk", flat=True).first()
            if pk is None:
                return None
            job = claim(model, pk)
        # None: it failed for good, or a pause came between the look and the claim.
        if job is not None:
            return job


def batch(model: type[JobT]) -> Iterator[JobT]:
    """Yield claimed jobs, the next when the one before has ended.

    At most ACE_WORKER_BATCH_SIZE, and none begins later than ACE_WORKER_BATCH_TIMEOUT seconds
    after the first: the thread is then free for other kinds of job. None at all once this process
    ends.
    """
    until = time.monotonic() + settings.ACE_WORKER_BATCH_TIMEOUT
    for number in range(settings.ACE_WORKER_BATCH_SIZE):
        if closing.is_set() or (number and time.monotonic() >= until):
            return
        job = claim_next(model)
        if job is None:
            return
        yield job
