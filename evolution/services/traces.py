"""Recording traces: one, or a batch by one COPY. A trace that is there already stays as it is."""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from django.db import IntegrityError, OperationalError, connection, transaction
from django.db.backends.utils import CursorWrapper
from django.utils import timezone
from psycopg.errors import DeadlockDetected
from pydantic_core import to_json

from ace_project.core.errors import NotFound, Unauthenticated
from evolution.ingest import RecordedTrace, Trace, TraceRow, parse_trace, row_of
from evolution.models import Origin
from playbooks.actors import Actor
from playbooks.models import Agent

_COLUMNS = ", ".join(TraceRow._fields)
_TYPES = {
    "trial": "integer",
    "success": "boolean",
    "output_quality": "double precision",
    "execution_time": "double precision",
    "metadata": "jsonb",
    "steps": "jsonb",
    "step_count": "integer",
    "error_count": "integer",
    "tokens": "bigint",
    "playbook_version": "integer",
    "bullets": "jsonb",
    "captured_at": "timestamptz",
    "search": "tsvector",
}
_VALUES = ", ".join(f"%s::{_TYPES.get(name, 'text')}" for name in TraceRow._fields)

# A token given as null is not asked about.
_LIVE = """
SELECT 1 WHERE %s::uuid IS NULL
OR EXISTS (SELECT 1 FROM api_tokens WHERE jti = %s::uuid AND revoked_at IS NULL)
"""
# The share lock keeps an agent that is being erased until the trace is in, or the trace out.
_INSERT = f"""
WITH live AS ({_LIVE}),
owner AS (
  SELECT id FROM agents WHERE agent_id = %s AND EXISTS (SELECT 1 FROM live) FOR KEY SHARE),
made AS (
  INSERT INTO execution_traces (agent_id, {_COLUMNS}) SELECT owner.id, {_VALUES} FROM owner
  ON CONFLICT (agent_id, trace_id) DO NOTHING RETURNING captured_at)
SELECT EXISTS (SELECT 1 FROM live), (SELECT id FROM owner), (SELECT captured_at FROM made)
"""

# What is there already, of the agents that exist: none of them is erased before the batch is in.
_LOOK = f"""
WITH live AS ({_LIVE}),
owner AS (
  SELECT id, agent_id FROM agents
  WHERE agent_id = ANY (ARRAY(SELECT jsonb_array_elements_text(%s::jsonb))) FOR KEY SHARE)
SELECT EXISTS (SELECT 1 FROM live), o.agent_id, o.id, t.trace_id
FROM (SELECT 1) one LEFT JOIN owner o ON true
LEFT JOIN execution_traces t ON t.agent_id = o.id
  AND t.trace_id = ANY (ARRAY(SELECT jsonb_array_elements_text(%s::jsonb)))
"""

Rows: TypeAlias = Mapping[str, Sequence[TraceRow]]


@dataclass(frozen=True, slots=True)
class Recorded:
    """The answer to a trace: that of the first one where `new` is false."""

    trace_id: str
    captured_at: datetime
    new: bool


@dataclass(frozen=True, slots=True)
class Kept:
    """What came of a batch: how many traces are new, and which agents there are none of."""

    new: int
    missing: frozenset[str]


def record_trace(*, agent_id: str, row: TraceRow, token: str | None = None) -> Recorded:
    """Keep one trace, in one statement that also sees whether `token`, a jti, is still live.

    Raises Unauthenticated for a token that is not, NotFound where there is no such agent.
    """
    with connection.cursor() as cursor:
        cursor.execute(_INSERT, (token, token, agent_id, *row))
        live, owner, captured_at = cursor.fetchone()
        if not live:
            raise Unauthenticated("the token has been revoked")
        if owner is None:
            raise NotFound(f"there is no agent {agent_id!r}")
        if captured_at is not None:
            return Recorded(row.trace_id, captured_at, new=True)
        cursor.execute(
            "SELECT captured_at FROM execution_traces WHERE agent_id = %s AND trace_id = %s",
            (owner, row.trace_id),
        )
        first = cursor.fetchone()
    return Recorded(row.trace_id, first[0] if first else row.captured_at, new=False)


