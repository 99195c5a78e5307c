"""Training jobs side by side: pieces a second as their number grows, fairness, memory, reads.

    python -m bench jobs [--jobs 1 10 100] [--iterations 5]   (or `python -m bench grpo jobs`)

Two worker processes with two threads each carry out workshop jobs (simulated) on a database of
their own; every number of jobs has the same work for each job. While the last lot runs,
`training.get_status` is asked again and again as the API does. Then trajectories are written in
bulk as an iteration writes them, and a job of 100,000 is listed page by page.
"""

import argparse
import os
import resource
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from bench.scratch import scratch_database

WORKERS, THREADS = 2, 2
# Per-iteration cost with the most jobs beside that with one lot of ten: flat, but for noise.
FLAT_BAR = 1.5
FAIR_BAR = 2.0
STATUS_BAR_MS, ROWS_BAR, PAGE_BAR = 20.0, 1000.0, 2.0
MEMORY_BAR_MB = 400.0
LISTED = 100_000
CONFIG: dict[str, Any] = {"batch_size": 8, "n_trajectories_per_query": 8, "eval_interval": 1000}


def main(arguments: list[str]) -> int:
    """Print what was measured; return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench jobs")
    parser.add_argument("--jobs", type=int, nargs="+", default=[1, 10, 100])
    parser.add_argument("--iterations", type=int, default=5)
    options = parser.parse_args(arguments)
    with scratch_database("ace_project.settings.dev") as env:
        missed = _jobs(options.jobs, options.iterations, env)
        return int(missed | _writes() | _lists())


def _jobs(numbers: list[int], iterations: int, env: dict[str, str]) -> bool:
    print(f"{WORKERS} workers x {THREADS} threads, {iterations} iterations of 64 trajectories each")
    rates, missed = {}, False
    for count in numbers:
        lot = _start(count, iterations)
        began = time.monotonic()
        with _workers(env) as children:
            waits, spread, peak = _watched(lot, children, began)
        took = _span(lot)
        rates[count] = count * iterations / took
        print(
            f"{count:>4} jobs: {took:6.1f} s, {count / took:6.2f} jobs/s, "
            f"{rates[count]:6.1f} iterations/s, status p95 {_p95(waits):5.1f} ms, "
            f"most over least iterations {spread:.2f}, {peak:.0f} MB a worker at the most"
        )
        missed |= _p95(waits) > STATUS_BAR_MS or spread > FAIR_BAR or peak > MEMORY_BAR_MB
    full = [rate for count, rate in rates.items() if count >= WORKERS * THREADS]
    if len(full) > 1:
        print(f"cost of an iteration with the most jobs: {full[0] / full[-1]:.2f} x that with few")
        missed |= full[0] / full[-1] > FLAT_BAR
    return missed


def _start(count: int, iterations: int) -> list[int]:
    """Queue `count` jobs, each of an agent of its own; return their numbers."""
    from playbooks import actors
    from playbooks.models import Mode
    from playbooks.selectors import agent_by_id
    from training.runtimes.registry import own_tasks
    from training.services import jobs, make_workshop_agent
    from training.workshop.advice import candidate_lessons
    from training.workshop.world import World

    runtime = {"name": "workshop", "seed": 1}
    lessons = [candidate.text for candidate in candidate_lessons(World(1))]
    tasks = [
        {"query": t.query, "task_type": t.task_type} for t in own_tasks(runtime, "train", 60) or ()
    ]
    found = []
    for number in range(count):
        name = f"bench-{count}-{number}"
        make_workshop_agent(agent_id=name, seed=1, mode=Mode.STRICT, author=actors.AUTOMATIC)
        job = jobs.start_job(
            agent=agent_by_id(name),
            config={**CONFIG, "n_iterations": iterations, "seed": number},
            runtime=runtime,
            training_data=tasks,
            requested_by="bench",
            candidates=lessons,
        )
        found.append(job.pk)
    return found


@contextmanager
def _workers(env: dict[str, str]) -> Iterator[list["subprocess.Popen[bytes]"]]:
    command = [sys.executable, "manage.py", "worker", "--threads", str(THREADS)]
    children = [subprocess.Popen(command, env=os.environ | env) for _ in range(WORKERS)]
    try:
        yield children
    finally:
        for child in children:
            child.terminate()
        for child in children:
            child.wait(60)


def _watched(
    lot: list[int], children: list["subprocess.Popen[bytes]"], began: float
) -> tuple[list[float], float, float]:
    """Ask for states until all jobs ended.

    Return the seconds of each answer, how uneven the jobs were at the worst (most over least
    iterations, from two for the least on), and the most memory of a worker in MB.
    """
    from training import selectors
    from training.models import TrainingJob

    waits: list[float] = []
    spread = peak = 1.0
    while True:
        for pk in lot[:: max(1, len(lot) // 10)]:
            start = time.perf_counter()
            selectors.status_of(selectors.job(pk))
            waits.append(time.perf_counter() - start)
        rows = TrainingJob.objects.filter(pk__in=lot)
        done = list(rows.values_list("iteration", flat=True))
        if min(done) >= 2:
            spread = max(spread, max(done) / min(done))
        peak = max(peak, *(_memory_mb(child.pid) for child in children))
        if not rows.filter(status__in=["queued", "running"]).exists():
            failed = rows.exclude(status="completed").count()
            assert not failed, f"{failed} jobs did not complete"
            return waits, spread, peak
        assert time.monotonic() - began < 3600, "the jobs do not end"
        time.sleep(0.2)


def _span(lot: list[int]) -> float:
    """Return the seconds from the first job's start to the last one's end."""
    from django.db.models import Max, Min

    from training.models import TrainingJob

    rows = TrainingJob.objects.filter(pk__in=lot)
    ends = rows.aggregate(first=Min("started_at"), last=Max("finished_at"))
    seconds: float = (ends["last"] - ends["first"]).total_seconds()
    return seconds


def _memory_mb(pid: int) -> float:
    try:
        pages = Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[1]
        return int(pages) * resource.getpagesize() / 2**20
    except FileNotFoundError:
        return 0.0


def _p95(waits: list[float]) -> float:
    return 1000 * sorted(waits)[int(0.95 * (len(waits) - 1))]


def _rows(count: int, job: Any, iteration: int) -> list[Any]:
    from training import bodies
    from training.models import Trajectory
    from training.runtimes.base import Outcome

    step = {"tool": "check_fee", "arguments": {"order": 1234}, "result": {"fee": "5"}}
    body = bodies.of_outcome(Outcome(steps=[step] * 8), {})
    return [
        Trajectory(
            job=job,
            iteration=iteration,
            task=n // 8,
            trial=n % 8,
            outcome="ended",
            success=True,
            reward=1.0,
            advantage=0.5,
            log_prob=-20.0,
            bullets=b"1234",
            step_count=8,
            seconds=0.1,
            body=body,
        )  # fmt: skip
        for n in range(count)
    ]


def _writes() -> bool:
    from training.models import TrainingJob
    from training.storing import write_trajectories

    job = TrainingJob.objects.order_by("pk").first()
    rates = []
    for iteration in range(5):
        rows = _rows(1024, job, 1000 + iteration)
        start = time.perf_counter()
        write_trajectories(rows)
        rates.append(len(rows) / (time.perf_counter() - start))
    print(f"{median(rates):8,.0f} trajectories a second written in bulk, bar {ROWS_BAR:,.0f}")
    return median(rates) < ROWS_BAR


def _lists() -> bool:
    from django.db import connection

    from training import selectors
    from training.models import TrainingJob
    from training.storing import write_trajectories

    job = TrainingJob.objects.order_by("pk").last()
    assert job is not None
    for start in range(0, LISTED, 10_000):
        write_trajectories(_rows(10_000, job, 2000 + start))
    with connection.cursor() as cursor:
        # What autovacuum does by itself within a minute.
        cursor.execute("ANALYZE trajectories")
    first = _page_ms(job, None)
    middle = selectors.trajectories(job, limit=1)[0].pk - LISTED // 2
    deep = _page_ms(job, middle)
    print(f"a page of 100 of {LISTED:,} trajectories: {first:.1f} ms, in the middle {deep:.1f} ms")
    return deep > PAGE_BAR * max(first, 1.0)


def _page_ms(job: Any, after: int | None) -> float:
    from training import selectors

    times = []
    for _ in range(20):
        start = time.perf_counter()
        assert len(selectors.trajectories(job, after=after, limit=100)) == 100
        times.append(time.perf_counter() - start)
    return 1000 * median(times)
