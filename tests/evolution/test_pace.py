"""The pace of automatic runs: what they cost in CPU time is bounded, whatever ends them."""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.db.models import F, Max
from django.db.models.functions import Now
from django.test import Client
from hypothesis import given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from ace_project.core.work import leases
from ace_project.core.work.leases import HandedBack, JobStatus
from evolution import pace, pipeline, selectors, services
from evolution.models import EvolutionRun, ExecutionTrace, Generator, Pace, Trigger
from evolution.services import runs
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent

pytestmark = pytest.mark.django_db

SHARE = 0.002
# What the bucket fills by while a test runs on a machine that is busy with other things.
SLACK = 0.5


@pytest.fixture(autouse=True)
def share(settings: Any) -> None:
    settings.ACE_EVOLUTION_CPU_SHARE = SHARE
    settings.ACE_MIN_TRACES_FOR_EVOLUTION = 1
    settings.ACE_EVOLUTION_INTERVAL = 2


class CpuClock:
    """The CPU time of a thread, which passes only when a test says so."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def cpu() -> Iterator[CpuClock]:
    clock = CpuClock()
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pace.time, "thread_time", clock)
        yield clock


def make(name: str = "bot") -> Agent:
    return playbooks.create_agent(agent_id=name, author=actors.AUTOMATIC)


def send(agent: Agent, traces: int = 1) -> None:
    services.record_batch(agent=agent, traces=[{"execution_time": 1, "success": True}] * traces)


def start(agent: Agent, trigger: Trigger = Trigger.AUTOMATIC) -> EvolutionRun | None:
    return services.start_run(
        agent=agent,
        trigger=trigger,
        requested_by="test",
        force=True,
        generator=Generator.SCRIPTED,
        script=[],
    ).run


def try_once(run: EvolutionRun, cost: Callable[[], None]) -> None:
    """Claim a run, let it cost something and complete it."""
    claimed = leases.claim(EvolutionRun, run.pk)
    assert claimed is not None
    with pace.measured(claimed):
        cost()
        newest = ExecutionTrace.objects.aggregate(top=Max("id"))["top"] or 0
        leases.finish(claimed, JobStatus.COMPLETED, watermark=newest)


def spend(cpu: CpuClock, seconds: float) -> Callable[[], None]:
    def cost() -> None:
        cpu.now += seconds

    return cost


def fill(level: float) -> None:
    Pace.objects.update_or_create(id=1, defaults={"level_seconds": level, "filled_at": Now()})


def pass_time(seconds: float) -> None:
    Pace.objects.update(filled_at=F("filled_at") - timedelta(seconds=seconds))


def look() -> None:
    """Let a worker look for what is due."""
    runs._DueRuns()()


# ---- the bound ----
@given(steps=st.lists(st.tuples(st.floats(0, 20_000), st.floats(0, 30)), max_size=20))
@hypothesis_settings(max_examples=15)
def test_automatic_runs_never_take_more_than_the_burst_the_share_and_one_run(
    steps: list[tuple[float, float]],
) -> None:
    Pace.objects.all().delete()
    EvolutionRun.objects.all().delete()
    agent = Agent.objects.filter(agent_id="bot").first() or make()
    clock, began, waited = CpuClock(), time.monotonic(), 0.0
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(pace.time, "thread_time", clock)
        for wait, cost in steps:
            pass_time(wait)
            waited += wait
            run = start(agent)
            if run is None:
                continue
            try_once(run, spend(clock, cost))
            elapsed = waited + time.monotonic() - began
            assert clock.now <= pace.BURST_SECONDS + SHARE * elapsed + cost + 1e-6


def test_a_long_stretch_of_due_runs_takes_the_share_of_the_time(cpu: CpuClock) -> None:
    agent = make()
    fill(0.0)
    for _ in range(60):
        pass_time(200.0)
        run = start(agent)
        if run is not None:
            try_once(run, spend(cpu, 0.9))
    assert 60 * 200 * SHARE - 0.9 <= cpu.now <= 60 * 200 * SHARE + 0.9 + SLACK


def test_what_a_run_costs_is_kept_and_expected_of_the_next(cpu: CpuClock) -> None:
    agent = make()
    run = start(agent)
    assert run is not None and run.drawn_seconds == pace.FIRST_SECONDS
    try_once(run, spend(cpu, 2.5))
    run.refresh_from_db()
    assert run.cpu_seconds == 2.5
    assert pace.level_seconds() == pytest.approx(pace.BURST_SECONDS - 2.5, abs=SLACK)
    following = start(agent)
    assert following is not None and following.drawn_seconds == 2.5


def test_a_run_that_starts_twice_is_drawn_for_once() -> None:
    agent = make()
    assert start(agent) == start(agent)
    left = pace.BURST_SECONDS - pace.FIRST_SECONDS
    assert pace.level_seconds() == pytest.approx(left, abs=SLACK)


# ---- who waits ----
def test_many_new_agents_start_at_once_from_the_burst() -> None:
    for number in range(12):
        send(make(f"bot-{number}"))
    look()
    assert EvolutionRun.objects.filter(trigger=Trigger.AUTOMATIC).count() == 12


def test_while_the_bucket_is_empty_traces_stay_pending_and_no_run_is_queued() -> None:
    agent = make()
    send(agent, 3)
    fill(-1.0)
    look()
    assert not EvolutionRun.objects.exists()
    assert selectors.pending_traces(agent) == 3


def test_what_waited_starts_without_another_trace_once_there_is_time_again(monkeypatch) -> None:
    monkeypatch.setattr(runs, "_LATE_COMMITS", 0)
    send(make())
    looks = runs._DueRuns()
    fill(-1.0)
    for _ in range(2):
        looks.next_look = 0.0
        looks()
    assert not EvolutionRun.objects.exists()
    pass_time(1.0 / SHARE)
    looks.next_look = 0.0
    looks()
    assert EvolutionRun.objects.count() == 1


def test_who_has_been_due_longest_comes_first(cpu: CpuClock) -> None:
    late, early, newest = make("late"), make("early"), make("newest")
    Agent.objects.filter(pk=late.pk).update(overrides={"ACE_MIN_TRACES_FOR_EVOLUTION": 4})
    send(late, 3)
    send(early)
    send(late)
    send(newest)
    # More traces do not bring anybody forward or back.
    send(early, 5)
    served = []
    for _ in range(3):
        fill(0.01)
        look()
        (run,) = EvolutionRun.objects.filter(status=JobStatus.QUEUED)
        served.append(run.agent.agent_id)
        try_once(run, spend(cpu, 5.0))
    assert served == ["early", "late", "newest"]


@pytest.mark.parametrize("trigger", [Trigger.API, Trigger.OPERATOR, Trigger.COMMAND])
def test_what_somebody_asks_for_is_never_held_back_and_draws_nothing(
    cpu: CpuClock, trigger: Trigger
) -> None:
    fill(-5.0)
    run = start(make(), trigger)
    assert run is not None
    try_once(run, spend(cpu, 3.0))
    run.refresh_from_db()
    assert (run.cpu_seconds, run.drawn_seconds) == (3.0, None)
    assert pace.level_seconds() == pytest.approx(-5.0, abs=SLACK)


def test_without_a_share_nothing_waits_and_nothing_is_drawn(cpu: CpuClock, settings: Any) -> None:
    fill(-5.0)
    settings.ACE_EVOLUTION_CPU_SHARE = 0.0
    assert pace.opens_at() is None
    run = start(make())
    assert run is not None and run.drawn_seconds is None
    try_once(run, spend(cpu, 3.0))
    assert Pace.objects.get().level_seconds == -5.0


# ---- how a try ends ----
def test_a_try_that_was_killed_is_paid_as_expected_and_so_is_the_next() -> None:
    run = start(make())
    assert run is not None
    for killed in range(1, 3):
        claimed = leases.claim(EvolutionRun, run.pk)
        assert claimed is not None
        # What a process that dies in the middle comes to: it begins, and nothing follows.
        pace._begin(claimed)
        left = pace.BURST_SECONDS - killed * pace.FIRST_SECONDS
        assert pace.level_seconds() == pytest.approx(left, abs=SLACK)
        EvolutionRun.objects.update(lease_until=Now() - timedelta(seconds=1))


def test_who_has_lost_the_lease_pays_all_the_same(cpu: CpuClock) -> None:
    run = start(make())
    assert run is not None
    slow = leases.claim(EvolutionRun, run.pk)
    assert slow is not None
    with pytest.raises(leases.LeaseLost), pace.measured(slow):
        cpu.now += 4.0
        EvolutionRun.objects.update(lease_until=Now() - timedelta(seconds=1))
        try_once(run, spend(cpu, 2.0))
        leases.finish(slow, JobStatus.COMPLETED)
    # The clock is one for both tries here: the first has seen the second's time pass, too.
    assert EvolutionRun.objects.get().cpu_seconds == 8.0
    assert pace.level_seconds() == pytest.approx(pace.BURST_SECONDS - 8.0, abs=SLACK)


def test_a_run_that_a_pause_hands_back_pays_for_each_try_what_it_cost(
    cpu: CpuClock, monkeypatch
) -> None:
    agent = make()
    run = start(agent)
    assert run is not None
    pause = {"agent": agent, "by": actors.AUTOMATIC}

    def read(_script: Any) -> list[Any]:
        cpu.now += 3.0
        services.pause_evolution(**pause)
        return []

    def propose(*_: Any) -> tuple[list[Any], list[Any]]:
        cpu.now += 4.0
        return [], []

    monkeypatch.setattr(pipeline.delta_generator, "from_script", read)
    monkeypatch.setattr(pipeline, "_bring", propose)
    for is_handed_back in (True, False):
        claimed = leases.claim(EvolutionRun, run.pk)
        assert claimed is not None
        with pytest.raises(HandedBack) if is_handed_back else nullcontext():
            pipeline.carry_out(claimed)
        services.resume_evolution(**pause)
    run.refresh_from_db()
    assert (run.status, run.cpu_seconds) == (JobStatus.COMPLETED, 7.0)
    assert pace.level_seconds() == pytest.approx(pace.BURST_SECONDS - 7.0, abs=SLACK)


# ---- clocks, and two at once ----
def test_a_clock_that_was_set_back_fills_nothing_in_and_stops_nothing() -> None:
    fill(-1.0)
    pass_time(-86_400.0)
    assert pace.level_seconds() == -1.0
    assert start(make(), Trigger.AUTOMATIC) is None
    pace._take(0.0, in_debt=True)
    pass_time(1.0 / SHARE)
    assert pace.level_seconds() == pytest.approx(0.0, abs=SLACK)


def test_a_clock_that_was_set_forward_fills_the_bucket_and_no_more() -> None:
    fill(-1.0)
    pass_time(10 * 365 * 86_400.0)
    assert pace.level_seconds() == pace.BURST_SECONDS


def test_it_is_known_when_the_next_automatic_run_may_start() -> None:
    assert pace.opens_at() is None
    fill(-1.0)
    opens = pace.opens_at()
    assert opens is not None
    filled_at = Pace.objects.get().filled_at
    assert (opens - filled_at).total_seconds() == pytest.approx(1.0 / SHARE, abs=1.0)
    fill(-1e12)
    assert pace.opens_at() is not None


@pytest.mark.django_db(transaction=True)
def test_of_workers_that_look_at_once_one_takes_the_last_of_it() -> None:
    agents = [make(f"bot-{number}") for number in range(6)]
    fill(0.05)

    def begin(agent: Agent) -> EvolutionRun | None:
        try:
            return start(agent)
        finally:
            connection.close()

    with ThreadPoolExecutor(len(agents)) as pool:
        started = [run for run in pool.map(begin, agents) if run is not None]
    assert len(started) == EvolutionRun.objects.count() == 1


# ---- where it is seen ----
def test_the_metrics_say_what_is_left_and_what_runs_took(cpu: CpuClock) -> None:
    run = start(make())
    assert run is not None
    try_once(run, spend(cpu, 3.0))
    fill(-2.0)
    lines = Client().get("/metrics").content.decode().splitlines()
    found = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    assert float(found['ace_evolution_cpu_seconds_total{trigger="automatic"}']) == 3.0
    assert float(found["ace_evolution_pace_seconds"]) == pytest.approx(-2.0, abs=SLACK)
