"""Finding traces among millions: pages and counts by terms, agent and place, at a bounded cost.

Neither order can be had from the index of terms, nor selectivity from statistics that know nothing
of how terms go together. So the newest traces are looked at first, then four times as many before
them, and so on until enough are found: each stretch is read whole by whatever index suits it best,
and what is common ends in the first.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from django.db import connection

from evolution.models import ExecutionTrace
from evolution.terms import (
    ERROR,
    FACETS,
    STATE,
    TOOL,
    TYPE,
    VERSION,
    asked_facet,
    asked_state,
    asked_words,
)

FIRST_STRETCH = 16_384
GROWTH = 4
# Counts stop here: what lies beyond is "2,500+".
MOST_COUNTED = 2_500
# Each facet that is chosen asks once more what there is without it.
MOST_WITHOUT = 1_000
MOST_VALUES = 12


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which traces are asked for; `values` by the name of a facet of evolution.terms."""

    agent: int | None = None  # primary key
    words: str = ""
    success: bool | None = None
    has_errors: bool | None = None
    origin: str = ""
    values: dict[str, str] = field(default_factory=dict)

    @property
    def is_impossible(self) -> bool:
        """Whether something was typed that holds no word: no trace is found by it."""
        return bool(self.words) and asked_words(self.words) is None

    def without(self, facet: str) -> "Wanted":
        """Return what is asked for but one facet: one of `values`, or a field by its name."""
        if facet in self.values:
            return replace(self, values=self.values | {facet: ""})
        unasked: dict[str, Any] = {facet: "" if facet == "origin" else None}
        return replace(self, **unasked)

    def tsquery(self) -> str:
        """Return the terms that every trace asked for has; empty for any trace."""
        parts = [asked_state(self.success, self.has_errors, self.origin)]
        parts += [asked_facet(FACETS[name], value) for name, value in self.values.items() if value]
        parts += [asked_words(self.words)] if self.words else []
        return " & ".join(part for part in parts if part)


@dataclass(frozen=True, slots=True)
class Counted:
    """How the traces asked for fall apart, among the newest `most` of them.

    `states` are pairs of a term of `terms.state` and its count, `values` by the letter of a facet,
    the most frequent first; `agents` by primary key. `newest` are the first keys of them, and all
    keys are below `top`.
    """

    total: int
    newest: list[int]
    states: list[tuple[str, int]]
    agents: list[tuple[int, int]]
    values: dict[str, list[tuple[str, int]]]
    top: int = 0
    most: int = 0

    @property
    def is_all(self) -> bool:
        """Whether nothing was left uncounted."""
        return self.total < self.most


def ids_before(wanted: Wanted, before: int | None, limit: int) -> list[int]:
    """Return the newest traces asked for that are older than `before`, the newest first."""
    top = _top() if before is None else min(before, _top())
    return _ids(wanted, list(_stretches_down(top)), limit, "DESC")


def ids_after(wanted: Wanted, after: int, limit: int) -> list[int]:
    """Return the oldest traces asked for that are newer than `after`, the oldest first."""
    return _ids(wanted, list(_stretches_up(after + 1, _top())), limit, "ASC")


