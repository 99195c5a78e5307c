"""Group statistics against numbers worked out by hand, and what must not change them."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.advantages import DEVIATION_FLOOR, advantages, all_equal, group

KINDS = ("mean", "mean_std", "rloo")
TWO = np.array([7, 7, 7, 7, 3, 3])
REWARDS = np.array([1.0, 0.0, 0.0, 3.0, 2.0, 4.0])


def test_statistics_by_hand():
    found = group(REWARDS, TWO)  # group 3 comes first: 2 and 4; then 7: 1, 0, 0, 3
    assert found.mean == pytest.approx([3, 1])
    assert found.deviation == pytest.approx([np.sqrt(2), np.sqrt(2)])  # (0+1+1+4)/3 = 2
    assert found.size.tolist() == [2, 4]
    assert found.index.tolist() == [1, 1, 1, 1, 0, 0]
    assert found.frac_zero_variance == 0


def test_mean_by_hand():
    assert advantages(REWARDS, TWO) == pytest.approx([0, -1, -1, 2, -1, 1])


def test_mean_and_deviation_by_hand():
    half = 1 / np.sqrt(2)
    expected = [0, -half, -half, 2 * half, -half, half]
    assert advantages(REWARDS, TWO, "mean_std") == pytest.approx(expected)


def test_leave_one_out_by_hand():
    expected = [1 - 1, 0 - 4 / 3, 0 - 4 / 3, 3 - 1 / 3, 2 - 4, 4 - 2]
    assert advantages(REWARDS, TWO, "rloo") == pytest.approx(expected)


@pytest.mark.parametrize("kind", KINDS)
def test_a_group_without_variance_is_counted_and_gets_nothing(kind):
    rewards = np.array([0.5, 0.5, 0.5, 0.0, 1.0, 0.0])
    groups = np.array([0, 0, 0, 1, 1, 1])
    found = advantages(rewards, groups, kind)
    assert group(rewards, groups).frac_zero_variance == 0.5
    assert (found[:3] == 0).all()
    assert (found[3:] != 0).all()


@pytest.mark.parametrize("kind", KINDS)
def test_a_float_residue_is_not_taken_for_a_difference(kind):
    rewards = np.array([0.1 + 0.2, 0.3, 0.3, 0.3])  # 0.30000000000000004
    assert rewards[0] != rewards[1]
    assert (advantages(rewards, np.zeros(4, int), kind) == 0).all()
    big = np.array([1e9 + 1e-7, 1e9, 1e9])
    assert (advantages(big, np.zeros(3, int), kind) == 0).all()


def test_a_tiny_difference_is_not_blown_up():
    rewards = np.array([1e-6, 0.0, 0.0, 0.0])
    found = advantages(rewards, np.zeros(4, int), "mean_std")
    assert abs(found).max() == pytest.approx(0.75e-6 / DEVIATION_FLOOR)


def test_a_lone_trajectory_has_no_advantage():
    assert advantages(np.array([5.0]), np.array([1]), "rloo").tolist() == [0.0]


def test_rewards_are_all_equal_up_to_rounding_only():
    assert all_equal(np.array([0.1 + 0.2, 0.3]))
    assert all_equal(np.array([]))
    assert not all_equal(np.array([0.3, 0.3001]))


rewards_of_a_group = st.lists(st.integers(-50, 50).map(lambda n: n / 10), min_size=2, max_size=16)


@settings(max_examples=60, deadline=None)
@given(rewards_of_a_group, st.integers(-1000, 1000), st.sampled_from(KINDS))
def test_a_constant_added_to_a_group_changes_nothing(rewards, constant, kind):
    groups = np.zeros(len(rewards), int)
    first = advantages(np.array(rewards), groups, kind)
    second = advantages(np.array(rewards) + constant, groups, kind)
    assert second == pytest.approx(first, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(rewards_of_a_group, st.randoms(use_true_random=False), st.sampled_from(KINDS))
def test_the_order_of_trajectories_does_not_matter(rewards, random, kind):
    order = list(range(len(rewards)))
    random.shuffle(order)
    groups, array = np.arange(len(rewards)) % 2, np.array(rewards)
    first = advantages(array, groups, kind)
    assert advantages(array[order], groups[order], kind) == pytest.approx(first[order], abs=1e-12)


@settings(max_examples=60, deadline=None)
@given(rewards_of_a_group, st.sampled_from(KINDS))
def test_advantages_of_a_group_add_up_to_nothing(rewards, kind):
    found = advantages(np.array(rewards), np.zeros(len(rewards), int), kind)
    assert found.sum() == pytest.approx(0, abs=1e-9)


@settings(max_examples=60, deadline=None)
@given(rewards_of_a_group, rewards_of_a_group, st.sampled_from(KINDS))
def test_groups_do_not_touch_each_other(first, second, kind):
    together = advantages(
        np.array(first + second), np.array([0] * len(first) + [1] * len(second)), kind
    )
    alone = advantages(np.array(first), np.zeros(len(first), int), kind)
    assert together[: len(first)] == pytest.approx(alone, abs=1e-12)
