"""CPU and memory of web plus worker under a steady load of traces, with evolution on and off.

"Evolution off" is the pause of all: no run, the same load. For CPU the same processes are switched
on and off, because two starts of one program differ by more than what is looked for; for memory
they start anew, and with evolution on they carry out runs first: memory counts what runs leave.

Automatic runs draw on a bucket of CPU seconds (evolution/pace.py), so there are two tables: with
the bucket empty at first, which is what a load that lasts comes to, and with it full, the most
that comes on top for a while.
"""

import statistics
import threading
import time
from dataclasses import dataclass

from bench import system, traffic
from bench.pairs import BAR, line
from bench.system import System

# So many agents send so many traces a second together, each with a history.
AGENTS, TRACE_RATE, HISTORY = 5, 40.0, 1000
CPU_SECONDS, MEMORY_SECONDS, WARM_SECONDS = 10.0, 10.0, 6.0
SAMPLE_SECONDS = 1.0
# From the end of a run until it has settled with the bucket.
SETTLE_SECONDS = 0.5


@dataclass(frozen=True, slots=True)
class Block:
    """What a block used: CPU time as a share of a core in %; runs, and what those say they took."""

    cpu: float
    database_cpu: float
    runs: int
    run_cpu_seconds: float


def steady(pairs: int) -> int:
    """Compare CPU with the bucket empty at first; return how many bars were missed."""
    off, on = _cpu(4 * pairs, _agents(), is_full=False)
    print(
        f"\nsteady load: {TRACE_RATE:.0f} traces a second from {AGENTS} agents, the bucket empty at"
        f" first;\n{_said(on)} in {len(on) * CPU_SECONDS:.0f} s with evolution on"
    )
    return _table(off, on, BAR)


def memory(pairs: int) -> int:
    """Compare what processes that started for it hold; return how many bars were missed."""
    tokens = _agents()
    found: dict[bool, list[float]] = {False: [], True: []}
    for is_on, number in _turns(pairs):
        with system.running() as served:
            _warm(served, tokens, is_on=is_on)
            found[is_on].append(_sampled(served, tokens, number))
    print(f"\nmemory under the same load, after a run of each of the {AGENTS} agents")
    print(f"{'web plus worker':<30}{'off':>10}{'on':>10}")
    return line("PSS, mean", list(zip(found[False], found[True], strict=True)), "MB")


def burst(pairs: int) -> int:
    """Compare CPU with the bucket full; there is no bar, because it does not last."""
    from evolution import pace

    off, on = _cpu(2 * pairs, _agents(), is_full=True)
    print(
        f"\nburst: the same load, the bucket full at first ({pace.BURST_SECONDS:.0f} s);"
        f"\n{_said(on)} in {len(on) * CPU_SECONDS:.0f} s with evolution on"
    )
    _table(off, on, None)
    spent = sum(block.run_cpu_seconds for block in on)
    if spent:
        minutes = pace.BURST_SECONDS * len(on) * CPU_SECONDS / spent / 60
        print(f"  under this load the bucket is empty after {minutes:.0f} minutes")
    return 0


def _agents() -> dict[str, str]:
    names = [f"steady-{number}" for number in range(AGENTS)]
    return {name: traffic.agent(name, history=HISTORY) for name in names}


def _turns(pairs: int) -> list[tuple[bool, int]]:
    """Return on and off in turn, either first in turn, with the number of the pair."""
    return [(on, n) for n in range(pairs) for on in sorted((False, True), reverse=n % 2 == 1)]


def _cpu(pairs: int, tokens: dict[str, str], *, is_full: bool) -> tuple[list[Block], list[Block]]:
    """Return the blocks with evolution off and on.

    Where the bucket is not full what is left in it goes from block to block with evolution on, so
    that these are one stretch.
    """
    from evolution import pace

    found: dict[bool, list[Block]] = {False: [], True: []}
    with system.running() as served:
        _warm(served, tokens, is_on=True)
        level = pace.BURST_SECONDS if is_full else _half_a_run_below_zero()
        for is_on, number in _turns(pairs):
            _switch(is_on)
            fill(level)
            found[is_on].append(_measure(served, tokens, number))
            if is_on and not is_full:
                level = pace.level_seconds()
    return found[False], found[True]


