"""What every runtime of a context promises the jobs, whatever agent is behind it."""

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.db import connections
from pydantic import TypeAdapter

from bench.http_agent import running
from evolution.ingest import Step
from playbooks.models import Agent
from tests.endpoint import Endpoint, Exchange, Reply, answer
from tests.training.runtimes.conftest import NO_WAIT, SECRET, grant, wants
from training.runtimes.base import Attempt, ContextRuntime, Outcome, Task
from training.runtimes.http import HttpRuntime
from training.runtimes.openai import OpenAIRuntime
from training.runtimes.registry import check_runtime, own_tasks
from training.runtimes.workshop import WorkshopRuntime

WORLD = 4
ODD_QUERIES = [None, "", "\x00", {"a": [1, {"b": None}]}, 10**400, "lone \ud800", "order 1e9"]


def workshop() -> Iterator[ContextRuntime]:
    yield WorkshopRuntime(WORLD)


def http() -> Iterator[ContextRuntime]:
    with running(SECRET, world=WORLD) as url:
        yield HttpRuntime(check_runtime({"name": "http", "url": url}), SECRET, NO_WAIT)


def model(met: Exchange) -> Reply:
    """Answer as a model that looks once and then knows."""
    looked = met.body["messages"][-1]["role"] == "tool"
    return answer("done") if looked else wants(("look", '{"id": 7}'))


def openai(wired: Endpoint, agent: Agent) -> Iterator[ContextRuntime]:
    wired.play(model)
    grant(job=1)
    with Endpoint([Reply({"found": True})]) as tool:
        spec = {"name": "openai", "tools": [{"name": "look", "url": tool.base_url}]}
        yield OpenAIRuntime(check_runtime(spec, agent=agent), agent, NO_WAIT)


@pytest.fixture(params=["workshop", "http", "openai"])
def runtime(
    request: pytest.FixtureRequest, on_loopback: None, transactional_db: None
) -> Iterator[ContextRuntime]:
    """Run the agent for one test."""
    if request.param == "openai":
        yield from openai(*map(request.getfixturevalue, ("wired", "agent")))
    else:
        yield from {"workshop": workshop, "http": http}[request.param]()


def attempts(count: int) -> list[Attempt]:
    tasks = own_tasks({"name": "workshop", "seed": WORLD}, "train", count) or []
    told = [("b-1", "Rules", "Never call close_ticket.")]
    return [
        Attempt(1, task, trial, 100 * task.number + trial, told, "# Rules")
        for task in tasks
        for trial in range(2)
    ]


def run_apart(runtime: ContextRuntime, attempt: Attempt) -> Outcome:
    """Run it in a thread, whose connections to the database end with it."""
    try:
        return runtime.run(attempt)
    finally:
        connections.close_all()


def summary(outcome: Outcome) -> tuple[Any, ...]:
    """Return what does not hang on the clock."""
    calls = [(step["tool"], step["arguments"], step.get("error")) for step in outcome.steps]
    return outcome.failure, outcome.success, calls


def test_an_outcome_is_a_trajectory_that_can_be_stored(runtime: ContextRuntime) -> None:
    for attempt in attempts(5):
        outcome = runtime.run(attempt)
        assert outcome.failure is None, outcome.error
        assert outcome.success is not None or outcome.answer is not None
        assert 0 < len(outcome.steps) <= attempt.max_steps and outcome.seconds >= 0
        TypeAdapter(list[Step]).validate_python(list(outcome.steps))
        json.dumps([*outcome.steps, outcome.answer], allow_nan=False).encode()


def test_many_threads_bring_what_one_brings(runtime: ContextRuntime) -> None:
    tried = attempts(4)
    one = [summary(runtime.run(attempt)) for attempt in tried]
    with ThreadPoolExecutor(8) as threads:
        many = list(threads.map(lambda attempt: run_apart(runtime, attempt), tried))
    assert [summary(outcome) for outcome in many] == one


def test_steps_are_bounded(runtime: ContextRuntime) -> None:
    for attempt in attempts(2):
        outcome = runtime.run(replace(attempt, max_steps=1))
        assert outcome.failure is None and not outcome.success
        assert len(outcome.steps) <= 1


def test_an_odd_task_never_raises(runtime: ContextRuntime) -> None:
    (attempt, *_) = attempts(1)
    for query in ODD_QUERIES:
        outcome = runtime.run(replace(attempt, task=Task(0, query)))
        ended = outcome.success is not None or outcome.answer is not None
        assert ended == (outcome.failure is None)


def test_the_worst_case_is_an_amount_known_before(runtime: ContextRuntime) -> None:
    worst = runtime.worst_case_usd(20)
    assert isinstance(worst, Decimal) and worst >= 0
    assert all((runtime.run(attempt).cost_usd or 0) <= worst for attempt in attempts(2))
