import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats as referee

from evolution.stats import (
    Prior,
    Tables,
    Units,
    benjamini_hochberg,
    cluster_bootstrap,
    exact_p,
    fit_prior,
    permutation_p,
    resampling_weights,
    runs_needed,
    sign_confidence,
    stratified_rates,
    tables,
)

counts = st.integers(0, 12)


def table(*blocks):
    """Build tables from (successes, runs, other successes, other runs) per block."""
    wins, runs, others, other_runs = np.array(blocks).T
    return Tables(runs, wins, other_runs, others)


@given(counts, counts, counts, counts)
def test_one_block_is_fishers_exact_test(wins, losses, other_wins, other_losses):
    ours = exact_p(table((wins, wins + losses, other_wins, other_wins + other_losses)))
    theirs = referee.fisher_exact(
        [[wins, losses], [other_wins, other_losses]], alternative="greater"
    )
    assert ours == pytest.approx(theirs.pvalue, abs=1e-9)


def test_several_blocks_agree_with_permuting_inside_them():
    rng = np.random.default_rng(1)
    block = np.repeat(np.arange(12), 7)
    success, followed = rng.random(84) < 0.5, rng.random(84) < 0.4
    observed = (success & followed).sum()
    beaten = 0
    for _ in range(4000):
        shuffled = success.copy()
        for number in range(12):
            shuffled[block == number] = rng.permutation(success[block == number])
        beaten += (shuffled & followed).sum() >= observed
    assert exact_p(tables(success, followed, block)) == pytest.approx(beaten / 4000, abs=0.03)


def test_p_values_without_an_effect_are_no_smaller_than_they_claim():
    rng = np.random.default_rng(2)
    block = np.repeat(np.arange(10), 12)
    found = [
        exact_p(tables(rng.random(120) < 0.5, rng.random(120) < 0.5, block)) for _ in range(600)
    ]
    for level in (0.01, 0.05, 0.2):
        assert np.mean(np.array(found) <= level) <= level + 2.5 * np.sqrt(level / 600)


def test_groups_of_one_run_need_no_sampling():
    rng = np.random.default_rng(3)
    mean = (rng.random(60) < 0.4).astype(float)
    followed, block = rng.random(60) < 0.5, np.arange(60) % 3
    units = Units(mean, np.ones(60, dtype=np.int64), followed, block)
    assert permutation_p(units, 5, rng) == exact_p(tables(mean > 0.5, followed, block))


def test_whole_groups_of_unlike_size_are_exchanged():
    rng = np.random.default_rng(4)
    size = rng.integers(1, 9, 24)
    followed = np.arange(24) % 2 == 0
    lifted = np.clip(rng.random(24) * 0.4 + 0.6 * followed, 0, 1)
    level = np.clip(rng.random(24), 0, 1)
    block = np.zeros(24, dtype=np.int64)
    assert permutation_p(Units(lifted, size, followed, block), 5000, rng) < 0.01
    assert permutation_p(Units(level, size, followed, block), 5000, rng) > 0.01


@given(st.lists(st.floats(0, 1), min_size=1, max_size=40))
def test_q_values_agree_with_the_referee(p_values):
    ours = benjamini_hochberg(np.array(p_values))
    assert ours == pytest.approx(referee.false_discovery_control(p_values), abs=1e-12)


@given(st.lists(st.tuples(counts, counts, counts, counts), min_size=1, max_size=8))
def test_stratified_rates_never_leave_the_unit_interval(rows):
    found = table(*[(min(a, b), b, min(c, d), d) for a, b, c, d in rows])
    rate, other = stratified_rates(found)
    if found.weights.any():
        assert -1e-12 <= rate <= 1 + 1e-12
        assert -1e-12 <= other <= 1 + 1e-12
    else:
        assert np.isnan(rate)
        assert np.isnan(other)


def test_the_bootstrap_spreads_as_wide_as_the_sampling():
    rng = np.random.default_rng(5)

    def draw():
        group = np.repeat(np.arange(80), 3)
        followed = rng.random(240) < 0.5
        luck = rng.normal(0, 0.2, 80)[group]
        return group, followed, rng.random(240) < np.clip(0.4 + 0.2 * followed + luck, 0, 1)

    lifts = []
    for _ in range(300):
        _, followed, success = draw()
        lifts.append(success[followed].mean() - success[~followed].mean())
    group, followed, success = draw()
    weights = resampling_weights(80, 500, rng)
    resampled = cluster_bootstrap(success, followed, np.zeros(240, dtype=int), group, weights)
    assert resampled.std() == pytest.approx(np.std(lifts), rel=0.25)


def test_resamples_draw_as_many_groups_as_there_are():
    weights = resampling_weights(7, 50, np.random.default_rng(6))
    assert weights.shape == (50, 7)
    assert (weights.sum(axis=1) == 7).all()


def test_the_prior_finds_mean_and_spread():
    rng = np.random.default_rng(7)
    errors = np.full(400, 0.1)
    lifts = rng.normal(0.15, 0.2, 400) + rng.normal(0, 0.1, 400)
    prior = fit_prior(lifts, errors)
    assert prior.mean == pytest.approx(0.15, abs=0.04)
    assert prior.spread == pytest.approx(0.2, abs=0.04)


def test_the_prior_never_expects_a_loss():
    assert fit_prior(np.array([-0.4, -0.5]), np.array([0.1, 0.1])).mean == 0.0


def test_confidence_is_calibrated_where_its_assumptions_hold():
    rng = np.random.default_rng(8)
    truth = rng.normal(0.1, 0.15, 3000)
    noise = rng.normal(0, 0.12, (3, 3000)) / np.array([[1], [1], [np.sqrt(1.5)]])
    score = (truth + noise[0]) / 0.12
    prior = Prior(0.1, 0.0, 0.15)
    stated = np.array(
        [
            sign_confidence(lift, 0.12, seen, prior, 1.0)
            for lift, seen in zip(truth + noise[1], score, strict=True)
        ]
    )
    again = truth + noise[2] > 0
    for low in (0.3, 0.5, 0.7, 0.9):
        inside = (stated >= low) & (stated < low + 0.1)
        assert stated[inside].mean() == pytest.approx(again[inside].mean(), abs=0.09)


def test_confidence_is_capped():
    assert sign_confidence(0.9, 0.01, 9.0, Prior(0.5, 0.0, 0.3), 0.95) == 0.95


def test_runs_needed_grow_with_the_square_of_the_error():
    few = runs_needed(0.2, 0.1, 100, 0.05, 0.8)
    many = runs_needed(0.2, 0.2, 100, 0.05, 0.8)
    assert few == 155  # 100 * ((1.645 + 0.842) * 0.1 / 0.2) ** 2
    assert many == pytest.approx(4 * few, rel=0.01)


@pytest.mark.parametrize("lift", [0.0, -0.1])
def test_no_number_of_runs_shows_a_gain_that_is_not_there(lift):
    assert runs_needed(lift, 0.1, 100, 0.05, 0.8) is None
