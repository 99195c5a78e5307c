"""The workshop as a runtime: the cases of a world, tried under the bullets that are let in."""

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from evolution.lessons import render
from training.runtimes.base import Attempt, Outcome, Task
from training.runtimes.registry import check_runtime, own_tasks
from training.runtimes.workshop import WorkshopRuntime, case_number
from training.workshop.advice import right_lessons
from training.workshop.world import World

SEED = 11


def attempts(count: int, texts: list[str], **changed: Any) -> list[Attempt]:
    """Return attempts of the world's first tasks, told `texts`."""
    tasks = own_tasks({"name": "workshop", "seed": SEED}, "train", count) or []
    told = [(f"b-{number}", "Rules", text) for number, text in enumerate(texts)]
    return [Attempt(1, task, 0, task.number, told, "", **changed) for task in tasks]


def rate(outcomes: list[Outcome]) -> float:
    return sum(bool(outcome.success) for outcome in outcomes) / len(outcomes)


def measured(outcome: Outcome) -> Outcome:
    """Return the outcome without what the clock says."""
    steps = [{**step, "seconds": 0} for step in outcome.steps]
    return replace(outcome, steps=steps, seconds=0)


def test_right_bullets_raise_success_and_none_leave_it_low() -> None:
    runtime = WorkshopRuntime(SEED)
    right = [render(lesson) for lesson in right_lessons(World(SEED))]
    told = [runtime.run(attempt) for attempt in attempts(120, right)]
    untold = [runtime.run(attempt) for attempt in attempts(120, [])]
    assert rate(told) > 0.85 > 0.6 > rate(untold)
    assert all(outcome.failure is None and outcome.steps for outcome in told + untold)


def test_many_threads_bring_what_one_brings() -> None:
    runtime = WorkshopRuntime(SEED)
    tried = attempts(80, ["Never call close_ticket."])
    one = [measured(runtime.run(attempt)) for attempt in tried]
    with ThreadPoolExecutor(8) as threads:
        many = [measured(outcome) for outcome in threads.map(runtime.run, tried)]
    assert many == one


def test_an_attempt_ends_at_its_steps() -> None:
    outcomes = [WorkshopRuntime(SEED).run(attempt) for attempt in attempts(20, [], max_steps=2)]
    assert all(len(outcome.steps) == 2 and outcome.truncated for outcome in outcomes)
    assert rate(outcomes) == 0


def test_a_query_means_the_case_of_its_order_or_always_the_same_other() -> None:
    case = World(SEED).task(2_000_017)
    assert case_number(case.query) == 2_000_017
    assert case_number("Where is my parcel?") == case_number("Where is my parcel?")
    assert case_number("Where is my parcel?") != case_number("Where is my refund?")
    asked = Attempt(1, Task(0, {"text": "Where is my parcel?"}), 0, 0, [], "")
    assert WorkshopRuntime(SEED).run(asked).failure is None


def test_a_workshop_agent_s_world_is_its_own() -> None:
    agent: Any = SimpleNamespace(metadata={"workshop_seed": 77})
    assert check_runtime({"name": "workshop"}, agent=agent) == {"name": "workshop", "seed": 77}
    assert check_runtime({"name": "workshop"}) == {"name": "workshop", "seed": 0}
