"""Logs of another policy: warm starts, doubly robust values, and refusals."""

from dataclasses import replace

import numpy as np
import pytest

from training.engine.off_policy import Log, NotExplored, evaluate, warm_start
from training.engine.policy import Contexts
from training.engine.shrinkage import Outcomes

EFFECTS = np.array([[0.25, -0.25, 0.25, 0.0], [0.25, -0.25, -0.25, 0.0]])


def logged(rng, tasks=300, size=2, chance=0.9, noise=True):
    types = np.repeat(rng.integers(0, 2, tasks), size)
    groups = np.repeat(np.arange(tasks), size)
    chances = np.full((tasks * size, 4), chance)
    bullets = rng.random(chances.shape) < chances
    easy = rng.normal(0, 0.1, tasks)[groups]
    odds = 0.5 + easy + (EFFECTS[types] * (bullets - 0.5)).sum(axis=1)
    rewards = (rng.random(len(odds)) < odds).astype(float) if noise else odds
    return Log(Outcomes(types, groups, bullets, rewards), chances)


def truth(chances):
    """The value of letting bullets in with (4,), over both types."""
    return 0.5 + (EFFECTS * (chances - 0.5)).sum(axis=1).mean()


def test_a_warm_start_lets_in_what_helps_in_each_type():
    policy = warm_start(logged(np.random.default_rng(0), tasks=600), 2)
    best = policy.best(Contexts(np.array([0, 1, -1]))).bullets
    assert best[:2, :3].tolist() == [[True, False, True], [True, False, False]]
    assert best[2, :2].tolist() == [True, False]
    chances = policy.probabilities(np.array([0, 1]))
    assert chances.min() >= 0.1 - 1e-9
    assert chances.max() <= 0.9 + 1e-9


def test_a_bullet_that_was_always_in_stays_open():
    log = logged(np.random.default_rng(1))
    bullets, chances = log.outcomes.bullets.copy(), log.propensities.copy()
    bullets[:, 2], chances[:, 2] = True, 1.0
    log = Log(replace(log.outcomes, bullets=bullets), chances)
    assert log.explored.tolist() == [True, True, False, True]
    assert warm_start(log, 2).probabilities(np.array([0, 1, -1]))[:, 2] == pytest.approx(0.5)


def test_deterministic_logs_are_refused():
    log = logged(np.random.default_rng(2), chance=1.0)
    with pytest.raises(NotExplored, match="not explored: in these logs no bullet"):
        warm_start(log, 2)
    with pytest.raises(NotExplored, match="not decide over bullet 0, 1, 2, 3"):
        evaluate(log, np.full((600, 4), 0.5), 2)


def test_the_value_of_the_logged_policy_is_the_mean_outcome():
    log = logged(np.random.default_rng(3), chance=0.5)
    found = evaluate(log, log.propensities, 2)
    assert found.weighted == pytest.approx(log.outcomes.rewards.mean())
    assert found.value == pytest.approx(log.outcomes.rewards.mean(), abs=0.01)
    assert found.effective_rows == pytest.approx(600)
    assert found.cut == 0


def test_weights_and_effective_rows_by_hand():
    # One bullet at one half: the policy at 3/4 has weights 3/2 and 1/2.
    bullets = np.tile([[True], [False]], (20, 1))
    rewards = np.tile([1.0, 0.0], 20)
    log = Log(Outcomes(np.zeros(40, int), np.arange(40), bullets, rewards), np.full((40, 1), 0.5))
    found = evaluate(log, np.full((40, 1), 0.75), 1)
    assert found.weighted == pytest.approx(0.75)
    assert found.effective_rows == pytest.approx(40**2 / (20 * 2.25 + 20 * 0.25))
    assert found.value == pytest.approx(0.75, abs=0.01)


def test_intervals_hold_the_truth_as_often_as_they_say():
    chances = np.array([0.7, 0.3, 0.5, 0.5])
    held, widths = 0, []
    for seed in range(60):
        found = evaluate(
            logged(np.random.default_rng(seed), 120, 2, 0.5), np.tile(chances, (240, 1)), 2
        )
        low, high = found.interval
        held += low <= truth(chances) <= high
        widths.append(high - low)
    assert held >= 53  # of 60; 57 are expected
    assert np.mean(widths) < 0.3


def test_the_outcome_model_makes_the_value_sharper_than_weights_alone():
    chances = np.array([0.8, 0.2, 0.5, 0.5])
    misses = []
    for seed in range(20):
        log = logged(np.random.default_rng(seed), 120, 2, 0.5, noise=False)
        found = evaluate(log, np.tile(chances, (240, 1)), 2)
        misses.append([found.value - truth(chances), found.weighted - truth(chances)])
    robust, weighted = np.sqrt(np.mean(np.square(misses), axis=0))
    assert robust < 0.8 * weighted


def test_a_policy_far_from_the_logs_is_refused():
    log = logged(np.random.default_rng(4), tasks=50, chance=0.95)
    with pytest.raises(NotExplored, match="are worth"):
        evaluate(log, np.full((100, 4), 0.0), 2)


def test_logs_of_a_single_task_are_refused():
    log = logged(np.random.default_rng(5), tasks=1, size=40, chance=0.5)
    with pytest.raises(NotExplored, match="one task"):
        evaluate(log, log.propensities, 2)


def test_propensities_that_cannot_be_are_refused():
    log = logged(np.random.default_rng(6), tasks=5)
    with pytest.raises(ValueError, match="between 0 and 1"):
        Log(log.outcomes, log.propensities + 1)
    with pytest.raises(ValueError, match="rules out"):
        Log(log.outcomes, np.where(log.outcomes.bullets, 0.0, 0.5))
    with pytest.raises(ValueError, match="needs a propensity"):
        Log(log.outcomes, log.propensities[:, :2])


def test_equal_outcomes_support_no_bullet():
    log = logged(np.random.default_rng(7))
    flat = replace(log.outcomes, rewards=np.full(600, 0.1))
    policy = warm_start(Log(flat, log.propensities), 2)
    assert (policy.parameters == 0).all()
