"""The simulated bullets: a truth that is one, learners that learn from it, the same twice."""

import numpy as np
import pytest

from bench.bullet_world import BULLETS, TYPES, make_world
from bench.bullets import ANSWER, RIVALS, WARM, leave_out_log, measure, paired, train

SEEDS = range(500, 504)


@pytest.fixture(scope="module")
def scores():
    return measure(SEEDS)


def test_the_answer_and_the_warm_start_are_well_above_all_bullets_on(scores):
    assert paired(scores[ANSWER], scores["all on"]).difference > 0.15
    assert paired(scores[WARM], scores["all on"]).difference > 0.1


def test_nobody_beats_the_oracle(scores):
    oracle = np.array(scores["oracle"])
    for name in (*RIVALS, ANSWER, WARM, "best single mask"):
        assert (np.array(scores[name]) < oracle).all()


def test_every_learner_learns(scores):
    for name in RIVALS:
        assert np.mean(scores[name]) > np.mean(scores["none"]) + 0.1


def test_the_computed_success_is_that_of_many_runs():
    world, rng = make_world(7), np.random.default_rng(0)
    masks = rng.random((TYPES, BULLETS)) < 0.5
    types, difficulty = rng.integers(0, TYPES, 100_000), rng.normal(0, 2.0, 100_000)
    success = world.run(types, difficulty, masks[types], rng)
    assert success.mean() == pytest.approx(world.success(masks), abs=0.007)


def test_flipping_any_one_bullet_does_not_improve_the_oracle():
    world = make_world(8)
    best = world.oracle()
    for bullet in range(BULLETS):
        other = best.copy()
        other[:, bullet] ^= True
        gain = world.logits(np.arange(TYPES), other) - world.logits(np.arange(TYPES), best)
        assert gain.max() <= 1e-12


def test_every_learner_has_the_same_number_of_trajectories_and_the_same_seed_repeats_them():
    world = make_world(9)
    policy, log = train(world, 400, np.random.default_rng(1))
    again, same = train(world, 400, np.random.default_rng(1))
    assert len(log.outcomes.rewards) == 400
    assert policy.to_bytes() == again.to_bytes()
    assert (log.outcomes.bullets == same.outcomes.bullets).all()
    logged = leave_out_log(world, 400, np.random.default_rng(2))
    assert logged.outcomes.bullets.mean() == pytest.approx(0.9, abs=0.01)
