"""What every runtime of a context promises the jobs, whatever agent is behind it."""

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from pydantic import TypeAdapter

from bench.http_agent import running
from evolution.ingest import Step
from tests.training.runtimes.conftest import NO_WAIT, SECRET
from training.runtimes.base import Attempt, ContextRuntime, Outcome, Task
from training.runtimes.http import HttpRuntime
from training.runtimes.registry import check_runtime, own_tasks
from training.runtimes.workshop import WorkshopRuntime

WORLD = 4
ODD_QUERIES = [None, "", "\x00", {"a": [1, {"b": None}]}, 10**400, "lone \ud800", "order 1e9"]


def workshop() -> Iterator[ContextRuntime]:
    yield WorkshopRuntime(WORLD)


def http() -> Iterator[ContextRuntime]:
    with running(SECRET, world=WORLD) as url:
        yield HttpRuntime(check_runtime({"name": "http", "url": url}), SECRET, NO_WAIT)


@pytest.fixture(params=[workshop, http], ids=lambda make: make.__name__)
def runtime(request: Any, on_loopback: None) -> Iterator[ContextRuntime]:
    """Run the agent for one test."""
    make: Callable[[], Iterator[ContextRuntime]] = request.param
    yield from make()


def attempts(count: int) -> list[Attempt]:
    tasks = own_tasks({"name": "workshop", "seed": WORLD}, "train", count) or []
    told = [("b-1", "Rules", "Never call close_ticket.")]
    return [
        Attempt(1, task, trial, 100 * task.number + trial, told, "# Rules")
        for task in tasks
        for trial in range(2)
    ]


def summary(outcome: Outcome) -> tuple[Any, ...]:
    """Return what does not hang on the clock."""
    calls = [(step["tool"], step["arguments"], step.get("error")) for step in outcome.steps]
    return outcome.failure, outcome.success, calls


def test_an_outcome_is_a_trajectory_that_can_be_stored(runtime: ContextRuntime) -> None:
    for attempt in attempts(5):
        outcome = runtime.run(attempt)
        assert outcome.failure is None and outcome.success is not None, outcome.error
        assert 0 < len(outcome.steps) <= attempt.max_steps and outcome.seconds >= 0
        TypeAdapter(list[Step]).validate_python(list(outcome.steps))
        json.dumps([*outcome.steps, outcome.answer], allow_nan=False).encode()


def test_many_threads_bring_what_one_brings(runtime: ContextRuntime) -> None:
    tried = attempts(8)
    one = [summary(runtime.run(attempt)) for attempt in tried]
    with ThreadPoolExecutor(8) as threads:
        assert [summary(outcome) for outcome in threads.map(runtime.run, tried)] == one


def test_steps_are_bounded(runtime: ContextRuntime) -> None:
    for attempt in attempts(2):
        outcome = runtime.run(replace(attempt, max_steps=2))
        assert outcome.failure is None and not outcome.success
        assert len(outcome.steps) <= 2


def test_an_odd_task_never_raises(runtime: ContextRuntime) -> None:
    (attempt, *_) = attempts(1)
    for query in ODD_QUERIES:
        outcome = runtime.run(replace(attempt, task=Task(0, query)))
        assert outcome.failure is not None or outcome.success is not None


def test_the_worst_case_is_an_amount_known_before(runtime: ContextRuntime) -> None:
    worst = runtime.worst_case_usd(20)
    assert isinstance(worst, Decimal) and worst >= 0
    assert all((runtime.run(attempt).cost_usd or 0) <= worst for attempt in attempts(2))