def _measure(served: System, tokens: dict[str, str], seed: int) -> Block:
    requests = traffic.bodies(tokens, int(TRACE_RATE * CPU_SECONDS), seed)
    runs, run_cpu = _ended(), _spent()
    spent, database = served.cpu_seconds(), system.database_cpu_seconds()
    traffic.post(served.port, requests, TRACE_RATE)
    # A run that is under way belongs to this block.
    system.wait(traffic.idle)
    time.sleep(SETTLE_SECONDS)
    return Block(
        cpu=(served.cpu_seconds() - spent) / CPU_SECONDS * 100,
        database_cpu=(system.database_cpu_seconds() - database) / CPU_SECONDS * 100,
        runs=_ended() - runs,
        run_cpu_seconds=_spent() - run_cpu,
    )


def _sampled(served: System, tokens: dict[str, str], seed: int) -> float:
    done = threading.Event()
    samples: list[float] = []

    def sample() -> None:
        while not done.wait(SAMPLE_SECONDS):
            samples.append(served.memory_mb())

    sampler = threading.Thread(target=sample)
    sampler.start()
    requests = traffic.bodies(tokens, int(TRACE_RATE * MEMORY_SECONDS), seed)
    traffic.post(served.port, requests, TRACE_RATE)
    done.set()
    sampler.join()
    return statistics.fmean(samples)


def _warm(served: System, tokens: dict[str, str], *, is_on: bool) -> None:
    """Let what starts up be loaded, and with evolution on what is due be done."""
    from evolution import pace

    ended = _ended()
    fill(pace.BURST_SECONDS)
    _switch(is_on)
    requests = traffic.bodies(tokens, int(TRACE_RATE * WARM_SECONDS), 0)
    traffic.post(served.port, requests, TRACE_RATE)
    if is_on:
        for name in tokens:
            _ask_for_a_run(name)
        system.wait(lambda: _ended() >= ended + len(tokens))
        system.wait(traffic.idle)


def _ask_for_a_run(agent_id: str) -> None:
    """Start a run as an operator: memory must not hang on what happens to be due."""
    from evolution import services
    from evolution.models import Trigger
    from playbooks.models import Agent

    services.start_run(
        agent=Agent.objects.get(agent_id=agent_id),
        trigger=Trigger.OPERATOR,
        requested_by="bench",
        force=True,
    )


def _switch(is_on: bool) -> None:
    from evolution import services
    from playbooks.actors import AUTOMATIC

    switch = services.resume_evolution if is_on else services.pause_evolution
    switch(agent=None, by=AUTOMATIC)


def fill(level: float) -> None:
    """Set what is in the bucket, in CPU seconds."""
    from django.db.models.functions import Now

    from evolution.models import Pace

    Pace.objects.update_or_create(id=1, defaults={"level_seconds": level, "filled_at": Now()})


def _half_a_run_below_zero() -> float:
    """Return where a load that lasts finds the bucket on average, by the newest runs."""
    from evolution.models import EvolutionRun

    measured = EvolutionRun.objects.filter(cpu_seconds__gt=0).order_by("-id")
    newest = measured.values_list("cpu_seconds", flat=True)[:AGENTS]
    return -statistics.fmean(seconds or 0.0 for seconds in newest) / 2


def _ended() -> int:
    from evolution.models import EvolutionRun

    return EvolutionRun.objects.filter(status="completed").count()


def _spent() -> float:
    from django.db.models import Sum

    from evolution.models import EvolutionRun

    return EvolutionRun.objects.aggregate(sum=Sum("cpu_seconds"))["sum"] or 0.0


def _said(blocks: list[Block]) -> str:
    runs = sum(block.runs for block in blocks)
    seconds = sum(block.run_cpu_seconds for block in blocks)
    return f"{runs} runs of {seconds / max(1, runs):.2f} CPU seconds each, by their own measure,"


def _table(off: list[Block], on: list[Block], bar: float | None) -> int:
    both = list(zip(off, on, strict=True))
    print(f"{'web plus worker':<30}{'off':>10}{'on':>10}")
    missed = line("CPU", [(a.cpu, b.cpu) for a, b in both], "% core", bar)
    more = statistics.fmean(b.cpu - a.cpu for a, b in both)
    print(
        f"  that is {more:+.2f} points of a core on average, {_share(on):.2f} by the runs' measure"
    )
    line("PostgreSQL, CPU", [(a.database_cpu, b.database_cpu) for a, b in both], "% core", None)
    return missed


def _share(blocks: list[Block]) -> float:
    spent = sum(block.run_cpu_seconds for block in blocks)
    return spent / (len(blocks) * CPU_SECONDS) * 100
