"""Rewards: what each term is worth, what is left out, and which specifications are refused."""

from itertools import count
from types import SimpleNamespace

import pytest

from training.engine import rewards
from training.engine.rewards import InvalidReward, Registry, RewardFailed, Rollout, parse


def step(tool, error=None, reward=None):
    return {"tool": tool, "arguments": {}, "result": None, "error": error, "reward": reward}


STEPS = (step("search"), step("update", "denied", 0.5), step("update"), step("check", None, 2))
SOLVED = Rollout(success=True, output_quality=0.5, steps=STEPS, tokens=2500)


@pytest.mark.parametrize(
    ("spec", "worth"),
    [
        (None, 1.0),
        ({"outcome": 2}, 2.0),
        ({"step_rewards": 1}, 2.5),
        ({"tool_use": {"tools": ["search", "refund"], "weight": 0.4}}, 0.2),
        ({"verification": {"tools": ["check", "look"]}}, 1.0),
        ({"verification": {"tools": ["search"]}}, 0.0),
        ({"length_cost": {"weight": 0.1, "free": 1}}, -0.3),
        ({"length_cost": {"free": 9}}, 0.0),
        ({"token_cost": 0.02}, -0.05),
        ({"outcome": 1, "length_cost": 0.01, "token_cost": {"weight": 0.1}}, 0.71),
    ],
)
def test_terms_are_worth_what_they_say(spec, worth):
    assert parse(spec)(SOLVED) == pytest.approx(worth)


def test_a_tool_that_failed_was_not_used():
    failed = Rollout(success=False, steps=(step("search", "timeout"),))
    assert parse({"tool_use": {"tools": ["search"]}})(failed) == 0
    assert parse({"verification": {"tools": ["search"]}})(failed) == 0
    assert parse(None)(failed) == 0


def test_quality_stands_in_where_success_was_not_judged():
    assert parse(None)(Rollout(success=None, output_quality=0.3)) == 0.3


@pytest.mark.parametrize(
    "rollout", [Rollout(success=False, failure="timeout"), Rollout(success=None, tokens=5)]
)
def test_what_failed_or_was_not_judged_is_left_out_and_not_scored_0(rollout):
    assert parse({"outcome": 1, "token_cost": 1})(rollout) is None


@pytest.mark.parametrize(
    ("spec", "field", "problem"),
    [
        ([], "reward", "must be an object"),
        ({}, "reward", "at least one term"),
        ({"bonus": 1}, "reward.bonus", "is not a term"),
        ({"outcome": "1"}, "reward.outcome.weight", "finite number"),
        ({"outcome": True}, "reward.outcome.weight", "finite number"),
        ({"outcome": float("nan")}, "reward.outcome.weight", "finite number"),
        ({"outcome": 10**400}, "reward.outcome.weight", "finite number"),
        ({"outcome": {"wieght": 1}}, "reward.outcome.wieght", "not a setting"),
        ({"length_cost": {"free": -1}}, "reward.length_cost.free", "whole number"),
        ({"length_cost": {"free": 1.5}}, "reward.length_cost.free", "whole number"),
        ({"tool_use": 1}, "reward.tool_use.tools", "is missing"),
        ({"tool_use": {"tools": []}}, "reward.tool_use.tools", "at least one name"),
        ({"verification": {"tools": "check"}}, "reward.verification.tools", "list"),
        ({"custom": 1}, "reward.custom.name", "is missing"),
        ({"custom": {"name": ""}}, "reward.custom.name", "must be a name"),
        ({"custom": {"name": "nowhere"}}, "reward.custom.name", "not an installed reward"),
    ],
)
def test_a_wrong_specification_names_its_field(spec, field, problem):
    with pytest.raises(InvalidReward, match=problem) as caught:
        parse(spec)
    assert caught.value.field == field


def test_a_custom_function_sees_the_trajectory():
    registry = Registry()
    registry.register("steps", lambda rollout: len(rollout.steps))
    spec = {"outcome": 1, "custom": {"name": "steps", "weight": 0.5}}
    assert parse(spec, registry)(SOLVED) == 3.0


TICKS = count()


def raises(rollout):
    return len(rollout.steps[0])


@pytest.mark.parametrize(
    ("function", "problem"),
    [
        (raises, "raised IndexError"),
        (lambda rollout: float("inf"), "not a finite number"),
        (lambda rollout: None, "not a finite number"),
        (lambda rollout: True, "not a finite number"),
        (lambda rollout: next(TICKS), "for the same trajectory"),
        ("text", "is not a function"),
    ],
)
def test_a_function_is_tried_on_samples_when_it_is_registered(function, problem):
    registry = Registry()
    with pytest.raises(InvalidReward, match=problem):
        registry.register("mine", function)
    assert registry.functions == {}


def test_a_function_that_fails_later_says_so():
    registry = Registry()
    registry.register("fragile", lambda rollout: 1 / (4 - len(rollout.steps)))
    with pytest.raises(RewardFailed, match="'fragile' raised ZeroDivisionError"):
        parse({"custom": {"name": "fragile"}}, registry)(SOLVED)


def test_functions_of_installed_packages_are_found_by_name(monkeypatch):
    def load_badly():
        raise ImportError("no module")

    installed = {
        "thrift": SimpleNamespace(load=lambda: lambda rollout: -rollout.tokens),
        "broken": SimpleNamespace(load=load_badly),
    }
    monkeypatch.setattr(
        rewards,
        "entry_points",
        lambda group, name: [installed[name]] if group == "ace.rewards" else [],
    )
    assert parse({"custom": {"name": "thrift"}})(SOLVED) == -2500
    with pytest.raises(InvalidReward, match="cannot be loaded: no module"):
        parse({"custom": {"name": "broken"}})
