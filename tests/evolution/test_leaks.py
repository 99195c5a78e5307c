import numpy as np

from evolution.leaks import early, entry_situation, length_auc, view
from evolution.runs import Run, Step


def run(number, success, tools, errors=()):
    steps = tuple(
        Step(tool, "{}", "no such row 7" if place in errors else None)
        for place, tool in enumerate(tools)
    )
    return Run(f"t{number}", f"g{number % 7}", None, None, success, steps)


def stopping_at_success(count):
    rng = np.random.default_rng(1)
    runs = []
    for number in range(count):
        success = bool(rng.random() < 0.5)
        runs.append(run(number, success, ["try"] * (int(rng.integers(1, 6)) if success else 8)))
    return runs


def test_a_loop_that_stops_on_success_is_seen_by_its_early_steps():
    seen = view(stopping_at_success(100), horizon=2)
    assert seen.horizon == 2
    assert all(len(kept.steps) == 2 for kept in seen.runs)


def test_runs_that_had_ended_by_then_are_not_compared():
    runs = stopping_at_success(100)
    ended = {r.trace_id for r in runs if len(r.steps) <= 2}
    assert ended
    assert ended.isdisjoint(r.trace_id for r in view(runs, horizon=2).runs)


def test_where_length_says_little_runs_are_seen_whole():
    rng = np.random.default_rng(2)
    runs = [run(n, bool(rng.random() < 0.5), ["a"] * int(rng.integers(2, 9))) for n in range(100)]
    assert view(runs, horizon=2).runs == tuple(runs)
    assert view(runs, horizon=2).horizon is None


def test_a_handful_of_runs_is_no_proof_of_a_leak():
    assert view(stopping_at_success(10), horizon=2).horizon is None


def test_equal_lengths_tell_nothing():
    assert length_auc([run(n, n % 2 == 0, ["a", "b"]) for n in range(10)]) == 0.5
    assert length_auc([run(0, True, ["a"])]) == 0.5


def test_the_situation_is_the_error_met_first():
    assert entry_situation(run(0, True, ["a", "b"], errors=[0]).steps) == "no such row <>"
    assert entry_situation(run(0, True, ["a", "b"], errors=[1]).steps) == ""
    assert entry_situation(()) == ""


def test_tools_that_half_of_the_runs_call_later_are_usual():
    runs = [run(n, True, ["look", "try", "rare" if n == 0 else "try"]) for n in range(4)]
    assert early(runs, 2).usual == {"look", "try"}
