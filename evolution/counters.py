"""How often each bullet was used and how those runs ended: counts, written in bulk, once a trace.

They are plain counts, as the helpful and harmful counters of the ACE paper are, and no effects:
a bullet that hard tasks use has many failures. What it is worth, `bullet_effects` says.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson
from django.db import connection, transaction

from evolution.stats import Bools, Ints
from playbooks import selectors
from playbooks.content import Content, bullets
from playbooks.models import Agent, Bullet, Playbook

# Traces counted in one transaction, which holds the playbook's row.
AT_ONCE = 20_000
# A transaction that is still open may hold a lower number than one that has ended: what came in
# since the oldest of them began, and so long before, waits for the next time.
_SETTLING = "interval '2 seconds'"

_NEWEST = f"""
WITH writing AS (
  SELECT min(xact_start) - {_SETTLING} AS began FROM pg_stat_activity
  WHERE datname = current_database() AND pid <> pg_backend_pid()
    AND backend_type = 'client backend'),
fresh AS (
  SELECT id, received_at FROM execution_traces
  WHERE agent_id = %(agent)s AND id > %(after)s ORDER BY id LIMIT %(limit)s)
SELECT max(id) FROM fresh WHERE id < coalesce(
  (SELECT min(id) FROM fresh, writing WHERE received_at >= began), 9223372036854775807)
"""
_NAMED = """
SELECT DISTINCT name FROM execution_traces t CROSS JOIN LATERAL jsonb_array_elements_text(
  CASE jsonb_typeof(t.bullets) WHEN 'array' THEN t.bullets ELSE '[]' END) AS b(name)
WHERE t.agent_id = %(agent)s AND t.id > %(after)s AND t.id <= %(last)s
"""
# A run that names two bullets which became one has used that one once.
_COUNT = """
UPDATE playbook_bullets row SET used = row.used + found.used, helped = row.helped + found.helped,
  harmed = row.harmed + found.used - found.helped
FROM (
  SELECT target, count(DISTINCT t.id) AS used, count(DISTINCT t.id) FILTER (WHERE success) AS helped
  FROM execution_traces t CROSS JOIN LATERAL jsonb_array_elements_text(
    CASE jsonb_typeof(t.bullets) WHEN 'array' THEN t.bullets ELSE '[]' END) AS b(name)
  JOIN unnest(%(names)s::text[], %(targets)s::text[]) AS known(name, target) USING (name)
  WHERE t.agent_id = %(agent)s AND t.id > %(after)s AND t.id <= %(last)s GROUP BY target) found
WHERE row.playbook_id = %(playbook)s AND row.bullet_id = found.target
"""
_RECENT = """
SELECT success, task_type, coalesce(nullif(task_group, ''), nullif(task_id, ''), trace_id),
  playbook_version, bullets::text
FROM (SELECT * FROM execution_traces WHERE agent_id = %(agent)s
      ORDER BY captured_at DESC LIMIT %(limit)s) t
