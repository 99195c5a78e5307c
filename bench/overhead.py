"""What evolution costs the agents and the machine: latency, triggers at once, CPU, memory.

A real web server and a real worker on a database of their own. What is compared alternates in
blocks, so that a slow drift of the machine meets both alike; ratios are of pairs of neighbouring
blocks, shown as their geometric mean with a 95 % bootstrap interval over the pairs.
"""

import json
import os
import random
import threading
import time
from argparse import ArgumentParser

import numpy as np

from bench import load, steady, system, traffic
from bench.pairs import line
from bench.scratch import scratch_database

# Latency: one agent posts so many traces a second, in blocks of so many seconds.
POST_RATE, POST_SECONDS = 50.0, 6.0
TRIGGERS = 100


def main(arguments: list[str]) -> int:
    """Print the tables; return 1 if a bar was missed."""
    parser = ArgumentParser(prog="python -m bench overhead")
    parser.add_argument("--pairs", type=int, default=6, help="pairs of blocks of each comparison")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    parts = {name: PARTS[name] for name in PARTS if not options.parts or name in options.parts}
    with scratch_database("bench.settings"):
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        missed = [measure(options.pairs) for measure in parts.values()]
    return int(any(missed))


def _latency(pairs: int) -> int:
    """Compare posting traces that each make a run due with posting traces that never do."""
    tokens = {
        "never": traffic.agent("never", interval=1_000_000),
        "each": traffic.agent("each", interval=1),
    }
    count = int(POST_RATE * POST_SECONDS)
    with system.running() as served:
        traffic.post(served.port, traffic.bodies(tokens, 100, 0), POST_RATE)
        in_turn = [_in_turn(served.port, tokens, count, n) for n in range(pairs)]
        apart = [_apart(served.port, tokens, count, n) for n in range(pairs)]
    print(f"\nposting {POST_RATE:.0f} traces a second; each makes a run due, or none does")
    print(f"{'':<30}{'none':>10}{'each':>10}")
    missed = line("p95, both kinds in turn", in_turn, "ms")
    # Not the price of a trigger but of what it starts: runs on the cores that also serve.
    line("p95, runs going on or not", apart, "ms", bar=None)
    return missed


def _in_turn(port: int, tokens: dict[str, str], count: int, seed: int) -> tuple[float, float]:
    """Return the p95s in ms of the two kinds, posted in random order over the same seconds."""
    kinds = list(tokens) * (count // 2)
    random.Random(seed).shuffle(kinds)
    left = {kind: traffic.bodies({kind: tokens[kind]}, count // 2, seed) for kind in tokens}
    times = np.array(traffic.post(port, [left[kind].pop() for kind in kinds], POST_RATE)) * 1000
    never, each = (
        float(np.percentile([t for t, k in zip(times, kinds, strict=True) if k == kind], 95))
        for kind in ("never", "each")
    )
    return never, each


def _apart(port: int, tokens: dict[str, str], count: int, number: int) -> tuple[float, float]:
    """Return the p95s in ms of the two kinds in blocks of their own; either first in turn."""
    from evolution import pace

    p95 = {}
    for kind in sorted(tokens, reverse=number % 2 == 1):
        # Nothing that the block before made due is left.
        time.sleep(6.0)
        system.wait(traffic.idle)
        steady.fill(pace.BURST_SECONDS)
        times = traffic.post(port, traffic.bodies({kind: tokens[kind]}, count, number), POST_RATE)
        p95[kind] = float(np.percentile(times, 95)) * 1000
    return p95["never"], p95["each"]


def _triggers(_pairs: int) -> int:
    """Let 100 agents ask for a run at the same moment."""
    from evolution.models import EvolutionRun

    names = [f"at-once-{n}" for n in range(TRIGGERS)]
    bodies = [
        load.request(
            "POST",
            "/api/v1/evolution/trigger",
            token=traffic.agent(name, interval=1_000_000, history=20),
            body=json.dumps({"agent_id": name, "force": True}).encode(),
        )
        for name in names
    ]
    times: list[float] = []
    statuses: list[bytes] = []
    with system.running() as served:
        start = threading.Barrier(TRIGGERS)

        def ask(body: bytes) -> None:
            connection = load._open(served.port)
            start.wait()
            load._ask(connection, body)
            while not load._complete(connection.read):
                connection.read += connection.socket.recv(65_536)
            times.append(time.perf_counter() - connection.asked)
            statuses.append(connection.read[9:12])
            connection.socket.close()

        threads = [threading.Thread(target=ask, args=(body,)) for body in bodies]
        began = time.perf_counter()
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        system.wait(traffic.idle)
        took = time.perf_counter() - began
    done = EvolutionRun.objects.filter(agent__agent_id__in=names, status="completed").count()
    accepted = statuses.count(b"202")
    slowest = max(times)
    print(f"\n{TRIGGERS} triggers at once: {accepted} accepted, the slowest in {slowest:.2f} s")
    print(f"{done} of {TRIGGERS} runs completed, all {took:.1f} s after the first trigger")
    return int(accepted < TRIGGERS or done < TRIGGERS)


PARTS = {
    "latency": _latency,
    "triggers": _triggers,
    "steady": steady.steady,
    "burst": steady.burst,
    "memory": steady.memory,
}
