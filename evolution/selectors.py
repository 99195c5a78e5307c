"""Reads of traces and runs that are used in more than one place."""

import json
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from django.conf import settings
from django.db import connection
from django.db.models import Exists, F, OuterRef, QuerySet, Sum

from ace_project.core.work import queue
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution.exhibits import Extract, ExtractStep
from evolution.models import DailyTally, EvolutionRun, ExecutionTrace, Origin
from evolution.runs import Run, Step
from playbooks.judges.evidence import TRUSTED_ORIGINS
from playbooks.models import Agent
from playbooks.selectors import setting

# What tables show; the steps are large and stay in the database.
LIST_FIELDS = (
    "agent",
    "trace_id",
    "task_id",
    "task_type",
    "success",
    "execution_time",
    "error_message",
    "step_count",
    "error_count",
    "tokens",
    "playbook_version",
    "origin",
    "captured_at",
)


def active_run(agent: Agent) -> EvolutionRun | None:
    """Return the agent's run that is queued or running."""
    return EvolutionRun.objects.filter(agent=agent, status__in=ACTIVE).first()


def queue_depth() -> int:
    """Return how many runs wait for a worker."""
    return EvolutionRun.objects.filter(status=JobStatus.QUEUED).count()


def queue_position(run: EvolutionRun) -> int:
    """Return the place in the queue, 1 for the next; 0 once it runs."""
    return queue.position(run)


def last_run(agent: Agent) -> EvolutionRun | None:
    """Return the newest run that learned from the agent's traces to its end."""
    done = EvolutionRun.objects.filter(agent=agent, status=JobStatus.COMPLETED, dry_run=False)
    return done.order_by("-id").first()


def has_learned() -> Exists:
    """Return the condition on agents that a run learned from their traces to its end."""
    done = EvolutionRun.objects.filter(status=JobStatus.COMPLETED, dry_run=False)
    return Exists(done.filter(agent=OuterRef("pk")))


def pending_traces(agent: Agent, *, at_most: int = 10_000) -> int:
    """Return how many traces came in since the last run, counted up to `at_most`."""
    rows = _since(agent, last_run(agent))
    # Tests are few and counted apart, so that both counts read an index alone.
    tests = rows.filter(origin=Origin.TEST).count()
    return rows.values("pk")[: at_most + tests].count() - tests


def _since(agent: Agent, run: EvolutionRun | None) -> QuerySet[ExecutionTrace]:
    return ExecutionTrace.objects.filter(agent=agent, id__gt=run.watermark if run else 0)


def missing_traces(agent: Agent) -> int:
    """Return how many more traces a run on request needs; 0 when there are enough."""
    needed = int(setting(agent, "ACE_MIN_TRACES_FOR_EVOLUTION"))
    return max(0, needed - pending_traces(agent, at_most=needed))


@dataclass(frozen=True, slots=True)
class NextRun:
    """What an agent's next automatic run waits for: `have` traces of its own, counted to `needed`.

    `last` is the newest run that learned; without one the next is the first.
    """

    last: EvolutionRun | None
    have: int
    needed: int


def next_run(agent: Agent) -> NextRun:
    """Return how near the agent's next automatic run is, by the rule of `due_agents`."""
    last = last_run(agent)
    name = "ACE_EVOLUTION_INTERVAL" if last else "ACE_MIN_TRACES_FOR_EVOLUTION"
    needed = int(setting(agent, name))
    own = _since(agent, last).filter(origin=Origin.AGENT)
    return NextRun(last, own.values("pk")[:needed].count(), needed)


