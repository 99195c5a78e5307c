"""How much CPU time automatic runs may take: a bucket of seconds that all workers share.

It fills at ACE_EVOLUTION_CPU_SHARE seconds a second, up to BURST_SECONDS. While there is anything
in it an automatic run may start, and takes out what it is expected to cost; once it ended it puts
that back and takes what it did cost. So the level may fall below zero, and automatic runs wait
until the bucket has filled up again. A run that dies in between has paid what was expected of it.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from math import inf
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import F, Value
from django.db.models.functions import Coalesce

from ace_project.core.errors import AceError
from evolution.models import EvolutionRun
from playbooks.models import Agent

# What new agents need at once, and little enough not to be felt: the first runs of 50 agents start
# together, or 30 runs over 1,000 traces each.
BURST_SECONDS = 10.0
# What a run is expected to cost: as much as the agent's last one, the first so much.
FIRST_SECONDS = 0.2
_LEAST_SECONDS = 0.1
_FAR = timedelta(days=365)

# A clock that was set back fills nothing in; one that was set forward fills the bucket at most.
_FILLED = """least(%(burst)s, p.level_seconds + %(share)s * greatest(
  0, extract(epoch FROM clock_timestamp() - p.filled_at)::float8))"""
# One statement, so that two workers never start on the same seconds.
_TAKE = f"""
INSERT INTO evolution_pace AS p (id, level_seconds, filled_at)
VALUES (1, %(burst)s - %(seconds)s, clock_timestamp())
ON CONFLICT (id) DO UPDATE SET
  level_seconds = least(%(burst)s, {_FILLED} - %(seconds)s), filled_at = clock_timestamp()
WHERE %(in_debt)s OR {_FILLED} > 0 RETURNING level_seconds
"""
_LEVEL = f"""
SELECT coalesce((SELECT {_FILLED} FROM evolution_pace p), %(burst)s), clock_timestamp()
"""


class MustWait(AceError):
    """Automatic runs took the CPU time that they may; they go on when the bucket has filled up."""

    status = 429
    title = "Automatic runs wait for CPU time"


def draw(agent: Agent) -> float | None:
    """Take what an automatic run of the agent is expected to cost, in CPU seconds, and return it.

    None without a pace. Raises MustWait while the bucket is empty.
    """
    if not settings.ACE_EVOLUTION_CPU_SHARE:
        return None
    seconds = expected_seconds(agent)
    if not _take(seconds, in_debt=False):
        raise MustWait("automatic runs wait for CPU time")
    return seconds


def expected_seconds(agent: Agent) -> float:
    """Return what the agent's next run will cost by what its last one did, in CPU seconds."""
    measured = EvolutionRun.objects.filter(agent=agent, cpu_seconds__gt=0)
    last = measured.order_by("-id").values_list("cpu_seconds", flat=True).first()
    return FIRST_SECONDS if last is None else max(_LEAST_SECONDS, last)


def opens_at() -> datetime | None:
    """Return when automatic runs may start again, None where they may at once."""
    if not settings.ACE_EVOLUTION_CPU_SHARE:
        return None
    level, now = _level()
    if level > 0:
        return None
    missing = min(-level / settings.ACE_EVOLUTION_CPU_SHARE, _FAR.total_seconds())
    return now + timedelta(seconds=missing)


def level_seconds() -> float:
    """Return the CPU time that automatic runs may take at once; they wait at 0 and below.

    Infinite without a pace.
    """
    return _level()[0] if settings.ACE_EVOLUTION_CPU_SHARE else inf


@contextmanager
def measured(run: EvolutionRun) -> Iterator[None]:
    """Measure the CPU time of this thread in the block, and settle what was drawn for the run."""
    _begin(run)
    began = time.thread_time()
    try:
        yield
    finally:
        _settle(run, time.thread_time() - began)


def _begin(run: EvolutionRun) -> None:
    """Draw for every try but the first, for which it was done when the run was queued.

    A try that was killed never settles, and what it cost nobody knows: what was drawn for it
    stays drawn.
    """
    if run.drawn_seconds is None:
        return
    if run.cpu_seconds is None:
        EvolutionRun.objects.filter(pk=run.pk).update(cpu_seconds=0.0)
    else:
        _take(run.drawn_seconds, in_debt=True)


def _settle(run: EvolutionRun, seconds: float) -> None:
    # Without the lease: whoever has lost it has spent its time all the same.
    spent = Coalesce(F("cpu_seconds"), Value(0.0)) + seconds
    EvolutionRun.objects.filter(pk=run.pk).update(cpu_seconds=spent)
    if run.drawn_seconds is not None:
        _take(seconds - run.drawn_seconds, in_debt=True)


def _take(seconds: float, *, in_debt: bool) -> bool:
    """Take out `seconds`, put them in where they are negative; False where it is empty already.

    With `in_debt` it is taken however empty the bucket is.
    """
    with connection.cursor() as cursor:
        cursor.execute(_TAKE, _options() | {"seconds": seconds, "in_debt": in_debt})
        return cursor.fetchone() is not None


def _level() -> tuple[float, datetime]:
    """Return the level in seconds, and the database's time."""
    with connection.cursor() as cursor:
        cursor.execute(_LEVEL, _options())
        level, now = cursor.fetchone()
    return level, now


def _options() -> dict[str, Any]:
    return {"burst": BURST_SECONDS, "share": settings.ACE_EVOLUTION_CPU_SHARE}
