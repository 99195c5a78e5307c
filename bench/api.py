"""The REST API's speed as shares of a bare Django JSON view and of the driver's own COPY.

The web server has one core for itself; PostgreSQL, Redis and the load generator share the others.
Rounds go through all addresses in turn, so that a busy neighbour slows all of them alike; what is
shown is the median of the rounds.
"""

import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field

import psycopg

from bench import load, serving
from bench.scratch import scratch_database

ROUNDS = 7
SECONDS = 0.7
CONNECTIONS = 8
PLAYBOOKS = 10_000
BATCH = 100


@dataclass(slots=True)
class Line:
    """One row of the table: what, how often a second, as a share of what, against which bar."""

    name: str
    asked: bytes
    status: int
    bar: float | None = None
    rates: list[float] = field(default_factory=list)
    shares: list[float] = field(default_factory=list)
    busy: float = 0.0


def main(arguments: list[str]) -> int:
    """Print the table; return 1 if a bar was missed, 2 for arguments (there are none)."""
    if arguments:
        print("usage: python -m bench api", file=sys.stderr)
        return 2
    os.sched_setaffinity(0, serving.OTHERS)
    with scratch_database("bench.settings") as env, serving.redis_server() as redis:
        return _measure(env, redis)


def _measure(env: dict[str, str], redis: str | None) -> int:
    # Models can be imported only now that Django is set up.
    from bench import queries, world

    token = world.build()
    print(f"{CONNECTIONS} connections, median of {ROUNDS} rounds; share: of the bare view")
    load_average = os.getloadavg()[0]
    if load_average > 1:
        print(f"load average {load_average:.1f}: others work on this machine, shares may suffer")
    missed = 0
    with serving.web_server(env) as port:
        lines = _lines(token, port)
        missed += _table(port, lines, "PostgreSQL alone")
        missed += _batch(port, token, env["DATABASE_URL"])
        world.fill(PLAYBOOKS)
        missed += _latency(port, token)
    missed += queries.table(PLAYBOOKS)
    if redis is None:
        print("\nwith Redis: not measured, this machine has no redis-server")
        return int(missed > 0)
    with serving.web_server({**env, "REDIS_URL": redis}) as port:
        reading = _lines(token, port, get=0.25, unchanged=0.28)[:3]
        missed += _table(port, reading, "with Redis")
    return int(missed > 0)


def _lines(token: str, port: int, *, get: float = 0.14, unchanged: float = 0.15) -> list[Line]:
    from bench import world

    path = f"/api/v1/playbooks/{world.AGENT}"
    etag = _etag(port, path, token)
    body = json.dumps(world.trace()).encode()
    same = load.request("GET", path, token=token, etag=etag)
    post = load.request("POST", "/api/v1/traces", token=token, body=body)
    return [
        Line("bare JSON view", load.request("GET", "/bare"), 200),
        Line("playbook GET", load.request("GET", path, token=token), 200, get),
        Line("playbook GET, 304", same, 304, unchanged),
        Line("trace POST", post, 201, 0.10),
    ]


def _etag(port: int, path: str, token: str) -> str:
    import http.client

    client = http.client.HTTPConnection("127.0.0.1", port)
    client.request("GET", path, headers={"Authorization": f"Bearer {token}"})
    answer = client.getresponse()
    answer.read()
    client.close()
    return answer.headers["ETag"]


def _table(port: int, lines: list[Line], title: str) -> int:
    """Measure the lines in turn, print them and return how many bars were missed."""
    for line in lines:
        load.run(port, line.asked, status=line.status, connections=CONNECTIONS, seconds=SECONDS)
    for _ in range(ROUNDS):
        for line in lines:
            found = load.run(
                port, line.asked, status=line.status, connections=CONNECTIONS, seconds=SECONDS
            )
            line.rates.append(found.rate)
            line.shares.append(found.rate / lines[0].rates[-1])
            line.busy = max(line.busy, found.busy)
    print(f"\n{title:<34}{'a second':>10}{'share':>8}{'bar':>8}")
    return sum(_print(line) for line in lines)


def _print(line: Line) -> bool:
    share = statistics.median(line.shares)
    missed = line.bar is not None and share < line.bar
    bar = "" if line.bar is None else f"{line.bar:.2f}"
    # A generator that is itself at its limit would flatter whatever is slower than the bare view.
    note = "MISSED" if missed else f"generator at {line.busy:.0%}" if line.busy > 0.85 else ""
    rate = statistics.median(line.rates)
    print(f"{line.name:<34}{rate:>10,.0f}{share:>8.2f}{bar:>8}  {note}".rstrip(), flush=True)
    return missed


def _batch(port: int, token: str, url: str) -> int:
    from bench import world

    body = json.dumps({"traces": [world.trace()] * BATCH}).encode()
    asked = load.request("POST", "/api/v1/traces/batch", token=token, body=body)
    own, alone, many = [], [], []
    copy = _copier(url)
    for seconds in [0.3] + [SECONDS] * ROUNDS:
        own.append(copy(seconds))
        alone.append(load.run(port, asked, status=200, connections=1, seconds=seconds).rate)
        many.append(load.run(port, asked, status=200, connections=4, seconds=seconds).rate)
    print(f"\n{'traces in batches of 100':<34}{'a second':>10}{'share':>8}{'bar':>8}")
    print(f"{'the driver, COPY of the same rows':<34}{statistics.median(own[1:]):>10,.0f}{1:>8.2f}")
    missed = 0
    for name, rates, bar in (("POST, one client", alone, None), ("POST, four clients", many, 0.4)):
        per_second = [rate * BATCH for rate in rates]
        share = statistics.median(b / o for b, o in zip(per_second[1:], own[1:], strict=True))
        line = Line(name, b"", 200, bar, per_second[1:], [share])
        missed += _print(line)
    return missed


def _copier(url: str) -> Callable[[float], float]:
    """Return a function that COPYs transactions of 100 rows for some seconds: rows a second."""
    from bench import world
    from evolution import ingest
    from evolution.services.traces import new_trace_id
    from playbooks.models import Agent

    agent = Agent.objects.get(agent_id=world.AGENT).pk
    parsed = ingest.parse_trace(json.dumps(world.trace()).encode(), ingest.Trace)
    columns = ", ".join(ingest.TraceRow._fields)
    connection = psycopg.connect(url)

    def copy(seconds: float) -> float:
        # The server's core, which is idle meanwhile: the driver has what the product has.
        os.sched_setaffinity(0, serving.MEASURED)
        rows, spent = 0, 0.0
        while spent < seconds:
            fresh = [
                (agent, *ingest.row_of(parsed, now=world.now(), new_id=new_trace_id))
                for _ in range(BATCH)
            ]
            began = time.perf_counter()
            statement = f"COPY execution_traces (agent_id, {columns}) FROM STDIN"
            with connection.transaction(), connection.cursor().copy(statement) as target:
                for row in fresh:
                    target.write_row(row)
            spent += time.perf_counter() - began
            rows += BATCH
        os.sched_setaffinity(0, serving.OTHERS)
        return rows / spent

    return copy


def _latency(port: int, token: str) -> int:
    from bench import world

    asked = load.request("GET", f"/api/v1/playbooks/{world.AGENT}", token=token)
    found = load.run(port, asked, status=200, connections=1, count=1000)
    missed = found.p95 >= 0.05
    said = f"p50 {found.p50 * 1000:.2f} ms, p95 {found.p95 * 1000:.2f} ms"
    print(f"\n1,000 retrievals among {PLAYBOOKS:,} playbooks: {said} (bar: p95 under 50 ms)")
    return int(missed)