def first_error_of(pk: int) -> str:
    """Return what errors like a trace's first one have in common; empty where it has none."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT substr(term, 3) FROM execution_traces, unnest(tsvector_to_array(search)) term"
            " WHERE id = %s AND starts_with(term, %s)",
            [pk, f"={ERROR}"],
        )
        found = cursor.fetchone()
    return found[0] if found else ""


def _top() -> int:
    newest = ExecutionTrace.objects.order_by("-pk").values_list("pk", flat=True)[:1]
    return next(iter(newest), 0) + 1


def _stretches_down(top: int) -> Iterator[tuple[int, int]]:
    """Yield [low, high) pairs of keys from `top` down to the first trace."""
    length = FIRST_STRETCH
    while top > 0:
        yield max(0, top - length), top
        top, length = top - length, length * GROWTH


def _stretches_up(low: int, top: int) -> Iterator[tuple[int, int]]:
    length = FIRST_STRETCH
    while low < top:
        yield low, min(top, low + length)
        low, length = low + length, length * GROWTH


def _ids(wanted: Wanted, stretches: list[tuple[int, int]], limit: int, direction: str) -> list[int]:
    if not stretches or wanted.is_impossible:
        return []
    statement, values = _search("id", wanted, stretches, limit, direction)
    with connection.cursor() as cursor:
        cursor.execute(statement, values)
        return [key for (key,) in cursor.fetchall()]


def _search(
    columns: str, wanted: Wanted, stretches: list[tuple[int, int]], limit: int, direction: str
) -> tuple[str, list[Any]]:
    """Return a statement over the stretches in turn; PostgreSQL leaves out those not needed."""
    condition, shared = _condition(wanted)
    # With nothing asked for the index of keys has the order; else a stretch is read and sorted.
    order = f"id + 0 {direction}" if condition else f"id {direction}"
    parts, values = [], []
    for low, high in stretches:
        parts.append(
            f"(SELECT {columns} FROM execution_traces WHERE id >= %s AND id < %s{condition} "
            f"ORDER BY {order} LIMIT %s)"
        )
        values += [low, high, *shared, limit]
    return f"SELECT * FROM ({' UNION ALL '.join(parts)}) found LIMIT %s", [*values, limit]


def _condition(wanted: Wanted) -> tuple[str, list[Any]]:
    condition, values = "", list[Any]()
    if wanted.agent is not None:
        condition, values = " AND agent_id = %s", [wanted.agent]
    if query := wanted.tsquery():
        condition, values = condition + " AND search @@ %s::tsquery", [*values, query]
    return condition, values


_COUNT = """
WITH found AS MATERIALIZED ({found}),
terms AS (
  SELECT term, count(*) AS n FROM found, unnest(tsvector_to_array(search)) term
  WHERE starts_with(term, '=') AND substr(term, 2, 1) = ANY(%s::text[]) GROUP BY term),
ranked AS (
  SELECT term, n, row_number() OVER (PARTITION BY substr(term, 2, 1) ORDER BY n DESC, term) AS place
  FROM terms),
agents AS (SELECT agent_id, count(*) AS n FROM found GROUP BY agent_id)
SELECT '', 0, count(*) FROM found
UNION ALL SELECT term, 0, n FROM ranked WHERE place <= %s
UNION ALL (SELECT '=', agent_id, n FROM agents ORDER BY n DESC, agent_id LIMIT %s)
UNION ALL (SELECT '#', id, 0 FROM found ORDER BY id DESC LIMIT %s)
"""
_COUNTED = [STATE, TYPE, VERSION, TOOL, ERROR]


def count(
    wanted: Wanted,
    limit: int = 0,
    *,
    kinds: Sequence[str] = _COUNTED,
    top: int | None = None,
    most: int | None = None,
) -> Counted:
    """Count the newest traces asked for, by facet, and name the first `limit`: in one statement.

    `kinds` are the letters of the facets that are counted; only keys below `top` are looked at,
    and of those `most` traces, MOST_COUNTED without it.
    """
    most = most or MOST_COUNTED
    top = _top() if top is None else top
    stretches = list(_stretches_down(top))
    if not stretches or wanted.is_impossible:
        return Counted(0, [], [], [], {}, most=most)
    found, values = _search("id, agent_id, search", wanted, stretches, most, "DESC")
    # There are sixteen states; of every other facet the most frequent values are told.
    asked = [*values, [*kinds], 16, MOST_VALUES, limit]
    with connection.cursor() as cursor:
        cursor.execute(_COUNT.format(found=found), asked)
        rows = cursor.fetchall()
    return replace(_counted(rows), top=top, most=most)


def _counted(rows: list[tuple[str, int, int]]) -> Counted:
    total, newest, states, agents = 0, [], [], []
    values: dict[str, list[tuple[str, int]]] = {}
    for term, key, number in rows:
        if not term:
            total = number
        elif term == "#":
            newest.append(key)
        elif term == "=":
            agents.append((key, number))
        elif term[1] == STATE:
            states.append((term, number))
        else:
            values.setdefault(term[1], []).append((term[2:], number))
    for found in values.values():
        found.sort(key=lambda item: -item[1])
    shown = {letter: found[:MOST_VALUES] for letter, found in values.items()}
    return Counted(total, newest, states, agents, shown)
