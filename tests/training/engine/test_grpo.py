"""The update: exact gradients under every option, and parameters that move only for a reason."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.training.engine.policies import cases, relative_error, slope
from training.engine.action_policy import ActionPolicy, Observations
from training.engine.config import Config
from training.engine.credit import credit
from training.engine.grpo import Diverged, Experience, k3, objective, update
from training.engine.optimisers import make_optimiser
from training.engine.policy import ContextPolicy, Contexts
from training.engine.trajectories import BadRewards, Trajectories
from training.engine.values import TableValue

LENGTHS = np.array([3, 1, 4, 4, 2, 5, 3, 2])
OPTIONS = {
    "plain": {},
    "kl": {"kl_beta": 0.3},
    "entropy": {"entropy_bonus": 0.2},
    "positive only": {"positive_only": True},
    "wide": {"clip_low": 1.0, "clip_high": 3.0},
    "all": {"kl_beta": 0.3, "entropy_bonus": 0.2, "positive_only": True, "clip_high": 0.1},
}


def trajectories(rng, rewards=None):
    count = LENGTHS.sum()
    return Trajectories(
        groups=np.repeat([0, 1], 4),
        lengths=LENGTHS,
        rewards=rng.normal(size=count) if rewards is None else rewards,
        states=rng.integers(0, 3, count),
        last_states=rng.integers(0, 3, 8),
        truncated=rng.random(8) < 0.5,
    )


def experience(policy, situations, rng, rewards=None, shift=0.0):
    choices = policy.sample(situations, rng)
    logged = policy.log_prob(choices)
    return Experience(
        trajectories(rng, rewards),
        choices,
        logged + shift * rng.normal(size=len(logged)),
        logged + 0.5 * rng.normal(size=len(logged)),
    )


@pytest.mark.parametrize("mode", ["broadcast", "reward_to_go", "anchor", "td_lambda"])
@pytest.mark.parametrize("name", cases())
def test_the_gradient_of_the_objective_is_exact(name, mode):
    policy, situations = cases()[name]
    data = experience(policy, situations, np.random.default_rng(1), shift=0.3)
    value = TableValue(3)
    value.learn(data.trajectories, data.trajectories.rewards, 1.0)
    cut = 0.0
    for kind, (option, more) in product(["mean", "mean_std", "rloo"], OPTIONS.items()):
        config = Config(advantage=kind, credit=mode, **more)
        rows = credit(data.trajectories, config, value).advantages
        point = (data.choices, rows, data.log_prob, config, data.reference)
        found = objective(policy, *point)
        expected = slope(lambda point=point: objective(policy, *point).loss, policy)
        assert relative_error(found.gradient, expected) < 1e-5, (kind, option)
        cut += found.clipped
    assert cut > 0  # the kink was tried


def test_the_loss_by_hand():
    policy = ActionPolicy(1, 2)  # both actions 1/2, whatever is seen
    choices = policy.sample(Observations(np.zeros((4, 1))), np.random.default_rng(0))
    ratios = np.array([1.5, 0.5, 1.5, 0.5])
    rows = np.array([2.0, 2.0, -2.0, -2.0])
    old = np.log(0.5) - np.log(ratios)
    found = objective(policy, choices, rows, old, Config(clip_low=0.2, clip_high=0.3))
    assert found.loss == pytest.approx(-(1.3 * 2 + 0.5 * 2 - 1.5 * 2 - 0.8 * 2) / 4)
    assert found.clipped == 0.5


def test_rows_beyond_the_bounds_do_not_pull():
    policy = ActionPolicy(1, 2)
    choices = policy.sample(Observations(np.ones((2, 1))), np.random.default_rng(0))
    old = np.log(0.5) - np.log(np.array([1.5, 0.5]))
    found = objective(policy, choices, np.array([1.0, -1.0]), old, Config())
    assert found.gradient.tolist() == [0.0] * 4


def test_k3_estimates_the_divergence():
    p, q = np.array([0.2, 0.8]), np.array([0.5, 0.5])
    true = (p * np.log(p / q)).sum()
    assert (p * k3(np.log(q / p))).sum() == pytest.approx(true)
    assert (k3(np.linspace(-3, 3, 20)) >= 0).all()
    assert k3(np.zeros(1)) == 0


def test_a_penalty_without_a_reference_is_an_error():
    policy, situations = cases()["linear"]
    choices = policy.sample(situations, np.random.default_rng(0))
    with pytest.raises(ValueError, match="reference"):
        objective(policy, choices, np.ones(24), policy.log_prob(choices), Config(kl_beta=0.1))


def one_update(policy, data, seed=0, value=None, **more):
    config = Config(**more)
    optimiser = make_optimiser(config.optimiser, len(policy.parameters))
    return update(policy, optimiser, data, config, np.random.default_rng(seed), value)


@pytest.mark.parametrize("mode", ["broadcast", "reward_to_go", "anchor", "td_lambda"])
@pytest.mark.parametrize("name", cases())
def test_equal_rewards_leave_every_byte_untouched(name, mode):
    policy, situations = cases()[name]
    rewards = np.zeros(24)
    rewards[np.cumsum(LENGTHS) - 1] = np.where(np.arange(8) % 2, 0.3, 0.1 + 0.2)
    data = experience(policy, situations, np.random.default_rng(2), rewards)
    config = Config(credit=mode, entropy_bonus=0.1, kl_beta=0.1, advantage="mean_std")
    optimiser = make_optimiser("adam", len(policy.parameters))
    # The optimiser is in motion already: its momentum must not move the parameters either.
    optimiser.direction(np.ones(len(policy.parameters)))
    before = policy.to_bytes(), optimiser.to_bytes()
    rng = np.random.default_rng(0)
    metrics = update(policy, optimiser, data, config, rng, TableValue(3))
    assert (policy.to_bytes(), optimiser.to_bytes()) == before
    assert (metrics.frac_zero_variance_groups, metrics.change_norm, metrics.steps) == (1, 0, 0)
    assert metrics.rows_used == 0


def test_a_group_without_variance_does_not_pull_by_any_term():
    policy, situations = cases()["linear"]
    rng = np.random.default_rng(3)
    rewards = rng.normal(size=24)
    rewards[:12] = 0  # the first group's rows
    data = experience(policy, situations, rng, rewards)
    other = data.trajectories
    half = Experience(
        Trajectories(other.groups[4:], other.lengths[4:], other.rewards[12:]),
        data.choices.take(np.arange(12, 24)),
        data.log_prob[12:],
        data.reference[12:],
    )
    alone, _ = cases()["linear"]
    more = {"entropy_bonus": 0.1, "kl_beta": 0.1}
    assert one_update(policy, data, **more).frac_zero_variance_groups == 0.5
    one_update(alone, half, **more)
    assert alone.parameters == pytest.approx(policy.parameters, abs=1e-12)


def test_a_nan_reward_is_a_clear_error():
    policy, situations = cases()["linear"]
    rewards = np.zeros(24)
    rewards[3] = np.nan
    with pytest.raises(BadRewards, match="trajectory 1, step 0 is nan"):
        experience(policy, situations, np.random.default_rng(0), rewards)


def test_a_loss_that_is_no_number_is_a_clear_error_and_moves_nothing():
    policy, situations = cases()["linear"]
    data = experience(policy, situations, np.random.default_rng(4))
    broken = Experience(data.trajectories, data.choices, data.log_prob - 1000)
    before = policy.to_bytes()
    with pytest.raises(Diverged, match="ratio is not finite"):
        one_update(policy, broken)
    assert policy.to_bytes() == before


def test_choices_that_do_not_fit_the_rows_are_refused():
    policy, situations = cases()["linear"]
    data = experience(policy, situations, np.random.default_rng(4))
    with pytest.raises(ValueError, match="24 steps need as many"):
        Experience(data.trajectories, data.choices, data.log_prob[1:])
    with pytest.raises(ValueError, match="not a finite number"):
        Experience(data.trajectories, data.choices, data.log_prob - np.inf)


def test_metrics_are_measured():
    policy, situations = cases()["hidden"]
    data = experience(policy, situations, np.random.default_rng(5))
    start = policy.parameters
    entropy = policy.entropy(data.choices).mean()
    metrics = one_update(policy, data, epochs=3, minibatches=2, kl_beta=0.1)
    now = policy.log_prob(data.choices)
    assert metrics.change_norm == pytest.approx(np.linalg.norm(policy.parameters - start))
    assert metrics.change_norm > 0
    assert metrics.kl == pytest.approx(k3(now - data.log_prob).mean())
    assert metrics.kl_reference == pytest.approx(k3(data.reference - now).mean())
    assert metrics.entropy == pytest.approx(entropy)
    assert metrics.avg_reward == pytest.approx(data.trajectories.totals.mean())
    assert metrics.reward_std == pytest.approx(data.trajectories.totals.std())
    assert (metrics.steps, metrics.rows, metrics.rows_used) == (6, 24, 24)


def test_one_step_of_sgd_goes_down_the_clipped_gradient():
    policy, situations = cases()["linear"]
    data = experience(policy, situations, np.random.default_rng(6))
    start, config = policy.parameters, Config(optimiser="sgd", epochs=1, max_grad_norm=0.01)
    rows = credit(data.trajectories, config).advantages
    gradient = objective(policy, data.choices, rows, data.log_prob, config).gradient
    norm = np.linalg.norm(gradient)
    assert norm > 0.01
    metrics = one_update(policy, data, optimiser="sgd", epochs=1, max_grad_norm=0.01)
    assert policy.parameters - start == pytest.approx(-0.05 * gradient * 0.01 / norm)
    assert metrics.gradient_norm == pytest.approx(norm)


def test_the_first_step_of_adam_is_the_learning_rate():
    policy, situations = cases()["linear"]
    data = experience(policy, situations, np.random.default_rng(6))
    start = policy.parameters
    one_update(policy, data, epochs=1, learning_rate=0.02)
    assert abs(policy.parameters - start) == pytest.approx(0.02, rel=1e-3)


def test_weights_of_single_types_move_more_slowly():
    policy = ContextPolicy(4, 3, type_rate=0.25)
    rng = np.random.default_rng(7)
    data = experience(policy, Contexts(rng.integers(0, 3, 24)), rng)
    one_update(policy, data, epochs=1, learning_rate=0.02)
    moved = abs(policy.weights)
    assert moved[0] == pytest.approx(0.02, rel=1e-3)
    assert moved[1:] == pytest.approx(0.005, rel=1e-3)


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("name", cases())
def test_the_same_arguments_give_the_same_bits(name, optimiser):
    ends = []
    for _ in range(2):
        policy, situations = cases()[name]
        data = experience(policy, situations, np.random.default_rng(8))
        one_update(policy, data, minibatches=3, optimiser=optimiser)
        ends.append(policy.to_bytes())
    assert ends[0] == ends[1]


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(-30, 30))
def test_a_constant_added_to_every_outcome_changes_no_update(seed, constant):
    ends = []
    for extra in (0, constant):
        policy, situations = cases()["linear"]
        rng = np.random.default_rng(seed)
        rewards = np.zeros(24)
        rewards[np.cumsum(LENGTHS) - 1] = rng.integers(0, 3, 8) + extra
        data = experience(policy, situations, np.random.default_rng(9), rewards)
        one_update(policy, data, gamma=1, optimiser="sgd")
        ends.append(policy.parameters)
    assert ends[1] == pytest.approx(ends[0], abs=1e-9)
