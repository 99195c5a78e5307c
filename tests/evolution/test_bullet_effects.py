"""What a bullet is worth: like compared with like, or an honest "too few to say"."""

import numpy as np
import pytest

from evolution.bullet_effects import ENOUGH_USES, NOTHING, measure, stratified
from evolution.intervals import Share, newcombe
from evolution.stats import Tables


def runs(count, seed=0, *, effect=0.0, hard=0.0):
    """Draw runs of two task types, the second harder by `hard`, that use one bullet by chance."""
    rng = np.random.default_rng(seed)
    kind = rng.integers(0, 2, count)
    used = rng.random(count) < np.where(kind == 1, 0.7, 0.3)
    success = rng.random(count) < 0.6 - hard * kind + effect * used
    return used[:, None], success, kind, np.arange(count)


def test_few_uses_are_too_few_to_say():
    uses, success, kind, group = runs(80)
    [effect] = measure(uses, success, kind, group)
    assert effect.used.runs < ENOUGH_USES
    assert effect.said == f"{effect.used.runs} of {ENOUGH_USES} uses, too few to say"
    assert not effect.is_known
    assert not effect.is_harmful


def test_a_bullet_that_harms_has_an_interval_wholly_below_zero():
    [effect] = measure(*runs(2_000, effect=-0.2))
    assert effect.overall is not None
    assert effect.overall.low < -0.2 < effect.overall.high < 0
    assert effect.is_harmful


def test_a_bullet_of_hard_tasks_is_not_taken_for_a_harmful_one():
    uses, success, kind, group = runs(4_000, hard=0.4)
    [effect] = measure(uses, success, kind, group)
    naive = newcombe(effect.used, effect.unused)
    assert naive is not None
    assert naive.high < 0
    assert effect.overall is not None
    assert effect.overall.low < 0 < effect.overall.high
    assert not effect.is_harmful


def test_within_tasks_a_bullet_may_be_cleared_of_what_tasks_did():
    rng = np.random.default_rng(1)
    group = np.repeat(np.arange(400), 4)
    hard = rng.random(400) < 0.5
    used = rng.random(1_600) < np.where(hard[group], 0.8, 0.2)
    success = rng.random(1_600) < np.where(hard[group], 0.2, 0.8)
    [effect] = measure(used[:, None], success, np.zeros(1_600, int), group)
    assert effect.overall is not None
    assert effect.overall.high < 0
    assert effect.within is not None
    assert effect.within.low < 0 < effect.within.high


def test_a_bullet_that_every_run_used_has_nothing_to_be_compared_with():
    used = np.ones((100, 1), dtype=bool)
    outcomes = np.arange(100) % 2 == 0
    [effect] = measure(used, outcomes, np.zeros(100, int), np.arange(100))
    assert effect.overall is None
    assert effect.said == "no run of the same kind went without it"


def test_by_chance_alone_hardly_any_bullet_is_called_harmful():
    rng = np.random.default_rng(7)
    uses = rng.random((1_000, 200)) < 0.3
    success = rng.random(1_000) < 0.5
    effects = measure(uses, success, rng.integers(0, 3, 1_000), np.arange(1_000))
    assert sum(effect.is_harmful for effect in effects) <= 1
    assert sum(effect.overall.high < 0 for effect in effects if effect.overall) >= 1


def test_one_stratum_gives_the_interval_of_two_plain_shares():
    def column(value):
        return np.array([value])

    found = stratified(Tables(column(60), column(20), column(80), column(50)))
    expected = newcombe(Share(20, 60), Share(50, 80))
    assert found is not None
    assert expected is not None
    assert (found.value, found.low, found.high) == pytest.approx(
        (expected.value, expected.low, expected.high)
    )


def test_no_bullets_and_no_runs_are_no_error():
    none = np.zeros(0, dtype=int)
    assert measure(np.zeros((0, 0), dtype=bool), none.astype(bool), none, none) == []
    [effect] = measure(np.zeros((0, 1), dtype=bool), none.astype(bool), none, none)
    assert effect == NOTHING
    assert effect.said == "not used yet"
