"""How a reward is shared among steps, against numbers worked out by hand."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from training.engine.advantages import group
from training.engine.config import Config
from training.engine.credit import anchored, credit, returns_to_go, reward_to_go, td_lambda
from training.engine.trajectories import BadRewards, Trajectories
from training.engine.values import LinearValue, TableValue

# One group: two steps with rewards 0, 4, and three with 0, 0, 2.
PAIR = Trajectories(
    groups=np.array([5, 5]),
    lengths=np.array([2, 3]),
    rewards=np.array([0.0, 4.0, 0.0, 0.0, 2.0]),
    states=np.array([0, 1, 0, 0, 2]),
    observations=np.array([[0.0], [1.0], [0.0], [0.0], [2.0]]),
)


def shares(trajectories, value=None, **settings):
    return credit(trajectories, Config(**settings), value)


def test_rows_know_their_trajectory():
    assert PAIR.starts.tolist() == [0, 2]
    assert PAIR.owners.tolist() == [0, 0, 1, 1, 1]
    assert PAIR.totals.tolist() == [4, 2]
    assert PAIR.grid(np.arange(1.0, 6)).tolist() == [[1, 2, 0], [3, 4, 5]]


def test_returns_to_go_by_hand():
    assert returns_to_go(PAIR, 0.5).tolist() == [[2, 4, 0], [0.5, 1, 2]]


def test_broadcast_gives_every_step_the_whole_advantage():
    assert shares(PAIR, credit="broadcast").advantages.tolist() == [1, 1, -1, -1, -1]


def test_reward_to_go_by_hand():
    # Returns at gamma 0.5: 2, 4 | 0.5, 1, 2; the ended one goes on with 4: means 1.25, 2.5, 3.
    found = shares(PAIR, credit="reward_to_go", gamma=0.5).advantages
    assert found == pytest.approx([0.75, 1.5, -0.75, -1.5, -1.0])


def test_reward_to_go_takes_the_factor_of_its_kind_of_advantage():
    mean = shares(PAIR, gamma=0.5).advantages
    assert shares(PAIR, gamma=0.5, advantage="rloo").advantages == pytest.approx(2 * mean)
    # Totals 4 and 2 have the deviation sqrt(2); one factor for all steps of the group.
    found = shares(PAIR, gamma=0.5, advantage="mean_std").advantages
    assert found == pytest.approx(mean / np.sqrt(2))


def test_reward_to_go_equals_broadcast_where_all_reward_comes_at_the_end():
    first = shares(PAIR, credit="broadcast").advantages
    assert shares(PAIR, credit="reward_to_go", gamma=1).advantages == pytest.approx(first)


def test_the_last_steps_of_the_longest_trajectory_still_count():
    # With a mean over those still running, the third step would have nothing to compare with.
    assert shares(PAIR, gamma=0.5).advantages[-1] != 0


def test_anchors_compare_with_others_in_the_same_state():
    # gamma 1: returns 4, 4 | 2, 2, 2. State 0: 4 against 2 (two visits count once). 1 and 2: alone.
    groups = group(PAIR.totals, PAIR.groups)
    assert anchored(PAIR, groups, 1).tolist() == [2, 0, -2, -2, 0]
    assert shares(PAIR, credit="anchor", gamma=1).advantages.tolist() == [3, 1, -3, -3, -1]


def test_a_state_visited_often_by_one_trajectory_counts_once():
    three = Trajectories(
        groups=np.zeros(3, int),
        lengths=np.array([1, 3, 1]),
        rewards=np.array([3.0, 0.0, 0.0, 6.0, 0.0]),
        states=np.zeros(5, int),
    )
    found = anchored(three, group(three.totals, three.groups), 1)
    assert found.tolist() == [3 - 3, 6 - 1.5, 6 - 1.5, 6 - 1.5, 0 - 4.5]


def test_anchors_of_other_groups_do_not_count():
    apart = replace(PAIR, groups=np.array([1, 2]))
    assert (anchored(apart, group(apart.totals, apart.groups), 1) == 0).all()


def test_td_errors_by_hand():
    value = TableValue(3)
    once = Trajectories(np.zeros(1, int), np.array([2]), np.zeros(2), states=np.array([0, 1]))
    value.learn(once, np.array([2.0, 4.0]), 0.9)  # V = 1, 2, 0 after one visit and the pull to 0
    # First: d = 0 + .5 * 2 - 1 = 0, 4 - 2 = 2; A = 0 + .5 * .5 * 2 = .5, 2.
    # Second: d = .5 - 1, 0 - 1, 2 - 0 = -.5, -1, 2; A = -.625, -.5, 2 (each .25 of the next).
    rows, targets = td_lambda(PAIR, value, 0.5, 0.5)
    assert rows == pytest.approx([0.5, 2.0, -0.625, -0.5, 2.0])
    assert targets == pytest.approx([1.5, 4.0, 0.375, 0.5, 2.0])


def test_a_trajectory_cut_short_goes_on_with_the_value_of_its_last_state():
    value = TableValue(3)
    cut = replace(PAIR, truncated=np.array([True, False]), last_states=np.array([1, 1]))
    value.learn(cut, np.full(5, 6.0), 0.9)  # state 1 was met once: V = 3
    whole = td_lambda(PAIR, value, 0.5, 0.5)[0]
    found = td_lambda(cut, value, 0.5, 0.5)[0]
    assert found[1] - whole[1] == pytest.approx(0.5 * 3)
    assert found[2:] == pytest.approx(whole[2:])


def test_lambda_one_without_a_value_is_the_return():
    rows, _ = td_lambda(PAIR, TableValue(3), 0.5, 1)
    assert rows == pytest.approx(returns_to_go(PAIR, 0.5)[PAIR.alive])


def test_a_linear_value_finds_the_line():
    rng, value = np.random.default_rng(0), LinearValue(2)
    seen = rng.normal(size=(500, 2))
    data = Trajectories(np.zeros(500, int), np.ones(500, int), np.zeros(500), observations=seen)
    targets = seen @ [2.0, -1.0] + 3
    for _ in range(20):
        value.learn(data, targets, 0.9)
    assert value.of(data)[0] == pytest.approx(targets, abs=0.02)


def test_an_old_value_is_forgotten():
    value = TableValue(1)
    once = Trajectories(np.zeros(9, int), np.ones(9, int), np.zeros(9), states=np.zeros(9, int))
    value.learn(once, np.full(9, 100.0), 0.5)
    for _ in range(20):
        value.learn(once, np.full(9, 1.0), 0.5)
    assert value.of(once)[0] == pytest.approx(18 / 19, abs=0.01)  # 18 visits remembered, 1 of pull


@pytest.mark.parametrize("value", [TableValue(3), LinearValue(1)])
def test_a_value_comes_back_from_its_bytes_bit_for_bit(value):
    value.learn(PAIR, np.array([1.0, 2.0, 0.1, 0.2, 0.3]), 0.9)
    again = type(value).from_bytes(value.to_bytes())
    assert again.of(PAIR)[0].tobytes() == value.of(PAIR)[0].tobytes()
    assert again.to_bytes() == value.to_bytes()


@pytest.mark.parametrize("mode", ["broadcast", "reward_to_go", "anchor"])
def test_a_group_without_variance_is_left_out(mode):
    both = Trajectories(
        groups=np.array([0, 0, 1, 1]),
        lengths=np.array([1, 2, 1, 2]),
        rewards=np.array([1.0, 0.0, 1.0, 0.0, 0.0, 1.0]),
        states=np.zeros(6, int),
    )
    found = shares(both, credit=mode)
    assert found.used.tolist() == [False] * 3 + [True] * 3
    assert (found.advantages[:3] == 0).all()
    assert (found.advantages[3:] != 0).all()
    assert found.groups.frac_zero_variance == 0.5


def test_a_value_tells_apart_what_the_groups_cannot():
    apart = replace(PAIR, groups=np.array([1, 2]))
    assert shares(apart, TableValue(3), credit="td_lambda").used.all()
    same = replace(apart, rewards=np.array([0.0, 2.0, 0.0, 0.0, 2.0]))
    assert not shares(same, TableValue(3), credit="td_lambda").used.any()


def test_td_lambda_divides_by_the_deviation_of_the_iteration():
    plain = shares(PAIR, TableValue(3), credit="td_lambda").advantages
    found = shares(PAIR, TableValue(3), credit="td_lambda", advantage="mean_std").advantages
    assert found == pytest.approx(plain / np.sqrt(2))


@pytest.mark.parametrize("mode", ["broadcast", "reward_to_go", "anchor"])
def test_only_what_was_better_counts_when_asked(mode):
    plain = shares(PAIR, credit=mode).advantages
    found = shares(PAIR, credit=mode, positive_only=True).advantages
    assert plain.min() < 0 < plain.max()
    assert found.tolist() == np.maximum(plain, 0).tolist()


@pytest.mark.parametrize("reward", [float("nan"), float("inf")])
def test_a_reward_that_is_no_number_is_named(reward):
    with pytest.raises(BadRewards, match="trajectory 1, step 2"):
        replace(PAIR, rewards=np.array([0.0, 4.0, 0.0, 0.0, reward]))


def test_trajectories_that_do_not_fit_their_rows_are_refused():
    with pytest.raises(ValueError, match="5 steps need as many rewards"):
        replace(PAIR, rewards=np.zeros(4))
    with pytest.raises(ValueError, match="at least one step"):
        replace(PAIR, lengths=np.array([0, 5]))
    with pytest.raises(ValueError, match="no trajectory"):
        Trajectories(np.zeros(0, int), np.zeros(0, int), np.zeros(0))


def test_what_a_mode_needs_and_lacks_is_said():
    bare = replace(PAIR, states=None)
    with pytest.raises(ValueError, match="needs the states"):
        shares(bare, credit="anchor")
    with pytest.raises(ValueError, match="needs a value estimate"):
        shares(PAIR, credit="td_lambda")
    with pytest.raises(ValueError, match="do not carry"):
        shares(bare, TableValue(3), credit="td_lambda")


@st.composite
def outcomes(draw):
    """Trajectories of one group with all reward at the end."""
    lengths = np.array(draw(st.lists(st.integers(1, 5), min_size=2, max_size=8)))
    rewards = np.zeros(lengths.sum())
    ends = np.cumsum(lengths) - 1
    rewards[ends] = draw(st.lists(st.integers(0, 4), min_size=len(lengths), max_size=len(lengths)))
    states = np.arange(lengths.sum()) % 3
    return Trajectories(np.zeros(len(lengths), int), lengths, rewards, states=states)


@settings(max_examples=60, deadline=None)
@given(
    outcomes(),
    st.integers(-20, 20),
    st.sampled_from(["broadcast", "reward_to_go", "anchor"]),
    st.sampled_from(["mean", "mean_std", "rloo"]),
)
def test_a_constant_added_to_every_outcome_changes_nothing(trajectories, constant, mode, kind):
    rewards = trajectories.rewards.copy()
    rewards[np.cumsum(trajectories.lengths) - 1] += constant
    settings = {"credit": mode, "advantage": kind, "gamma": 1}
    first = shares(trajectories, **settings)
    second = shares(replace(trajectories, rewards=rewards), **settings)
    assert second.advantages == pytest.approx(first.advantages, abs=1e-9)
    assert (second.used == first.used).all()


@settings(max_examples=60, deadline=None)
@given(
    outcomes(),
    st.randoms(use_true_random=False),
    st.sampled_from(["broadcast", "reward_to_go", "anchor", "td_lambda"]),
)
def test_the_order_of_trajectories_does_not_matter(trajectories, random, mode):
    order = list(range(len(trajectories.lengths)))
    random.shuffle(order)
    starts, lengths = trajectories.starts, trajectories.lengths
    rows = np.concatenate([np.arange(starts[m], starts[m] + lengths[m]) for m in order])
    mixed = Trajectories(
        trajectories.groups[order],
        lengths[order],
        trajectories.rewards[rows],
        states=trajectories.states[rows],
    )
    first = shares(trajectories, TableValue(3), credit=mode).advantages
    assert shares(mixed, TableValue(3), credit=mode).advantages == pytest.approx(first[rows])


def test_the_baseline_does_not_bias_a_policy_that_decides_when_to_stop():
    # Each step pays 1 and ends with probability 1/2: continuing is worth what it brings. The mean
    # gradient of the expected length over many groups must be the true one times (n - 1) / n.
    rng, n, chance = np.random.default_rng(3), 4, 0.5
    lengths = np.minimum(rng.geometric(1 - chance, 4 * 20_000), 40)
    data = Trajectories(
        np.repeat(np.arange(20_000), n),
        lengths,
        np.ones(lengths.sum()),
    )
    ends = np.zeros(lengths.sum(), bool)
    ends[np.cumsum(lengths) - 1] = True
    slope = np.where(ends, -chance, 1 - chance)  # d log p of going on or of stopping, by its logit
    rows = reward_to_go(data, group(data.totals, data.groups), 1.0)
    found = (slope * rows).sum() / len(lengths)
    true = chance / (1 - chance)  # d E[length] / d logit, E = 1 / (1 - p), dp = p (1 - p)
    assert found == pytest.approx(true * (n - 1) / n, rel=0.05)
