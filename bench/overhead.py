"""What evolution costs the agents and the machine: latency, triggers at once, CPU, memory.

A real web server and a real worker on a database of their own. What is compared alternates in
blocks, so that a slow drift of the machine meets both alike; ratios are of pairs of neighbouring
blocks, shown as their geometric mean with a 95 % bootstrap interval over the pairs.
"Evolution off" is the pause of all: the same processes, the same load, no run.
"""

import json
import os
import random
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from argparse import ArgumentParser
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from math import exp, log
from pathlib import Path

import numpy as np

from bench import load, serving
from bench.scratch import scratch_database

BAR = 1.05
# Latency: one agent posts so many traces a second, in blocks of so many seconds.
POST_RATE, POST_SECONDS = 50.0, 6.0
TRIGGERS = 100
# Steady load: so many agents send so many traces a second together, each with a history.
AGENTS, TRACE_RATE, STEADY_SECONDS, HISTORY = 5, 40.0, 25.0, 300
_TICKS = os.sysconf("SC_CLK_TCK")


@dataclass(slots=True)
class System:
    """A web server and a worker that run, and how to reach them."""

    port: int
    roots: tuple[int, int]

    def cpu_seconds(self) -> float:
        """Return the CPU time that both and their children have taken, in seconds."""
        return sum(_cpu(pid) for pid in self._all())

    def memory_mb(self) -> float:
        """Return what both and their children hold in memory (PSS), in MB."""
        return sum(_pss(pid) for pid in self._all())

    def _all(self) -> list[int]:
        parents = {pid: _parent(pid) for pid in _processes()}
        return [p for p, parent in parents.items() if p in self.roots or parent in self.roots]


def main(arguments: list[str]) -> int:
    """Print three tables; return 1 if a bar was missed."""
    parser = ArgumentParser(prog="python -m bench overhead")
    parser.add_argument("--pairs", type=int, default=6, help="pairs of blocks of each comparison")
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}")
    options = parser.parse_args(arguments)
    parts = {name: PARTS[name] for name in PARTS if not options.parts or name in options.parts}
    with scratch_database("bench.settings"):
        print(f"load average {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores")
        missed = [measure(options.pairs) for measure in parts.values()]
    return int(any(missed))


# ---- processes ----
@contextmanager
def _system() -> Iterator[System]:
    port = serving.free_port()
    web = [sys.executable, "-m", "granian", *serving.GRANIAN, "--host", "127.0.0.1"]
    web += ["--port", str(port), "--log-level", "error", "ace_project.wsgi:application"]
    worker = [sys.executable, str(serving.ROOT / "manage.py"), "worker"]
    with tempfile.TemporaryDirectory() as metrics:
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": metrics}
        children = [
            subprocess.Popen(command, cwd=serving.ROOT, env=env) for command in (web, worker)
        ]
        try:
            serving.wait_for(port, children[0])
            _wait(_worker_lives)
            yield System(port, (children[0].pid, children[1].pid))
        finally:
            for child in children:
                child.terminate()
            for child in children:
                child.wait(60)


def _worker_lives() -> bool:
    from ace_project.core.models import WorkerBeat

    return WorkerBeat.objects.exists()


def _wait(condition: Callable[[], object], seconds: float = 300.0) -> None:
    until = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > until:
            raise RuntimeError("waited in vain")
        time.sleep(0.1)


def _processes() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdigit()]


def _stat(pid: int) -> list[str]:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def _parent(pid: int) -> int:
    return int((_stat(pid) or ["", "0"])[1])


def _cpu(pid: int) -> float:
    fields = _stat(pid)
    return (int(fields[11]) + int(fields[12])) / _TICKS if fields else 0.0