# After a run that failed (for want of money, say) the next automatic one waits so many seconds.
REST_SECONDS = 600
# BETWEEN and the order by agent make PostgreSQL walk the index of agents: with "=" it takes that of
# ids where a few agents have most traces, and reads all theirs for every agent that has none.
_DUE = """
SELECT a.* FROM agents a
LEFT JOIN LATERAL (
  SELECT r.watermark FROM evolution_runs r
  WHERE r.agent_id = a.id AND r.status = 'completed' AND NOT r.dry_run
  ORDER BY r.id DESC LIMIT 1) last ON true
CROSS JOIN LATERAL (
  SELECT (CASE WHEN last.watermark IS NULL
    THEN coalesce(a.overrides->>'ACE_MIN_TRACES_FOR_EVOLUTION', %(first)s)
    ELSE coalesce(a.overrides->>'ACE_EVOLUTION_INTERVAL', %(later)s) END)::numeric::bigint AS traces
) needed
CROSS JOIN LATERAL (
  SELECT t.id FROM execution_traces t
  WHERE t.agent_id BETWEEN a.id AND a.id AND t.id > coalesce(last.watermark, 0)
    AND t.origin = 'agent'
  ORDER BY t.agent_id DESC, t.id OFFSET needed.traces - 1 LIMIT 1) due
WHERE (%(since)s = 0 OR a.id IN (
    SELECT agent_id FROM execution_traces WHERE id > %(since)s AND origin = 'agent'))
  AND NOT EXISTS (SELECT 1 FROM evolution_runs r
    WHERE r.agent_id = a.id AND r.status IN ('queued', 'running'))
  AND NOT EXISTS (SELECT 1 FROM (
      SELECT status, finished_at FROM evolution_runs
      WHERE agent_id = a.id AND NOT dry_run ORDER BY id DESC LIMIT 1) newest
    WHERE newest.status = 'failed' AND newest.finished_at > now() - %(rest)s * interval '1 second')
  AND NOT EXISTS (SELECT 1 FROM evolution_pauses p
    WHERE p.agent_id IS NULL OR p.agent_id = a.id)
ORDER BY due.id LIMIT %(limit)s
"""


def due_agents(*, since: int = 0, limit: int = 1000) -> list[Agent]:
    """Return agents whose own new traces make an automatic run due, in one statement.

    The first comes at ACE_MIN_TRACES_FOR_EVOLUTION, later ones every ACE_EVOLUTION_INTERVAL. Who
    has waited longest stands first, by the trace that made the run due: it does not change. Only
    those with a trace after id `since` are looked at, all for 0; paused and active ones are not,
    nor those whose newest run failed less than REST_SECONDS ago.
    """
    options = {
        "first": str(settings.ACE_MIN_TRACES_FOR_EVOLUTION),
        "later": str(settings.ACE_EVOLUTION_INTERVAL),
        "rest": REST_SECONDS,
        "since": since,
        "limit": limit,
    }
    return list(Agent.objects.raw(_DUE, options))


def evolution_status(agent: Agent) -> dict[str, Any]:
    """Return what GET evolution/status answers (contracts.md section 2)."""
    runs = EvolutionRun.objects.filter(agent=agent)
    newest = runs.order_by("-id").first()
    done = last_run(agent)
    sums = runs.aggregate(generated=Sum("deltas_generated"), applied=Sum("deltas_applied"))
    cost, unpriced = cost_of(agent)
    if newest and newest.status in ACTIVE:
        status = "processing"
    else:
        status = "failed" if newest and newest.status == JobStatus.FAILED else "idle"
    return {
        "agent_id": agent.agent_id,
        "last_evolution": done.finished_at if done else None,
        "pending_traces": pending_traces(agent),
        "deltas_generated": sums["generated"] or 0,
        "deltas_applied": sums["applied"] or 0,
        "total_cost": cost,
        "unpriced_calls": unpriced,
        "status": status,
    }


def cost_of(agent: Agent) -> tuple[float | None, int]:
    """Return what an agent's calls ever cost in US dollars, and how many have an unknown cost.

    The sum is of calls with a known price; it is None where there are none but others.
    """
    sums = DailyTally.objects.filter(agent_number=agent.pk).aggregate(
        usd=Sum("cost_usd"),
        priced=Sum(F("answered") - F("unpriced")),
        unknown=Sum(F("unpriced") + F("unknown")),
    )
    unknown = sums["unknown"] or 0
    if unknown and not sums["priced"]:
        return None, unknown
    return float(sums["usd"] or 0), unknown


