"""The pages of traces with a million of them: each against the raw SQL of the rows it shows.

The raw SQL is the driver's own: it fetches the same rows by their keys, which somebody else has
found. What recording costs with the index of terms and without it stands at the end.
"""

import os
import re
import statistics
import time
from argparse import ArgumentParser
from collections.abc import Callable
from functools import partial
from typing import Any

import psycopg

from bench.scratch import scratch_database

BAR_MS, OPEN_BAR_MS = 300.0, 1000.0
ROUNDS = 30

_LISTS = {
    "all": "",
    "an old page": "before=300000",
    "failed": "success=no",
    "failed, deep and upward": "success=no&after=300000",
    "a tool": "tool=get_fare",
    "type, tool, failed": "type=type-3&tool=book_seat&success=no",
    "a big agent": "agent=a-1",
    "a small agent, failed": "agent=a-900&success=no",
    "a frequent word": "q=timeout",
    "two frequent words, never together": "q=timeout+permission",
    "a frequent word of a small agent": "agent=a-900&q=timeout",
    "words, type, tool, failed": "q=timeout&type=type-3&tool=book_seat&success=no",
    "a rare word, a million traces ago": "q=zeppelin",
    "a word that is nowhere": "q=nothinglikeit",
}
_RAW_LIST = """
SELECT t.id, t.trace_id, t.task_id, t.task_type, t.success, t.execution_time, t.error_message,
  t.step_count, t.error_count, t.tokens, t.playbook_version, t.origin, t.captured_at, a.agent_id
FROM execution_traces t JOIN agents a ON a.id = t.agent_id WHERE t.id = ANY(%s) ORDER BY t.id DESC
"""


def main(arguments: list[str]) -> int:
    """Print the tables; return 1 if a bar was missed."""
    parser = ArgumentParser(prog="python -m bench traces_pages")
    parser.add_argument("--traces", type=int, default=1_000_000)
    parser.add_argument("--agents", type=int, default=1_000)
    options = parser.parse_args(arguments)
    with scratch_database("bench.settings"):
        from bench import trace_rows

        trace_rows.build(options.traces, options.agents)
        said = f"{options.traces:,} traces of {options.agents:,} agents"
        print(f"{said}; load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        missed = _lists() + _opening()
        _recording()
    return int(missed > 0)


def _client() -> Any:
    from django.contrib.auth import get_user_model
    from django.test import Client

    client = Client(SERVER_NAME="localhost")
    people = get_user_model()._default_manager
    client.force_login(people.get_or_create(username="bench", is_superuser=True)[0])
    return client


def _times(work: Callable[[], Any], rounds: int = ROUNDS) -> list[float]:
    """Return how many milliseconds it takes, sorted; the first time does not count."""
    work()
    found = []
    for _ in range(rounds):
        began = time.perf_counter()
        work()
        found.append((time.perf_counter() - began) * 1000)
    return sorted(found)


def _raw(statement: str, values: list[Any]) -> Callable[[], Any]:
    driver = psycopg.connect(os.environ["DATABASE_URL"], autocommit=True)
    return lambda: driver.execute(statement, values).fetchall()


def _line(name: str, page: list[float], raw: list[float], bar: float) -> int:
    p95 = page[int(0.95 * len(page))]
    ratio = statistics.median(page) / statistics.median(raw)
    missed = p95 >= bar
    print(
        f"{name:<40}{statistics.median(page):>9.1f}{p95:>9.1f}{statistics.median(raw):>9.2f}"
        f"{ratio:>8.0f}{bar:>8.0f}{'  MISSED' if missed else ''}",
        flush=True,
    )
    return int(missed)


def _head(title: str) -> None:
    print(f"\n{title:<40}{'p50 ms':>9}{'p95 ms':>9}{'raw ms':>9}{'ratio':>8}{'bar':>8}")


def _lists() -> int:
    client = _client()
    _head("the list, with facets and counts")
    missed = 0
    for name, query in _LISTS.items():
        shown = client.get(f"/traces/?{query}").content.decode()
        keys = [int(key) for key in re.findall(r'name="trace" value="(\d+)"', shown)]
        page = _times(partial(client.get, f"/traces/?{query}"))
        missed += _line(name, page, _times(_raw(_RAW_LIST, [keys])), BAR_MS)
    return missed


def _opening() -> int:
    from bench.trace_rows import LONG_STEPS
    from evolution.models import ExecutionTrace

    client = _client()
    pk = ExecutionTrace.objects.get(trace_id="long").pk
    raw = _times(_raw("SELECT steps FROM execution_traces WHERE id = %s", [pk]))
    _head(f"a trace of {LONG_STEPS:,} steps")
    pages = {"opened": "", "at its end": "?from=4950", "one step": "steps/2500/"}
    return sum(
        _line(name, _times(partial(client.get, f"/traces/{pk}/{at}")), raw, OPEN_BAR_MS)
        for name, at in pages.items()
    )


def _recording() -> None:
    """Compare what recording takes in turn with the terms and their index, and without."""
    from django.db import connection

    from bench.trace_rows import fresh_rows, record

    rates: dict[str, list[float]] = {"with": [], "without": []}
    for turn in range(6):
        kind = ("with", "without")[turn % 2]
        rows = list(fresh_rows(5_000))
        if kind == "without":
            rows = [row._replace(search="") for row in rows]
        began = time.perf_counter()
        for start in range(0, len(rows), 100):
            record(rows[start : start + 100])
        rates[kind].append(len(rows) / (time.perf_counter() - began))
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_relation_size('trace_search'), pg_table_size('execution_traces')")
        index, table = cursor.fetchone()
    fast, slow = statistics.median(rates["without"]), statistics.median(rates["with"])
    print(
        f"\nrecording in batches of 100: {slow:,.0f} traces a second, {slow / fast:.2f} of what it"
    )
    print(
        f"were without terms; their index has {index / 1e6:,.0f} MB, the table {table / 1e6:,.0f}"
    )
