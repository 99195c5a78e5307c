"""Aggregates of traces that the console's pages show: success by hour, by agent, by version."""

from collections.abc import Collection, Iterable
from datetime import datetime, timedelta

from django.db import connection
from django.db.models import Count, Exists, OuterRef, Q, QuerySet
from django.db.models.functions import TruncHour

from ace_project.core.work.leases import JobStatus
from evolution.intervals import Share
from evolution.models import EvolutionRun, ExecutionTrace, Origin
from playbooks.models import Agent

# Rows and not keys are counted: the index that holds the rest of it does not hold the key.
_RUNS, _SUCCEEDED = Count("*"), Count("success", filter=Q(success=True))


def success_between(start: datetime, end: datetime) -> dict[int, Share]:
    """Return each agent's (by primary key) success over traces captured in [start, end)."""
    rows = _captured(start, end)
    found = rows.values("agent_id").annotate(wins=_SUCCEEDED, runs=_RUNS)
    return {row["agent_id"]: Share(row["wins"], row["runs"]) for row in found}


def _captured(start: datetime, end: datetime) -> QuerySet[ExecutionTrace]:
    # Both outcomes are named so that the index over (success, captured_at) serves the range.
    rows = ExecutionTrace.objects.filter(
        success__in=(True, False), captured_at__gte=start, captured_at__lt=end
    )
    return rows.exclude(origin=Origin.TEST)


def success_by_hour(start: datetime, hours: int) -> list[Share]:
    """Return the success of real (not simulated) agents in each hour from `start` on."""
    rows = _captured(start, start + timedelta(hours=hours)).filter(agent__simulated=False)
    found = (
        rows.annotate(hour=TruncHour("captured_at"))
        .values("hour")
        .annotate(wins=_SUCCEEDED, runs=_RUNS)
    )
    series = [Share() for _ in range(hours)]
    for row in found:
        place = int((row["hour"] - start).total_seconds() // 3600)
        series[max(0, place)] += Share(row["wins"], row["runs"])
    return series


# Of its newest traces alone, whose number then says nothing of how long the agent has lived.
COUNTED_BY_VERSION = 100_000
_BY_VERSION = """
SELECT playbook_version, count(*) FILTER (WHERE success), count(*) FROM (
  SELECT success, playbook_version FROM execution_traces
  WHERE agent_id = %s ORDER BY captured_at DESC LIMIT %s) newest
WHERE playbook_version IS NOT NULL GROUP BY 1
"""


def success_by_version(agent: Agent) -> dict[int, Share]:
    """Return the success under each playbook version that the agent's newest traces name.

    COUNTED_BY_VERSION traces are looked at, in an index alone.
    """
    with connection.cursor() as cursor:
        cursor.execute(_BY_VERSION, [agent.pk, COUNTED_BY_VERSION])
        return {version: Share(wins, runs) for version, wins, runs in cursor}


# One range of the index per pair, which holds all that is counted: no trace itself is read.
_OF_VERSIONS = """
SELECT wanted.agent, wanted.version, found.wins, found.runs
FROM unnest(%s::bigint[], %s::int[]) AS wanted(agent, version)
CROSS JOIN LATERAL (
  SELECT count(*) FILTER (WHERE success) AS wins, count(*) AS runs FROM execution_traces
  WHERE agent_id = wanted.agent AND playbook_version = wanted.version AND captured_at >= %s) found
WHERE found.runs > 0
"""


def success_of_versions(
    pairs: Iterable[tuple[int, int]], since: datetime
) -> dict[tuple[int, int], Share]:
    """Return the success since then under (agent's primary key, version) pairs, in one query."""
    wanted = list(pairs)
    agents, versions = [agent for agent, _ in wanted], [version for _, version in wanted]
    with connection.cursor() as cursor:
        cursor.execute(_OF_VERSIONS, [agents, versions, since])
        return {(agent, number): Share(wins, runs) for agent, number, wins, runs in cursor}


def traces_named(agent: Agent, trace_ids: Collection[str]) -> dict[str, ExecutionTrace]:
    """Return the agent's traces of these ids, without their steps."""
    rows = ExecutionTrace.objects.filter(agent=agent, trace_id__in=trace_ids)
    return {row.trace_id: row for row in rows.defer("steps", "bullets")}


def failed_runs(since: datetime, *, at_most: int) -> list[EvolutionRun]:
    """Return the newest runs that failed since then, without a later run of their agent."""
    later = EvolutionRun.objects.filter(agent=OuterRef("agent"), pk__gt=OuterRef("pk"))
    rows = EvolutionRun.objects.filter(status=JobStatus.FAILED, created_at__gte=since)
    rows = rows.filter(~Exists(later)).select_related("agent")
    return list(rows.defer("stages", "report", "script").order_by("-id")[:at_most])
