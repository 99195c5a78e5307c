"""The product's queries into JSONB columns, timed with many playbooks."""

import time
from collections.abc import Callable
from typing import Any

from django.db import connection
from django.db.models import Max

from bench import world
from evolution.models import ExecutionTrace
from evolution.selectors import runs_to_learn_from
from playbooks.models import Agent, Delta, DeltaStatus

_REPEATS = 20
_BAR_MS = 100.0


def _cited() -> Any:
    return list(Delta.objects.filter(evidence__contains={"for": ["t-500-3"]}).values("pk"))


def _blocked() -> Any:
    waiting = Delta.objects.filter(status=DeltaStatus.PENDING_REVIEW)
    blocked = waiting.filter(verdicts__contains=[{"outcome": "block"}])
    return list(blocked.order_by("-id").values("pk")[:50])


def _lifts() -> Any:
    best = Delta.objects.order_by("-id").values_list("evidence__lift", "evidence__interval")
    return list(best[:200])


def _by_tool() -> Any:
    newest = ExecutionTrace.objects.order_by("-id").values("pk")[:1000]
    used = ExecutionTrace.objects.filter(pk__in=newest)
    return list(used.filter(steps__contains=[{"tool": "search_orders"}]).values("pk")[:50])


def _learnt_from() -> Any:
    agent = Agent.objects.get(agent_id=world.AGENT)
    newest = ExecutionTrace.objects.filter(agent=agent).aggregate(top=Max("id"))["top"]
    return list(runs_to_learn_from(agent, newest=newest, limit=500))


_QUERIES: dict[str, Callable[[], Any]] = {
    "deltas that cite a trace": _cited,
    "waiting deltas that a judge blocked": _blocked,
    "lift and interval of 200 deltas": _lifts,
    "of 1,000 traces those with a tool": _by_tool,
    "the steps of 500 traces to learn from": _learnt_from,
}


def table(playbooks: int) -> int:
    """Print the 95th percentile of each query; return how many are over 100 ms."""
    # The selection to learn from is bounded by traces, of which a benchmark leaves far too many.
    _trim_traces(5000)
    print(f"\n{f'JSONB with {playbooks:,} playbooks':<42}{'p95 ms':>8}{'bar':>8}")
    missed = 0
    for name, query in _QUERIES.items():
        times = []
        for _ in range(_REPEATS):
            began = time.perf_counter()
            query()
            times.append((time.perf_counter() - began) * 1000)
        p95 = sorted(times)[int(0.95 * _REPEATS) - 1]
        over = p95 >= _BAR_MS
        missed += over
        print(f"{name:<42}{p95:>8.1f}{_BAR_MS:>8.0f}{'  MISSED' if over else ''}")
    return missed


def _trim_traces(keep: int) -> None:
    newest = ExecutionTrace.objects.aggregate(top=Max("id"))["top"]
    ExecutionTrace.objects.filter(agent__agent_id=world.AGENT, id__lte=newest - keep)._raw_delete(
        "default"
    )
    # What autovacuum does in its own time after such a deletion.
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE execution_traces")
