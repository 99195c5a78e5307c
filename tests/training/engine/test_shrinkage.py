"""Shrunken effects: the algebra against the plain formula, and what they find."""

import numpy as np
import pytest

from training.engine.shrinkage import Outcomes, fit, posterior, sums


def drawn(rng, tasks=60, size=6, effects=None, difficulty=0.3):
    effects = np.array([[0.3, -0.2, 0.0], [0.3, 0.2, 0.0]]) if effects is None else effects
    kinds = rng.integers(0, len(effects), tasks)
    types, groups = np.repeat(kinds, size), np.repeat(np.arange(tasks), size)
    bullets = rng.random((tasks * size, effects.shape[1])) < 0.5
    level = 0.4 + rng.normal(0, difficulty, tasks)[groups]
    rewards = level + (effects[types] * bullets).sum(axis=1) + rng.normal(0, 0.2, tasks * size)
    return Outcomes(types, groups, bullets, rewards)


def test_beliefs_equal_those_of_one_large_ridge_regression():
    rng = np.random.default_rng(0)
    types, columns, rewards = rng.integers(-1, 2, 40), rng.normal(size=(40, 3)), rng.normal(size=40)
    overall, deviation = np.array([0.5, 0.2, 1.0]), np.array([0.1, 0.3, 0.7])
    belief = posterior(sums(types, columns, rewards, 2), 0.4, overall, deviation)
    wide = np.hstack([columns, *((types == t)[:, None] * columns for t in range(2))])
    precision = wide.T @ wide / 0.4 + np.diag(1 / np.concatenate([overall, deviation, deviation]))
    covariance = np.linalg.inv(precision)
    mean = covariance @ wide.T @ rewards / 0.4
    assert belief.overall == pytest.approx(mean[:3])
    assert belief.by_type == pytest.approx(mean[:3] + mean[3:].reshape(2, 3))
    assert belief.covariance == pytest.approx(covariance[:3, :3])
    both = np.hstack([np.eye(3), np.eye(3), np.zeros((3, 3))])  # effects in type 0
    assert belief.spreads[0] == pytest.approx(both @ covariance @ both.T)


def test_draws_have_the_mean_and_the_variance_of_the_beliefs():
    rng = np.random.default_rng(1)
    data = sums(rng.integers(0, 2, 30), rng.normal(size=(30, 2)), rng.normal(size=30), 2)
    belief = posterior(data, 1.0, np.array([1.0, 0.5]), np.array([0.3, 0.3]))
    drawn_effects = belief.draw(20_000, rng)
    assert drawn_effects.mean(axis=0) == pytest.approx(belief.by_type, abs=0.02)
    assert drawn_effects.var(axis=0) == pytest.approx(
        np.diagonal(belief.spreads, axis1=1, axis2=2), rel=0.06
    )


def test_effects_of_types_and_levels_are_found():
    found = fit(drawn(np.random.default_rng(2)), 2)
    assert found.by_type == pytest.approx(np.array([[0.3, -0.2, 0], [0.3, 0.2, 0]]), abs=0.07)
    assert found.levels == pytest.approx(0.4, abs=0.2)
    assert found.noise == pytest.approx(0.2**2, rel=0.25)


def test_effects_without_any_signal_are_shrunk_to_nothing():
    none = fit(drawn(np.random.default_rng(3), effects=np.zeros((4, 10))), 4)
    some = fit(drawn(np.random.default_rng(3), effects=np.full((4, 10), 0.2)), 4)
    assert np.abs(none.by_type).max() < 0.03
    assert some.by_type.min() > 0.13


def test_repeats_of_a_task_take_its_difficulty_out():
    def miss(size, tasks):
        return np.mean(
            [
                np.abs(fit(drawn(np.random.default_rng(seed), tasks, size), 2).by_type[:, 0] - 0.3)
                for seed in range(12)
            ]
        )

    assert miss(size=6, tasks=40) < 0.8 * miss(size=1, tasks=240)


def test_predictions_add_up_and_an_unknown_type_gets_the_overall_effects():
    found = fit(drawn(np.random.default_rng(4)), 2)
    chances = np.array([[1.0, 0.5, 0.0], [1.0, 0.5, 0.0]])
    known = found.levels[1] + found.by_type[1, 0] + found.by_type[1, 1] / 2
    unknown = found.level + found.overall[0] + found.overall[1] / 2
    assert found.predict(np.array([1, -1]), chances) == pytest.approx([known, unknown])


def test_outcomes_that_do_not_fit_together_are_refused():
    with pytest.raises(ValueError, match="2 outcomes need"):
        Outcomes(np.zeros(2, int), np.zeros(1, int), np.ones((2, 1), bool), np.ones(2))
    with pytest.raises(ValueError, match="not a finite"):
        Outcomes(np.zeros(1, int), np.zeros(1, int), np.ones((1, 1), bool), np.array([np.nan]))
    with pytest.raises(ValueError, match="no outcome"):
        Outcomes(np.zeros(0, int), np.zeros(0, int), np.ones((0, 1), bool), np.zeros(0))
