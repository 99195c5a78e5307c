"""Paired comparisons by hand and by simulation, and what may be said of a row of them."""

import numpy as np
import pytest

from training.engine.evaluation import best, compare, holds_up, sign_flip_p

RNG = np.random.default_rng(0)


def test_a_comparison_by_hand():
    # Task means .5, 1, 1, .75 against 0, .5, 1, .25; tries per task and their order differ.
    scores = np.array([0.0, 1, 1, 1, 1, 1, 1, 0])
    tasks = np.array([7, 7, 2, 3, 5, 5, 5, 5])
    baseline, others = np.array([1.0, 0, 0, 0.5, 0, 0.25]), np.array([3, 7, 7, 2, 5, 5])
    found = compare(scores, tasks, baseline, others, RNG)
    differences = np.array([0.5, 0.0, 0.625, 0.5])  # tasks 2, 3, 5, 7
    assert (found.score, found.baseline) == (0.8125, 0.40625)
    assert found.difference == pytest.approx(differences.mean())
    half = 3.18244630528 * differences.std(ddof=1) / 2  # t with 3 degrees of freedom
    assert found.interval == pytest.approx((differences.mean() - half, differences.mean() + half))
    assert found.p_value == 2 / 8
    assert found.error == pytest.approx(np.std([1, 1, 0.75, 0.5], ddof=1) / 2)
    assert found.tasks == 4


def test_a_policy_like_the_baseline_is_no_difference():
    scores, tasks = np.array([1.0, 0, 1]), np.arange(3)
    found = compare(scores, tasks, scores, tasks, RNG)
    assert (found.difference, found.interval, found.p_value) == (0.0, (0.0, 0.0), 1.0)


def test_sampled_signs_agree_with_counted_ones():
    differences = np.random.default_rng(1).normal(0.2, 1, 16)  # more than are counted
    signs = 1 - 2 * ((np.arange(2**16)[:, None] >> np.arange(16)) & 1)
    counted = (np.abs(signs @ differences) >= abs(differences.sum()) - 1e-9).mean()
    sampled = sign_flip_p(differences, np.random.default_rng(2))
    assert sampled == pytest.approx(counted, abs=0.015)
    assert sampled == sign_flip_p(differences, np.random.default_rng(2))
    few = differences[:10]
    counted = (np.abs(signs[: 2**10, :10] @ few) >= abs(few.sum()) - 1e-9).mean()
    assert sign_flip_p(few, RNG) == pytest.approx(counted)


def test_under_no_difference_both_answers_err_as_often_as_they_say():
    rng = np.random.default_rng(3)
    rejected = missed = 0
    for _ in range(400):
        level = rng.random(16)
        scores = (rng.random((2, 16, 4)) < level[:, None]).astype(float)
        found = compare(scores[0].ravel(), np.repeat(np.arange(16), 4), scores[1].ravel(),
                        np.repeat(np.arange(16), 4), rng)  # fmt: skip
        rejected += found.p_value <= 0.05
        missed += not found.interval[0] <= 0 <= found.interval[1]
    assert 4 <= rejected <= 33  # of 400; 20 are expected
    assert 6 <= missed <= 36


def test_what_cannot_be_paired_is_refused():
    two = np.array([0.0, 1.0])
    with pytest.raises(ValueError, match="same tasks"):
        compare(two, np.array([0, 1]), two, np.array([0, 2]), RNG)
    with pytest.raises(ValueError, match="at least two tasks"):
        compare(two, np.array([0, 0]), two, np.array([0, 0]), RNG)
    with pytest.raises(ValueError, match="finite"):
        compare(np.array([np.nan, 1]), np.array([0, 1]), two, np.array([0, 1]), RNG)


def test_the_best_is_the_latest_of_equals():
    assert best([0.1, 0.5, 0.5, 0.2]) == 2


def test_the_last_evaluation_holds_up_within_two_errors_of_the_best():
    assert holds_up([(0.5, 0.1), (0.8, 0.04), (0.73, 0.01)])
    assert not holds_up([(0.5, 0.1), (0.8, 0.04), (0.71, 0.3)])
    assert holds_up([(0.2, 0.0)])
    with pytest.raises(ValueError, match="no evaluation"):
        holds_up([])
