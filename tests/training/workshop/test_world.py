"""Worlds, their cases, their tools, and the rates they were drawn to have."""

from concurrent.futures import ThreadPoolExecutor
from statistics import fmean

import pytest

from training.workshop.advice import (
    candidate_lessons,
    harmful_lessons,
    harmful_typed_lessons,
    neutral_lessons,
    right_lessons,
)
from training.workshop.rules import ACTIONS, OPEN, TASK_TYPES, TOOLS
from training.workshop.simulation import simulate, success_rate
from training.workshop.tools import ToolError, evaluate
from training.workshop.world import World

SEEDS = range(100, 112)


def rate(world, lessons, count=250, start=0):
    return success_rate(simulate(world, lessons, world.tasks(start, count)))


def test_without_lessons_about_four_in_ten_cases_succeed():
    rates = [rate(World(seed), [], count=1_000) for seed in SEEDS]

    assert 0.38 <= fmean(rates) <= 0.42
    assert min(rates) >= 0.36 - 0.03 and max(rates) <= 0.44 + 0.03  # two standard errors


def test_with_the_right_lessons_nearly_every_case_succeeds():
    rates = [rate(World(seed), right_lessons(World(seed))) for seed in SEEDS]

    assert min(rates) >= 0.93


def test_one_harmful_lesson_on_top_of_the_right_ones_ruins_most_cases():
    for seed in SEEDS:
        world = World(seed)
        right = right_lessons(world)
        for lesson in harmful_lessons(world):
            assert rate(world, [*right, lesson], count=120) <= 0.30, (seed, lesson)


def test_a_harmful_lesson_of_one_type_ruins_that_type_and_no_other():
    world = World(7)
    right = right_lessons(world)
    lesson = harmful_typed_lessons(world)[0]
    tasks = world.tasks(0, 300)

    for before, after in zip(
        simulate(world, right, tasks), simulate(world, [*right, lesson], tasks), strict=True
    ):
        if before.task_type == lesson.task_type:
            assert not after.success
        else:
            assert after.steps[-1]["tool"] == before.steps[-1]["tool"]
            assert after.success == before.success


def test_neutral_lessons_change_no_outcome_to_speak_of():
    world = World(8)
    right = right_lessons(world)
    base = rate(world, right)

    assert all(abs(rate(world, [*right, extra]) - base) < 0.02 for extra in neutral_lessons(world))


def test_the_lessons_of_one_world_are_worth_nothing_in_another():
    gains = [
        rate(World(seed), right_lessons(World(seed + 1))) - rate(World(seed), []) for seed in SEEDS
    ]

    assert fmean(gains) <= 0.0


def test_candidates_are_labelled_mixed_and_ruinous_together():
    for seed in (1, 2, 3):
        world = World(seed)
        candidates = candidate_lessons(world)
        worth = [candidate.worth for candidate in candidates]

        assert len({candidate.text for candidate in candidates}) == 30
        assert worth.count("harmful") == 6
        assert worth.count("right") == len(right_lessons(world))
        assert any(candidate.typed for candidate in candidates if candidate.worth == "harmful")
        assert candidates == candidate_lessons(World(seed))
        assert rate(world, [candidate.text for candidate in candidates]) <= 0.02


def test_a_world_and_its_cases_follow_from_the_seed():
    assert World(5).rules == World(5).rules
    assert World(5).habits == World(5).habits
    assert World(5).tasks(0, 20) == World(5).tasks(0, 20)
    assert World(5).rules != World(6).rules
    assert World(5).task(3) != World(6).task(3)


def test_worlds_differ_in_what_every_tool_is_for():
    rules = [World(seed).rules for seed in range(40)]

    assert len({drawn.seal for drawn in rules}) == 3
    assert len({drawn.harmful for drawn in rules}) == 3
    assert len({drawn.basis_of for drawn in rules}) == 9
    assert len({drawn.required["refund"] for drawn in rules}) > 5
    assert len({drawn.stale_wording for drawn in rules}) == 3


def test_a_run_leaves_the_database_as_it_was():
    world = World(3)
    simulate(world, right_lessons(world), world.tasks(0, 50))

    assert set(world.office.row_counts().values()) == {0}


def test_a_case_is_taken_back_even_when_the_run_breaks_off():
    world = World(3)
    task = world.task(0)
    with pytest.raises(KeyError), world.office.case(task):
        world.office.call(OPEN, {"order": task.order_id})
        assert world.office.row_counts()["orders"] == 1
        world.office.call(OPEN, {})

    assert set(world.office.row_counts().values()) == {0}


def test_runs_in_several_threads_do_not_meet():
    world = World(3)
    tasks = world.tasks(0, 60)
    alone = [episode.success for episode in simulate(world, [], tasks)]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda _: simulate(world, [], tasks), range(4)))

    assert all([e.success for e in episodes] == alone for episodes in together)


def test_every_tool_of_the_list_is_served():
    assert set(World(1).office.tools) == set(TOOLS)
    assert 18 <= len(TOOLS) <= 20


def test_tools_refuse_what_the_database_does_not_allow():
    world = next(World(seed) for seed in range(50) if not World(seed).rules.strict["refund"])
    task = next(task for task in world.tasks(0, 200) if task.task_type == "refund")
    refund = {"order": task.order_id} | dict(task.truth)
    with world.office.case(task):
        with pytest.raises(ToolError, match="not open in this session"):
            world.office.call("issue_refund", refund)
        world.office.call(OPEN, {"order": task.order_id})
        world.office.call("issue_refund", refund)
        with pytest.raises(ToolError, match="UNIQUE constraint failed"):
            world.office.call("issue_refund", refund)


def test_a_strict_action_locks_the_order_after_three_wrong_tries():
    world = next(World(seed) for seed in range(50) if World(seed).rules.strict["refund"])
    task = next(
        task for task in world.tasks(0, 200) if task.task_type == "refund" and not task.disputed
    )
    wrong = {"order": task.order_id} | dict.fromkeys(task.truth, "nonsense")
    with world.office.case(task):
        world.office.call(OPEN, {"order": task.order_id})
        for _ in range(3):
            with pytest.raises(ToolError, match="is not valid for order"):
                world.office.call("issue_refund", wrong)
        with pytest.raises(ToolError, match="locked after 3 failed attempts"):
            world.office.call("issue_refund", wrong | dict(task.truth))


def test_the_calculator_takes_arithmetic_and_nothing_else():
    assert evaluate("48.00 * (100 - 15) / 100") == pytest.approx(40.8)
    with pytest.raises(ToolError):
        evaluate("__import__('os')")
    with pytest.raises(ToolError):
        evaluate("1 / 0")
    with pytest.raises(ToolError):
        evaluate("1 +")


def test_every_case_reads_like_a_request_and_names_its_order():
    tasks = World(4).tasks(0, 200)

    assert all(str(task.order_id) in task.query for task in tasks)
    assert {task.task_type for task in tasks} == set(TASK_TYPES) == set(ACTIONS)
