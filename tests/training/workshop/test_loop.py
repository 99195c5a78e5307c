"""The closed loop: learning raises success on unseen cases, and the controls show no gain."""

from functools import cache
from statistics import fmean

import pytest

from training.workshop.audit import audit_lessons
from training.workshop.loop import closed_loop
from training.workshop.world import World

SEEDS = range(300, 308)
ROUNDS = 6  # 1,200 runs; the bars are promised for 2,000


# Which lines run is measured by other tests: noting it takes a third of these ones' time.
pytestmark = pytest.mark.no_cover


@cache
def results():
    return {seed: closed_loop(seed, ROUNDS) for seed in SEEDS}


def test_success_on_unseen_cases_rises_from_four_in_ten_to_more_than_eight():
    first = [result.success[0] for result in results().values()]
    last = [result.success[-1] for result in results().values()]

    assert 0.36 <= fmean(first) <= 0.44
    assert fmean(last) >= 0.85
    assert min(last) >= 0.75


def test_most_applied_lessons_help_and_next_to_none_harm():
    verdicts = [
        row.verdict
        for seed in list(SEEDS)[:2]
        for row in audit_lessons(
            World(seed), results()[seed].applied, World(seed).tasks(2_000_000, 700)
        )
    ]

    assert verdicts.count("helps") >= 0.70 * len(verdicts)
    assert verdicts.count("harms") <= 0.05 * len(verdicts)


def test_a_deaf_agent_gains_nothing():
    for seed in (300, 301):
        success = closed_loop(seed, 4, obey=False).success
        assert set(success) == {success[0]}


def test_a_foreign_world_gains_nothing():
    gains = [
        result.success[-1] - result.success[0]
        for result in (closed_loop(seed, 4, foreign=True) for seed in (300, 301, 302))
    ]

    assert fmean(gains) <= 0.02


def test_shuffled_outcomes_teach_nothing():
    for seed in (300, 301):
        result = closed_loop(seed, 4, shuffle=True)
        assert result.applied == ()


def test_a_loop_is_repeatable():
    assert closed_loop(5, 2) == closed_loop(5, 2)
