"""Stratified masks: even inside a group, exact for each trajectory, independent across bullets."""

import numpy as np
import pytest

from tests.training.engine.policies import moved
from training.engine.masks import stratified
from training.engine.policy import ContextPolicy, Contexts, logit


def policy_with(chances):
    policy = ContextPolicy(len(chances), 0)
    policy.parameters = logit(np.array(chances))
    return policy


@pytest.mark.parametrize("size", [1, 2, 7, 8, 16])
def test_every_group_has_the_floor_or_the_ceiling_of_its_share(size):
    policy = moved(ContextPolicy(12, 3), np.random.default_rng(0), scale=2)
    groups = Contexts(np.tile([0, 1, 2, -1], 100))
    batch = stratified(policy, groups, size, np.random.default_rng(1))
    counts = batch.bullets.reshape(400, size, 12).sum(axis=1)
    share = policy.probabilities(groups.types) * size
    assert ((counts == np.floor(share)) | (counts == np.ceil(share))).all()


def test_each_trajectory_lets_a_bullet_in_as_likely_as_its_policy_says():
    chances = np.array([0.06, 0.3, 0.5, 0.77, 0.94])
    batch = stratified(
        policy_with(chances), Contexts(np.full(20_000, -1)), 4, np.random.default_rng(2)
    )
    by_place = batch.bullets.reshape(20_000, 4, 5).mean(axis=0)  # (4, 5)
    assert by_place == pytest.approx(np.tile(chances, (4, 1)), abs=4 * np.sqrt(0.25 / 20_000))
    logged = np.exp(policy_with(chances).log_prob(batch))
    pattern = batch.bullets @ (1 << np.arange(5))
    for mask in np.unique(pattern[logged > 0.05]):
        rows = pattern == mask
        assert rows.mean() == pytest.approx(logged[rows][0], abs=0.01)


def test_bullets_of_one_trajectory_do_not_depend_on_each_other():
    batch = stratified(
        policy_with([0.3] * 6), Contexts(np.full(10_000, -1)), 8, np.random.default_rng(3)
    )
    correlations = np.corrcoef(batch.bullets.T) - np.eye(6)
    assert np.abs(correlations).max() < 5 / np.sqrt(80_000)


def test_inside_a_group_a_bullet_avoids_itself():
    batch = stratified(
        policy_with([0.5]), Contexts(np.full(5_000, -1)), 4, np.random.default_rng(4)
    )
    first, second = batch.bullets.reshape(5_000, 4).T[:2]
    assert np.corrcoef(first, second)[0, 1] == pytest.approx(-1 / 3, abs=0.05)


def test_heads_are_spread_like_bullets():
    rng = np.random.default_rng(5)
    policy = moved(ContextPolicy(2, 2, heads={"prompt": 3, "route": 2}), rng)
    groups = Contexts(rng.integers(0, 2, 2_000))
    batch = stratified(policy, groups, 8, rng)
    for name, options in policy.head_probabilities(groups).items():
        chosen = batch.heads[name].reshape(2_000, 8)
        counts = np.stack([(chosen == k).sum(axis=1) for k in range(options.shape[1])], axis=1)
        assert np.abs(counts - 8 * options).max() < 2
        assert counts.mean(axis=0) / 8 == pytest.approx(options.mean(axis=0), abs=0.01)


def test_features_of_a_task_go_to_all_its_trajectories():
    rng = np.random.default_rng(6)
    policy = moved(ContextPolicy(3, 2, 2), rng)
    seen = Contexts(np.array([0, 1]), np.array([[1.0, 2.0], [3.0, 4.0]]))
    batch = stratified(policy, seen, 3, rng)
    assert batch.contexts.types.tolist() == [0, 0, 0, 1, 1, 1]
    assert batch.contexts.features[:, 0].tolist() == [1, 1, 1, 3, 3, 3]


def test_the_same_random_state_gives_the_same_masks():
    policy, seen = policy_with([0.2, 0.8]), Contexts(np.full(9, -1))
    first, second = (stratified(policy, seen, 4, np.random.default_rng(7)) for _ in range(2))
    assert (first.bullets == second.bullets).all()


def test_the_gradient_with_a_group_baseline_points_where_the_reward_grows():
    # For additive rewards and whole pG the expected centred gradient is the true one, not
    # (G - 1) / G of it as for independent masks.
    policy = policy_with([0.5, 0.25, 0.75])
    worth, rng = np.array([0.3, -0.2, 0.1]), np.random.default_rng(8)
    batch = stratified(policy, Contexts(np.full(20_000, -1)), 4, rng)
    rewards = (batch.bullets @ worth).reshape(-1, 4)
    centred = (rewards - rewards.mean(axis=1, keepdims=True)).ravel()
    found = policy.grad(batch, centred / len(batch))
    share = (np.array([0.5, 0.25, 0.75]) - 0.05) / 0.9
    assert found == pytest.approx(worth * 0.9 * share * (1 - share), abs=0.002)


def test_an_empty_group_is_refused():
    with pytest.raises(ValueError, match="at least one trajectory"):
        stratified(policy_with([0.5]), Contexts(np.array([0])), 0, np.random.default_rng(0))
