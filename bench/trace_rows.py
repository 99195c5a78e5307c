"""A million traces of a thousand agents: shapes recorded as agents record them, then copied."""

import random
from collections.abc import Iterator
from typing import Any

from django.db import connection
from django.utils import timezone

from evolution.ingest import RecordedTrace, row_of
from evolution.services.traces import new_trace_id, record_batch, record_rows
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent
from playbooks.services import create_agent

SHAPES = 2_000
RARE_WORD = "zeppelin"
LONG_STEPS = 5_000

_TOOLS = [
    f"{verb}_{noun}" for verb in ("get", "list", "book") for noun in ("fare", "order", "seat")
]
_ERRORS = (
    "timeout after {} ms while the gateway was asked",
    "unknown column customer_{} in the list of fields",
    "permission denied for account {}",
    "the service answered 503, try number {}",
)

_COPY = """
INSERT INTO execution_traces (agent_id, trace_id, task_id, task_group, task_type, trial, success,
  output_quality, execution_time, error_message, metadata, steps, step_count, error_count, tokens,
  playbook_version, bullets, session, origin, captured_at, search)
SELECT a.id, 'c-' || n, t.task_id, t.task_group, t.task_type, n %% 4, t.success,
  t.output_quality, t.execution_time, t.error_message, t.metadata, t.steps, t.step_count,
  t.error_count, t.tokens, t.playbook_version, t.bullets, t.session, t.origin,
  now() - make_interval(secs => %(last)s - n), t.search
FROM generate_series(%(first)s, %(last)s) n
-- Multiplied by primes, so that shapes and agents meet in every order; few agents have most.
JOIN shapes t ON t.place = (n * 7919::bigint) %% %(shapes)s
JOIN owners a ON a.place = floor(%(agents)s * power(((n * 104729::bigint) %% 99991) / 99991.0, 3))
"""


def _shape(number: int, rng: random.Random) -> dict[str, Any]:
    """Return a trace of four to eight steps, a third of them with an error."""
    failed = rng.random() < 0.3
    steps: list[dict[str, Any]] = [
        {
            "tool": rng.choice(_TOOLS),
            "arguments": {"customer": f"c-{rng.randrange(10**6)}", "limit": rng.randrange(100)},
            "result": {"rows": [rng.randrange(10**6) for _ in range(6)], "more": False},
            "seconds": rng.random(),
            "tokens": rng.randrange(300),
        }
        for _ in range(rng.randrange(4, 9))
    ]
    if failed or rng.random() < 0.05:
        steps[-1]["error"] = rng.choice(_ERRORS).format(rng.randrange(1000))
    return {
        "task_id": f"task-{number}",
        "success": not failed,
        "execution_time": rng.random() * 10,
        "metadata": {"task_type": f"type-{rng.randrange(20)}"},
        "playbook_version": rng.randrange(1, 6),
        "steps": steps,
    }


def _owner() -> Agent:
    return create_agent(agent_id="traces-bench", author=Actor(ActorKind.SERVICE, "bench"))


def build(traces: int, agents: int) -> None:
    """Fill an empty, migrated database; three traces hold RARE_WORD, one has LONG_STEPS steps."""
    rng = random.Random(7)
    owner = _owner()
    record_batch(agent=owner, traces=[_shape(number, rng) for number in range(SHAPES)])
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO agents"
            " (agent_id, name, metadata, mode, overrides, private_names, simulated) "
            "SELECT 'a-' || n, '', '{}', 'strict', '{}', '[]', false "
            "FROM generate_series(1, %s) n",
            [agents],
        )
        cursor.execute(
            "INSERT INTO context_playbooks (agent_id, public_id, version, content_hash, counted_to)"
            " SELECT id, gen_random_uuid(), 1, repeat('0', 64), 0 FROM agents WHERE id <> %s",
            [owner.pk],
        )
        for table, source in (("shapes", "execution_traces"), ("owners", "agents")):
            cursor.execute(
                f"CREATE TEMP TABLE {table} AS SELECT row_number() OVER (ORDER BY id) - 1 AS place,"
                f" * FROM {source}"
            )
    _rare(owner)
    with connection.cursor() as cursor:
        # An index is built faster than it is kept.
        cursor.execute("DROP INDEX trace_search")
        size = 50_000
        for first in range(1, traces + 1, size):
            last = min(traces, first + size - 1)
            values = {"first": first, "last": last, "shapes": SHAPES, "agents": agents}
            cursor.execute(_COPY, values)
        cursor.execute(
            "CREATE INDEX trace_search ON execution_traces USING gin (search)"
            " WITH (fastupdate = on, gin_pending_list_limit = 1024)"
        )
    _long(owner)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")


def _rare(owner: Agent) -> None:
    """Record what is rare and, since the rest comes after it, as far away as can be."""
    rare = {"success": False, "error_message": f"{RARE_WORD} over the runway"}
    record_batch(agent=owner, traces=[rare] * 3)


def _long(owner: Agent) -> None:
    step = {"tool": "get_fare", "arguments": {"limit": 10}, "result": "x" * 300, "seconds": 0.1}
    record_batch(
        agent=owner, traces=[{"trace_id": "long", "success": True, "steps": [step] * LONG_STEPS}]
    )


def fresh_rows(count: int) -> Iterator[Any]:
    """Yield rows to record, for what recording costs."""
    rng = random.Random(11)
    for number in range(count):
        shape = RecordedTrace(agent_id="traces-bench", **_shape(number, rng))
        yield row_of(shape, now=timezone.now(), new_id=new_trace_id)


def record(rows: list[Any]) -> None:
    """Record rows as a batch is."""
    record_rows(rows={"traces-bench": rows}, named=False)