def record_batch(
    *, agent: Agent, traces: Sequence[Mapping[str, Any]], origin: Origin = Origin.AGENT
) -> int:
    """Keep traces given as bodies of POST traces (`agent_id` is filled in), all or none.

    Returns how many are new. Raises InvalidInput for the first that is not valid, NotFound where
    the agent was erased.
    """
    now = timezone.now()
    bodies = [to_json({**trace, "agent_id": agent.agent_id}) for trace in traces]
    rows = [
        row_of(parse_trace(body, RecordedTrace), now=now, new_id=new_trace_id, origin=origin)
        for body in bodies
    ]
    kept = record_rows(rows={agent.agent_id: rows})
    if kept.missing:
        raise NotFound(f"there is no agent {agent.agent_id!r}")
    return kept.new


def record_test_trace(*, agent: Agent, by: Actor) -> Recorded:
    """Send a trace the way an agent's comes, to try it; marked, and nothing is ever drawn from it.

    Raises NotFound where the agent was erased.
    """
    name = f"test-{new_trace_id()[:12]}"
    body: dict[str, Any] = {
        "agent_id": agent.agent_id,
        "trace_id": name,
        "task_id": "connection-test",
        "success": True,
        "execution_time": 0.0,
        "metadata": {"test": True, "simulated": True, "sent_by": str(by)},
        "steps": [{"tool": "connection_test", "arguments": {}, "result": "sent from the console"}],
    }
    trace = parse_trace(to_json(body), Trace)
    row = row_of(trace, now=timezone.now(), new_id=new_trace_id, origin=Origin.TEST)
    return record_trace(agent_id=agent.agent_id, row=row)


def record_rows(*, rows: Rows, token: str | None = None, named: bool = True) -> Kept:
    """Keep rows by agent_id, all or none, but for those of agents that do not exist.

    `named=False` says that every trace_id was just made up, so that nothing need be looked for.
    Raises Unauthenticated as record_trace does.
    """
    try:
        with transaction.atomic():
            return _record(rows, token, _copy, named=named)
    except IntegrityError:
        # Another batch brought some of the same traces between our look and our COPY.
        pass
    except OperationalError as error:
        if not isinstance(error.__cause__, DeadlockDetected):
            raise
    with transaction.atomic():
        return _record(rows, token, _insert_one_by_one, named=True)


def new_trace_id() -> str:
    """Return the name of a trace whose sender gave it none."""
    return secrets.token_hex(16)


def _record(
    rows: Rows,
    token: str | None,
    write: Callable[[CursorWrapper, list[tuple[Any, ...]]], int],
    *,
    named: bool,
) -> Kept:
    # As JSON texts: psycopg writes an array of texts item by item, fifty times slower.
    names = [row.trace_id for own in rows.values() for row in own] if named else []
    asked = (token, token, to_json(list(rows)).decode(), to_json(names).decode())
    with connection.cursor() as cursor:
        cursor.execute(_LOOK, asked)
        found = cursor.fetchall()
        if not found[0][0]:
            raise Unauthenticated("the token has been revoked")
        owners = {agent_id: key for _, agent_id, key, _ in found}
        known = {(key, trace_id) for _, _, key, trace_id in found}
        fresh = []
        for agent_id in owners.keys() & rows.keys():
            key = owners[agent_id]
            for row in rows[agent_id]:
                if (key, row.trace_id) not in known:
                    known.add((key, row.trace_id))
                    fresh.append((key, *row))
        return Kept(write(cursor, fresh) if fresh else 0, frozenset(rows.keys() - owners.keys()))


def _copy(cursor: CursorWrapper, rows: list[tuple[Any, ...]]) -> int:
    statement = f"COPY execution_traces (agent_id, {_COLUMNS}) FROM STDIN"
    with connection.wrap_database_errors, cursor.copy(statement) as copy:
        for row in rows:
            copy.write_row(row)
    return len(rows)


def _insert_one_by_one(cursor: CursorWrapper, rows: list[tuple[Any, ...]]) -> int:
    statement = (
        f"INSERT INTO execution_traces (agent_id, {_COLUMNS}) VALUES (%s, {_VALUES}) "
        "ON CONFLICT (agent_id, trace_id) DO NOTHING"
    )
    made = 0
    # In one order everywhere, so that two batches cannot wait for each other.
    for row in sorted(rows, key=lambda row: row[:2]):
        cursor.execute(statement, row)
        made += cursor.rowcount
    return made