WHERE jsonb_typeof(bullets) = 'array' AND bullets <> '[]' ORDER BY captured_at, id
"""


def update_counters(agent: Agent) -> int:
    """Count the traces that came in since the last time; return how many that were.

    Each trace counts once, for the bullets that it names or for what became of them. A bullet
    that was reworded or merged since is counted anew from all traces, older names included.
    """
    content = selectors.head(agent.playbook).content
    _count_heirs(agent, content)
    read = 0
    while count := _count_next(agent, content):
        read += count
    return read


@transaction.atomic
def _count_next(agent: Agent, content: Content) -> int:
    playbook = Playbook.objects.select_for_update().get(agent=agent)
    scope: dict[str, Any] = {"agent": agent.pk, "after": playbook.counted_to}
    last = _one(_NEWEST, scope | {"limit": AT_ONCE})
    if last is None:
        return 0
    scope["last"] = last
    names = [name for (name,) in _rows(_NAMED, scope)]
    _count(playbook, scope, meanings(agent, names, content))
    before, playbook.counted_to = playbook.counted_to, last
    playbook.save(update_fields=["counted_to"])
    rows = agent.traces.filter(id__gt=before, id__lte=last)
    return int(rows.count())


def _count(playbook: Playbook, scope: Mapping[str, Any], known: Mapping[str, str]) -> None:
    given: dict[str, Any] = {"names": [*known], "targets": [*known.values()]}
    with connection.cursor() as cursor:
        cursor.execute(_COUNT, {**scope, **given, "playbook": playbook.pk})


@transaction.atomic
def _count_heirs(agent: Agent, content: Content) -> None:
    """Count anew, from all counted traces, the heirs that have no count while a forebear has."""
    playbook = Playbook.objects.select_for_update().get(agent=agent)
    rows = Bullet.objects.filter(playbook=playbook)
    parents = dict(rows.exclude(lineage=[]).values_list("bullet_id", "lineage"))
    used = set(rows.filter(used__gt=0).values_list("bullet_id", flat=True))
    known: dict[str, str] = {}
    for name in {bullet.bullet_id for bullet in bullets(content)} & parents.keys() - used:
        family = _forebears(name, parents)
        if family & used:
            known |= dict.fromkeys([name, *family], name)
    if known:
        scope = {"agent": agent.pk, "after": 0, "last": playbook.counted_to}
        _count(playbook, scope, known)


def _forebears(name: str, parents: Mapping[str, Sequence[str]]) -> set[str]:
    found: set[str] = set()
    queue = [*parents.get(name, ())]
    while queue:
        old = queue.pop()
        if old not in found and old != name:
            found.add(old)
            queue += parents.get(old, ())
    return found


def meanings(agent: Agent, names: Iterable[str], content: Content) -> dict[str, str]:
    """Return which bullet's record each name in a trace stands for; unknown names are left out.

    A bullet that stands is itself; one that was reworded or merged is its living heir; an id of
    the file it was imported from is the bullet; what was removed keeps its own record.
    """
    wanted = set(names)
    here = {bullet.bullet_id for bullet in bullets(content)}
    known = {name: name for name in wanted & here}
    left = sorted(wanted - here)
    if not left:
        return known
    rows = Bullet.objects.filter(playbook=agent.playbook, bullet_id__in=left)
    known |= {name: name for name in rows.values_list("bullet_id", flat=True)}
    known |= _imported(agent, set(left) - known.keys(), here)
    heirs = selectors.successors(agent.playbook, [{"op": "merge", "bullet_ids": left}], content)
    return known | heirs


def _imported(agent: Agent, names: set[str], here: set[str]) -> dict[str, str]:
    if not names:
        return {}
    rows = Bullet.objects.filter(playbook=agent.playbook).exclude(aliases=[])
    found: dict[str, str] = {}
    for bullet_id, aliases in rows.values_list("bullet_id", "aliases"):
        ids = {alias.get("id") for alias in aliases if isinstance(alias, dict)}
        if bullet_id in here:
            found |= dict.fromkeys(names & ids, bullet_id)
    return found


@dataclass(frozen=True, slots=True)
class Uses:
    """N runs that say which bullets they used, oldest first, over the B bullets of a playbook."""

    names: tuple[str, ...]  # (B,)
    uses: Bools  # (N, B)
    success: Bools  # (N,)
    kind: Ints  # (N,)
    group: Ints  # (N,)
    kinds: tuple[str, ...]  # names of the numbers in `kind`
    versions: Ints  # (N,) playbook version, 0 where it is not known


def recent_uses(agent: Agent, content: Content, limit: int) -> Uses:
    """Return the newest `limit` runs as far as they name bullets, read for `content`'s bullets."""
    rows = _rows(_RECENT, {"agent": agent.pk, "limit": limit})
    named = [[str(name) for name in orjson.loads(row[4])] for row in rows]
    names = tuple(dict.fromkeys(bullet.bullet_id for bullet in bullets(content)))
    columns = {name: column for column, name in enumerate(names)}
    known = meanings(agent, {name for found in named for name in found}, content)
    uses = np.zeros((len(rows), len(names)), dtype=bool)
    for row, found in enumerate(named):
        targets = (known.get(name, "") for name in found)
        uses[row, [columns[target] for target in targets if target in columns]] = True
    kinds, kind = _numbered([row[1] for row in rows])
    return Uses(
        names=names,
        uses=uses,
        success=np.array([row[0] for row in rows], dtype=bool),
        kind=kind,
        group=_numbered([row[2] for row in rows])[1],
        kinds=kinds,
        versions=np.array([row[3] or 0 for row in rows], dtype=np.int64),
    )


def _numbered(values: Sequence[str]) -> tuple[tuple[str, ...], Ints]:
    numbers: dict[str, int] = {}
    found = [numbers.setdefault(value, len(numbers)) for value in values]
    return tuple(numbers), np.array(found, dtype=np.int64)


def _rows(sql: str, parameters: Mapping[str, Any]) -> list[tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(sql, parameters)
        return cursor.fetchall()


def _one(sql: str, parameters: Mapping[str, Any]) -> Any:
    return _rows(sql, parameters)[0][0]
