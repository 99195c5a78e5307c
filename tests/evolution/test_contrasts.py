import numpy as np
import pytest

from evolution.contrasts import compare
from evolution.stats import stratified_rates, tables


def arrays(seed, count=120, groups=30):
    rng = np.random.default_rng(seed)
    group = rng.integers(0, groups, count)
    block = rng.integers(0, 3, count)
    at_risk = rng.random((count, 5)) < 0.8
    followed = (rng.random((count, 5)) < 0.5) & at_risk
    return rng.random(count) < 0.5, at_risk, followed, group, block


def test_single_runs_are_compared_between_groups_only():
    success, at_risk, followed, _, block = arrays(1)
    found = compare(success, at_risk, followed, np.arange(120), block)
    assert not found.within.information.any()
    assert not found.is_within.any()
    for column in range(5):
        rows = at_risk[:, column]
        counts = tables(success[rows], followed[rows, column], block[rows])
        rate, other = stratified_rates(counts)
        lift = found.between.gain[column] / found.between.information[column]
        assert lift == pytest.approx(rate - other)
        assert found.between.variance[column] == pytest.approx(counts.variance.sum())


def test_conduct_that_varies_inside_groups_is_compared_there():
    success, at_risk, followed, group, block = arrays(2, count=400, groups=8)
    found = compare(success, at_risk, followed, group, block)
    assert found.is_within.all()
    for column in range(5):
        rows = at_risk[:, column]
        unit = block[rows] * 100 + group[rows]
        rate, other = stratified_rates(tables(success[rows], followed[rows, column], unit))
        lift = found.within.gain[column] / found.within.information[column]
        assert lift == pytest.approx(rate - other)


def test_without_an_effect_scores_are_standard():
    scores = np.concatenate([compare(*arrays(seed)).overall.z for seed in range(200)])
    assert scores.mean() == pytest.approx(0, abs=0.1)
    assert 0.8 < scores.std() < 1.05


def test_scores_of_disjoint_runs_add_up():
    success, at_risk, followed, group, block = arrays(3)
    group, half = group + 30 * block, block == 0  # no group in two blocks
    whole = compare(success, at_risk, followed, group, block)
    parts = [
        compare(success[rows], at_risk[rows], followed[rows], group[rows], block[rows])
        for rows in (half, ~half)
    ]
    assert (parts[0] + parts[1]).overall.gain == pytest.approx(whole.overall.gain)


def test_a_lesson_that_nobody_was_a_case_for_scores_nothing():
    success, at_risk, followed, group, block = arrays(4)
    nobody = np.zeros_like(at_risk)
    assert not compare(success, nobody, nobody & followed, group, block).overall.z.any()
