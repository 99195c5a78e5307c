"""Figures of the newest traces of some agents, bounded per agent so that no list gets slow."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.db.models import Count

from evolution.bullet_effects import Effects, measure
from evolution.counters import recent_uses
from evolution.intervals import Share
from playbooks.models import OPEN, Agent, Delta, Playbook
from playbooks.selectors import Snapshot

# Per agent: what a row of a list looks at, and up to where traces are counted.
WINDOW = 1_000
MOST_COUNTED = 10_000
USES_WINDOW = 2_000

# Ordered by captured_at: by id, PostgreSQL reads everybody's newest rows in search of an idle
# agent's.
_LIVE = """
SELECT p.agent_id, count(*) FILTER (WHERE t.success), count(*)
FROM context_playbooks p CROSS JOIN LATERAL (
  SELECT success, playbook_version FROM execution_traces
  WHERE agent_id = p.agent_id ORDER BY captured_at DESC LIMIT %s) t
WHERE p.agent_id = ANY(%s) AND t.playbook_version = p.version GROUP BY p.agent_id
"""
_COUNTS = """
SELECT a.id, (SELECT count(*) FROM (
    SELECT 1 FROM execution_traces WHERE agent_id = a.id LIMIT %s) c),
  (SELECT captured_at FROM execution_traces WHERE agent_id = a.id
   ORDER BY captured_at DESC LIMIT 1)
FROM agents a WHERE a.id = ANY(%s)
"""


@dataclass(frozen=True, slots=True)
class Traffic:
    """How many traces an agent has, counted up to MOST_COUNTED, and when the newest ended."""

    traces: int
    last: datetime | None

    @property
    def more(self) -> bool:
        """Whether there are more than were counted."""
        return self.traces > MOST_COUNTED

    @property
    def shown(self) -> int:
        """The count to show."""
        return min(self.traces, MOST_COUNTED)


def success_of_live(agents: Sequence[Agent]) -> dict[int, Share]:
    """Return per agent the success of the live version in its newest WINDOW traces."""
    with connection.cursor() as cursor:
        cursor.execute(_LIVE, [WINDOW, [agent.pk for agent in agents]])
        return {pk: Share(wins, runs) for pk, wins, runs in cursor.fetchall()}


def waiting(playbooks: Iterable[Playbook]) -> dict[int, int]:
    """Return per playbook, by primary key, how many deltas wait for a person."""
    rows = Delta.objects.filter(playbook__in=[row.pk for row in playbooks], status__in=OPEN)
    found = rows.order_by().values_list("playbook_id").annotate(waiting=Count("pk"))
    return dict(found)


def effects(agent: Agent, shown: Snapshot) -> Effects:
    """Return what each bullet of a version is worth by the newest USES_WINDOW runs.

    They change when uses are counted, or within the cache's time at the latest.
    """
    playbook = agent.playbook
    key = f"effects:{playbook.pk}:{shown.number}:{playbook.counted_to}"
    found: Effects | None = caches["local"].get(key) if settings.ACE_ENABLE_CACHE else None
    if found is None:
        runs = recent_uses(agent, shown.content, USES_WINDOW)
        worth = measure(runs.uses, runs.success, runs.kind, runs.group)
        found = Effects.of_runs(runs.names, worth, runs.success)
        if settings.ACE_ENABLE_CACHE:
            caches["local"].set(key, found, settings.ACE_CACHE_TTL_SECONDS)
    return found


def traffic(agents: Sequence[Agent]) -> dict[int, Traffic]:
    """Return per agent how many traces it has and the newest one's time."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, [MOST_COUNTED + 1, [agent.pk for agent in agents]])
        return {pk: Traffic(count, last) for pk, count, last in cursor.fetchall()}
