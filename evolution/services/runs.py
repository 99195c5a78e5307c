"""Starting, carrying out and ending evolution runs."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import IntegrityError, connection, transaction
from django.db.models.functions import Now

from ace_project.core.errors import Conflict, QueueFull, Unavailable
from ace_project.core.work import leases, loop, nudge, queue
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution import council, pace, pauses, pipeline, selectors
from evolution.llm import gateway
from evolution.models import EvolutionRun, Generator, Pause, Trigger
from playbooks.models import Agent

# Sequence numbers are drawn before they are committed: look this far behind the newest.
_LATE_COMMITS = 1000
# A person who waits goes before an agent that asks, and both before what starts by itself.
_PRIORITY = {
    Trigger.OPERATOR: 2 * queue.STEP,
    Trigger.COMMAND: 2 * queue.STEP,
    Trigger.API: queue.STEP,
    Trigger.AUTOMATIC: 0,
}


@dataclass(frozen=True, slots=True)
class StartResult:
    """The run that was queued, or was already under way; or why there is none."""

    run: EvolutionRun | None
    position: int | None = None
    reason: str | None = None
    created: bool = False


@transaction.atomic
def start_run(
    *,
    agent: Agent,
    trigger: Trigger,
    requested_by: str,
    force: bool = False,
    generator: Generator | None = None,
    script: Sequence[dict[str, Any]] | None = None,
    dry_run: bool = False,
) -> StartResult:
    """Queue an evolution run; one that is already under way is returned instead.

    Without a `generator` it is the language model where one is configured, else the reflector.
    There is none, with the reason, while evolution is paused, where traces are too few, or for an
    automatic one that must wait for CPU time. Raises QueueFull with `retry_after` seconds when as
    many runs wait as may.
    """
    pause = pauses.pause_of(agent)
    if pause:
        return StartResult(None, reason=pauses.told(pause))
    active = selectors.active_run(agent)
    if active:
        return StartResult(active, selectors.queue_position(active))
    if not force:
        short = selectors.missing_traces(agent)
        if short:
            return StartResult(None, reason=f"{short} more traces are needed before a run")
    if selectors.queue_depth() >= settings.ACE_WORKER_QUEUE_SIZE:
        raise QueueFull("as many evolution runs wait as may; try again later", retry_after=30)
    try:
        with transaction.atomic():
            run = EvolutionRun.objects.create(
                agent=agent,
                trigger=trigger,
                generator=generator or _usual_generator(),
                requested_by=requested_by,
                priority=_PRIORITY[trigger],
                script=list(script) if script is not None else None,
                dry_run=dry_run,
                drawn_seconds=pace.draw(agent) if trigger == Trigger.AUTOMATIC else None,
            )
    except pace.MustWait as wait:
        return StartResult(None, reason=wait.detail)
    except IntegrityError:
        # Another request was faster; its run serves this one too.
        other = selectors.active_run(agent)
        return StartResult(other, selectors.queue_position(other) if other else None)
    nudge.nudge(run)
    return StartResult(run, selectors.queue_position(run), created=True)


def _usual_generator() -> Generator:
    return Generator.LLM if gateway.is_configured() else Generator.STATISTICAL


class _DueRuns:
    """Looks for agents whose new traces make a run due, at those alone that sent some since.

    It looks once in ACE_WORKER_BATCH_TIMEOUT seconds: what became due meanwhile starts together.
    """

    def __init__(self) -> None:
        self.seen = 0
        self.next_look = self.next_full = 0.0
        self.pauses: set[int] = set()

    def __call__(self) -> None:
        now = time.monotonic()
        if now < self.next_look:
            return
        self.next_look = now + settings.ACE_WORKER_BATCH_TIMEOUT
        if now >= self.next_full:
            # Whose run failed is due again after a rest, and may have sent nothing since.
            self.seen, self.next_full = 0, now + selectors.REST_SECONDS
        paused = set(Pause.objects.values_list("pk", flat=True))
        if self.pauses - paused:
            # What fell due during a pause that ended may have sent nothing since.
            self.seen = 0
        self.pauses = paused
        if pace.opens_at():
            # All are looked at once something may start: the one that is due longest comes first.
            self.seen = 0
            return
        with connection.cursor() as cursor:
            cursor.execute("SELECT coalesce(max(id), 0) FROM execution_traces")
            newest = cursor.fetchone()[0]
        limit = settings.ACE_WORKER_QUEUE_SIZE
        due = selectors.due_agents(since=self.seen, limit=limit)
        all_started = _start_due(due) and len(due) < limit
        self.seen = max(0, newest - _LATE_COMMITS) if all_started else 0


def _start_due(due: Sequence[Agent]) -> bool:
    """Queue automatic runs; False where one must wait, and with it all that are due after it."""
    try:
        return all(_start(agent).run for agent in due)
    except QueueFull:
        return False


def _start(agent: Agent) -> StartResult:
    return start_run(agent=agent, trigger=Trigger.AUTOMATIC, requested_by="automatic", force=True)


start_due_runs = loop.every_tick(_DueRuns())


def run_in_foreground(*, run: EvolutionRun, progress: Callable[[str], None]) -> EvolutionRun:
    """Carry out `run` in this process, or watch it end where a worker was faster.

    A try that failed unexpectedly is repeated as a worker would, and the council is asked at once.
    Raises Unavailable where evolution is paused before the end: the run waits in the queue.
    """
    while True:
        claimed = leases.claim(EvolutionRun, run.pk)
        if claimed:
            _carry_out(claimed, progress)
        else:
            _watch(run, progress)
        run.refresh_from_db()
        if run.status not in ACTIVE:
            council.hear_now(run, progress)
            run.refresh_from_db()
            return run
        pause = pauses.pause_of(run.agent)
        if pause:
            raise Unavailable(f"{pauses.told(pause)}; run {run.pk} waits")


def _carry_out(run: EvolutionRun, progress: Callable[[str], None]) -> None:
    try:
        with leases.heartbeat(run):
            pipeline.carry_out(run, progress)
    except leases.HandedBack as back:
        progress(str(back))
    if run.not_before:
        progress(f"it failed ({run.error}); the next try comes at {run.not_before:%H:%M:%S}")


def _watch(run: EvolutionRun, progress: Callable[[str], None]) -> None:
    """Show the stages of a run that another carries out until it is not running any more."""
    shown = 0
    while True:
        run.refresh_from_db()
        for stage in run.stages[shown:]:
            progress(stage["name"])
        shown = len(run.stages)
        time.sleep(0.2)
        if run.status != JobStatus.RUNNING:
            return


@transaction.atomic
def cancel_run(*, run: EvolutionRun, by: str) -> EvolutionRun:
    """Cancel a run that has not ended; a worker that holds it finds its lease gone."""
    ended = EvolutionRun.objects.filter(pk=run.pk, status__in=ACTIVE).update(
        status=JobStatus.CANCELLED,
        reason=f"cancelled by {by}"[:64],
        finished_at=Now(),
        lease_token=None,
        lease_until=None,
    )
    run.refresh_from_db()
    if not ended:
        raise Conflict(f"run {run.pk} is {run.status} already")
    return run


def retry_run(*, run: EvolutionRun, by: str) -> StartResult:
    """Queue a new run like one that failed."""
    return start_run(
        agent=run.agent,
        trigger=Trigger.OPERATOR,
        requested_by=by,
        force=True,
        generator=Generator(run.generator),
        script=run.script,
        dry_run=run.dry_run,
    )