# Among this many times the traces wanted, the newest, those of rare types and versions are found.
_WINDOW = 10
_SELECT = """
WITH recent AS (
  SELECT id, task_type, playbook_version, captured_at FROM execution_traces
  WHERE agent_id = %(agent)s AND id <= %(newest)s AND origin <> 'test'
  ORDER BY captured_at DESC LIMIT %(window)s),
ranked AS (
  SELECT id, row_number() OVER (
    PARTITION BY task_type, playbook_version ORDER BY captured_at DESC, id DESC) AS place
  FROM recent),
chosen AS (SELECT id FROM ranked ORDER BY place, id DESC LIMIT %(limit)s)
SELECT t.trace_id, t.task_group, t.task_id, t.task_type, t.playbook_version, t.success,
  (SELECT coalesce(jsonb_agg(jsonb_build_array(s.step->>'tool', (s.step->'arguments')::text,
                                               s.step->>'error') ORDER BY s.place), '[]')
   FROM jsonb_array_elements(t.steps) WITH ORDINALITY AS s(step, place))
FROM execution_traces t JOIN chosen USING (id) ORDER BY t.captured_at, t.id
"""


def runs_to_learn_from(agent: Agent, *, newest: int, limit: int) -> Iterator[Run]:
    """Yield up to `limit` traces up to id `newest`, the newest of each task type and version first
    chosen, as the reflector sees them: results and thoughts stay in the database."""
    with connection.cursor() as cursor:
        window = limit * _WINDOW
        cursor.execute(
            _SELECT, {"agent": agent.pk, "newest": newest, "limit": limit, "window": window}
        )
        for trace_id, group, task_id, task_type, version, success, steps in cursor:
            yield Run(
                trace_id=trace_id,
                task_group=group or task_id or trace_id,
                task_type=task_type or None,
                version=version,
                success=success,
                steps=tuple(Step(t, a or "{}", e) for t, a, e in json.loads(steps)),
                task_id=task_id or None,
            )


# The first and the last steps of a trace tell what was asked and how it ended.
_FIRST_STEPS, _LAST_STEPS = 4, 8
_EXTRACT = """
SELECT t.trace_id, t.origin, left(t.error_message, %(cut)s), t.step_count,
  (SELECT coalesce(jsonb_agg(jsonb_build_array(
     s.place, left(s.step->>'tool', %(cut)s), left((s.step->'arguments')::text, %(cut)s),
     left((s.step->'result')::text, %(cut)s), left(s.step->>'error', %(cut)s)
   ) ORDER BY s.place), '[]')
   FROM jsonb_array_elements(t.steps) WITH ORDINALITY AS s(step, place)
   WHERE s.place <= %(first)s OR s.place > t.step_count - %(last)s)
FROM execution_traces t WHERE t.agent_id = %(agent)s AND t.trace_id = ANY(%(ids)s)
"""


def extracts(agent: Agent, trace_ids: Collection[str], limit_chars: int) -> dict[str, Extract]:
    """Return what a prompt may show of the agent's traces: at most 12 steps each, every text cut
    to `limit_chars` characters by the database, so that no whole trace comes into memory."""
    options: dict[str, Any] = {"agent": agent.pk, "ids": list(trace_ids), "cut": limit_chars}
    found = {}
    with connection.cursor() as cursor:
        cursor.execute(_EXTRACT, options | {"first": _FIRST_STEPS, "last": _LAST_STEPS})
        for trace_id, origin, message, count, steps in cursor:
            rows = json.loads(steps)
            shown = tuple(ExtractStep(n, t, a or "", r or "", e) for n, t, a, r, e in rows)
            found[trace_id] = Extract(trace_id, origin, message, shown, count, limit_chars)
    return found


def from_outside(agent: Agent, limit: int) -> set[str]:
    """Return the ids of the agent's newest traces of an untrusted origin, up to `limit`."""
    rows = ExecutionTrace.objects.filter(agent=agent).exclude(origin__in=TRUSTED_ORIGINS)
    return set(rows.order_by("-id").values_list("trace_id", flat=True)[:limit])


def origins_of(agent: Agent, trace_ids: Collection[str]) -> dict[str, str]:
    """Return where each of the agent's named traces came from."""
    rows = ExecutionTrace.objects.filter(agent=agent, trace_id__in=trace_ids)
    return dict(rows.values_list("trace_id", "origin"))