def _pss(pid: int) -> float:
    try:
        lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    except OSError:
        return 0.0
    return sum(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


# ---- agents, load ----
def _agent(agent_id: str, *, interval: int | None = None, history: int = 0) -> str:
    """Make an agent with `history` traces, and return a token for it."""
    from ace_project.core import tokens
    from bench import world
    from evolution.services import record_batch
    from playbooks.models import Agent
    from playbooks.services import create_agent

    agent = Agent.objects.filter(agent_id=agent_id).first()
    if agent is None:
        agent = create_agent(agent_id=agent_id, author=world._AUTHOR)
        rng = random.Random(agent_id)
        for at in range(0, history, 100):
            record_batch(
                agent=agent, traces=[_trace(agent_id, rng) for _ in range(min(100, history - at))]
            )
    if interval is not None:
        names = ("ACE_MIN_TRACES_FOR_EVOLUTION", "ACE_EVOLUTION_INTERVAL")
        Agent.objects.filter(pk=agent.pk).update(overrides=dict.fromkeys(names, interval))
    return tokens.issue(agent_id)[0]


_TOOLS = ("search_orders", "read_policy", "confirm", "refund", "close")


def _trace(agent_id: str, rng: random.Random) -> dict[str, object]:
    """Return a trace of five steps whose tools vary and matter: there is something to learn."""
    from bench import world

    tools = [rng.choice(_TOOLS) for _ in range(5)]
    steps = [{**world.trace()["steps"][0], "tool": tool} for tool in tools]
    task = rng.randrange(40)
    luck = 0.75 if "read_policy" in tools else 0.35
    return {
        **world.trace(),
        "agent_id": agent_id,
        "task_id": f"task-{task}",
        "metadata": {"task_type": f"type-{task % 3}"},
        "success": rng.random() < luck,
        "steps": steps,
    }


def _post(port: int, bodies: list[bytes], rate: float) -> list[float]:
    """Send requests over one connection at a steady rate; return their times in seconds."""
    connection = load._open(port)
    times = []
    began = time.perf_counter()
    for number, body in enumerate(bodies):
        time.sleep(max(0.0, began + number / rate - time.perf_counter()))
        load._ask(connection, body)
        while not load._complete(connection.read):
            connection.read += connection.socket.recv(262_144)
        times.append(time.perf_counter() - connection.asked)
        load._check(connection.read, 201)
    connection.socket.close()
    return times


def _bodies(tokens: dict[str, str], count: int, seed: int) -> list[bytes]:
    rng = random.Random(seed)
    names = list(tokens)
    return [
        load.request(
            "POST",
            "/api/v1/traces",
            token=tokens[name],
            body=json.dumps(_trace(name, rng)).encode(),
        )
        for name in (names[n % len(names)] for n in range(count))
    ]


def _idle() -> bool:
    from ace_project.core.work.leases import ACTIVE
    from evolution.models import EvolutionRun

    return not EvolutionRun.objects.filter(status__in=ACTIVE).exists()


def _ratio(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the geometric mean of second over first, with its 95 % bootstrap interval."""
    logs = np.array([log(after / before) for before, after in pairs])
    drawn = np.random.default_rng(1).choice(logs, (4000, len(logs))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return exp(logs.mean()), exp(low), exp(high)


def _line(name: str, pairs: list[tuple[float, float]], unit: str, bar: float | None = BAR) -> int:
    ratio, low, high = _ratio(pairs)
    before = statistics.median(pair[0] for pair in pairs)
    after = statistics.median(pair[1] for pair in pairs)
    missed = bar is not None and ratio >= bar
    said = "" if bar is None else f"bar {bar:.2f}  {'MISSED' if missed else ''}"
    print(
        f"{name:<30}{before:>10.2f}{after:>10.2f} {unit:<8}{ratio:>7.3f}"
        f"  [{low:.3f}, {high:.3f}]  {said}".rstrip(),
        flush=True,
    )
    return int(missed)


# ---- the comparisons ----
def _latency(pairs: int) -> int:
    """Compare posting traces that each make a run due with posting traces that never do."""
    tokens = {"never": _agent("never", interval=1_000_000), "each": _agent("each", interval=1)}
    count = int(POST_RATE * POST_SECONDS)
    with _system() as system:
        _post(system.port, _bodies(tokens, 100, 0), POST_RATE)
        in_turn = [_in_turn(system.port, tokens, count, n) for n in range(pairs)]
        apart = [_apart(system.port, tokens, count, n) for n in range(pairs)]
    print(f"\nposting {POST_RATE:.0f} traces a second; each makes a run due, or none does")
    print(f"{'':<30}{'none':>10}{'each':>10}")
    missed = _line("p95, both kinds in turn", in_turn, "ms")
    # Not the price of a trigger but of what it starts: runs on the cores that also serve.
    _line("p95, runs going on or not", apart, "ms", bar=None)
    return missed


def _in_turn(port: int, tokens: dict[str, str], count: int, seed: int) -> tuple[float, float]:
    """Return the p95s in ms of the two kinds, posted in random order over the same seconds."""
    kinds = list(tokens) * (count // 2)
    random.Random(seed).shuffle(kinds)
    left = {kind: _bodies({kind: tokens[kind]}, count // 2, seed) for kind in tokens}
    times = np.array(_post(port, [left[kind].pop() for kind in kinds], POST_RATE)) * 1000
    never, each = (
        float(np.percentile([t for t, k in zip(times, kinds, strict=True) if k == kind], 95))
        for kind in ("never", "each")
    )
    return never, each


def _apart(port: int, tokens: dict[str, str], count: int, number: int) -> tuple[float, float]:
    """Return the p95s in ms of the two kinds in blocks of their own; either first in turn."""
    p95 = {}
    for kind in sorted(tokens, reverse=number % 2 == 1):
        # Nothing that the block before made due is left.
        time.sleep(6.0)
        _wait(_idle)
        times = _post(port, _bodies({kind: tokens[kind]}, count, number), POST_RATE)
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
            token=_agent(name, interval=1_000_000, history=20),
            body=json.dumps({"agent_id": name, "force": True}).encode(),
        )
        for name in names
    ]
    times: list[float] = []
    statuses: list[bytes] = []
    with _system() as system:
        start = threading.Barrier(TRIGGERS)

        def ask(body: bytes) -> None:
            connection = load._open(system.port)
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
        _wait(_idle)
        took = time.perf_counter() - began
    done = EvolutionRun.objects.filter(agent__agent_id__in=names, status="completed").count()
    accepted = statuses.count(b"202")
    slowest = max(times)
    print(f"\n{TRIGGERS} triggers at once: {accepted} accepted, the slowest in {slowest:.2f} s")
    print(f"{done} of {TRIGGERS} runs completed, all {took:.1f} s after the first trigger")
    return int(accepted < TRIGGERS or done < TRIGGERS)


def _steady(pairs: int) -> int:
    """Compare CPU and memory of web plus worker under one load, with evolution on and off."""
    from evolution import services
    from evolution.models import EvolutionRun
    from playbooks.actors import AUTOMATIC

    tokens = {f"steady-{n}": _agent(f"steady-{n}", history=HISTORY) for n in range(AGENTS)}
    count = int(TRACE_RATE * STEADY_SECONDS)
    found: dict[bool, list[tuple[float, float]]] = {False: [], True: []}
    runs = 0
    with _system():
        # The first run of every agent, so that the later ones come at the usual interval.
        _wait(_idle)
    for number in range(pairs):
        for is_on in sorted((False, True), reverse=number % 2 == 1):
            switch = services.resume_evolution if is_on else services.pause_evolution
            switch(agent=None, by=AUTOMATIC)
            bodies = _bodies(tokens, count, number)
            with _system() as system:
                # What was due before is done, what starts up is loaded.
                _post(system.port, bodies[:20], TRACE_RATE)
                time.sleep(6.0)
                if is_on:
                    _wait(_idle)
                before = EvolutionRun.objects.filter(status="completed").count()
                spent = system.cpu_seconds()
                _post(system.port, bodies, TRACE_RATE)
                cpu = (system.cpu_seconds() - spent) / STEADY_SECONDS * 100
                found[is_on].append((cpu, system.memory_mb()))
                runs += EvolutionRun.objects.filter(status="completed").count() - before
    off, on = found[False], found[True]
    print(
        f"\nsteady load: {TRACE_RATE:.0f} traces a second from {AGENTS} agents with {HISTORY} and"
        f" more traces each; {runs} runs in {pairs * STEADY_SECONDS:.0f} s with evolution on"
    )
    print(f"{'web plus worker':<30}{'off':>10}{'on':>10}")
    cpu_pairs = [(a[0], b[0]) for a, b in zip(off, on, strict=True)]
    missed = _line("CPU", cpu_pairs, "% core")
    more = statistics.median(after - before for before, after in cpu_pairs)
    print(f"  that is {more / (os.cpu_count() or 1):+.1f} points of the machine's CPU time")
    if runs:
        each = sum(after - before for before, after in cpu_pairs) * STEADY_SECONDS / 100 / runs
        print(f"  or {each:.2f} s of CPU time for each run of {runs}")
    memory = [(a[1], b[1]) for a, b in zip(off, on, strict=True)]
    return missed + _line("memory (PSS)", memory, "MB")


PARTS = {"latency": _latency, "triggers": _triggers, "steady": _steady}
