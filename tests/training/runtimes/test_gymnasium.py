"""Environments of gymnasium: flattened, in step with each other, the same again for a seed."""

import numpy as np
import pytest

from training.engine.action_policy import ActionBatch, ActionPolicy, Observations
from training.engine.config import Config
from training.runtimes.base import Rollout
from training.runtimes.gymnasium import DEFAULTS, GymnasiumRuntime
from training.runtimes.registry import kind_of


def policy_for(runtime: GymnasiumRuntime, hidden: int = 8) -> ActionPolicy:
    return ActionPolicy(runtime.n_inputs, runtime.n_actions, hidden, np.random.default_rng(0))


def same(one: Rollout, other: Rollout) -> bool:
    """Tell whether two rollouts agree in all but their time."""
    names = [name for name in Rollout.__slots__ if name != "seconds"]
    return all(np.array_equal(getattr(one, name), getattr(other, name)) for name in names)


def test_a_box_is_flattened_and_the_log_probability_is_the_policy_s() -> None:
    runtime = GymnasiumRuntime("CartPole-v1")
    policy = policy_for(runtime)
    assert (runtime.n_inputs, runtime.n_actions, runtime.n_states) == (4, 2, None)
    for rollout in runtime.play(policy, range(5), max_steps=500, greedy=False):
        steps = len(rollout.actions)
        assert rollout.observations.shape == (steps, 4) and rollout.rewards.shape == (steps,)
        assert rollout.states is None and not rollout.truncated and rollout.success is False
        batch = ActionBatch(Observations(rollout.observations), rollout.actions)
        assert np.allclose(policy.log_prob(batch), rollout.log_prob, rtol=1e-12, atol=1e-12)


def test_a_discrete_state_is_one_hot_and_has_a_key() -> None:
    runtime = GymnasiumRuntime("FrozenLake-v1")
    assert (runtime.n_inputs, runtime.n_actions, runtime.n_states) == (16, 4, 16)
    for rollout in runtime.play(policy_for(runtime), range(20), max_steps=100, greedy=False):
        assert rollout.states is not None and rollout.last_state is not None
        assert np.array_equal(rollout.observations, np.eye(16)[rollout.states])
        assert np.array_equal(rollout.last_observation, np.eye(16)[rollout.last_state])
        assert rollout.success == (rollout.last_state == 15)


def test_a_seed_brings_the_same_episode_again() -> None:
    seeds = list(range(150))  # more than are played side by side
    first, second = (
        GymnasiumRuntime("FrozenLake-v1").play(
            ActionPolicy(16, 4), seeds, max_steps=100, greedy=False
        )
        for _ in range(2)
    )
    assert all(map(same, first, second))
    alone = GymnasiumRuntime("FrozenLake-v1").play(
        ActionPolicy(16, 4), [140], max_steps=100, greedy=False
    )
    assert same(alone[0], first[140])
    assert len({rollout.actions.tobytes() for rollout in first}) > 100


def test_what_the_environment_does_by_chance_does_not_follow_from_the_action() -> None:
    rollouts = GymnasiumRuntime("FrozenLake-v1").play(
        ActionPolicy(16, 4), range(1200), max_steps=1, greedy=False
    )
    taken = np.array([rollout.actions[0] for rollout in rollouts])
    met = np.array([rollout.last_state for rollout in rollouts])
    # On the ice a step goes where it was meant to, or to either side: each a third of the time.
    shares = [(met[taken == 2] == state).mean() for state in (0, 1, 4)]
    assert all(0.25 < share < 0.42 for share in shares), shares


def test_greedy_takes_the_likeliest_and_a_bound_cuts_short() -> None:
    runtime = GymnasiumRuntime("FrozenLake-v1")
    policy = ActionPolicy(16, 4)
    policy.parameters = np.tile([0.0, 0.0, 3.0, 0.0], 17)
    rollouts = runtime.play(policy, range(30), max_steps=3, greedy=True)
    assert all((rollout.actions == 2).all() for rollout in rollouts)
    assert any(rollout.truncated and len(rollout.actions) == 3 for rollout in rollouts)


def test_only_allowed_actions_are_taken() -> None:
    runtime = GymnasiumRuntime("Taxi-v4")
    for rollout in runtime.play(policy_for(runtime, 0), range(4), max_steps=50, greedy=False):
        assert rollout.allowed is not None
        assert rollout.allowed[np.arange(len(rollout.actions)), rollout.actions].all()
        assert not rollout.allowed.all()


def test_success_needs_the_environment_s_threshold_where_it_has_one() -> None:
    runtime = GymnasiumRuntime("CartPole-v1")
    policy = ActionPolicy(4, 2)
    weights = np.zeros((5, 2))
    weights[:4, 1] = [1.0, 1.0, 10.0, 10.0]  # pushes to where the pole leans
    policy.parameters = weights.ravel()
    rollouts = runtime.play(policy, range(5), max_steps=500, greedy=True)
    returns = [float(rollout.rewards.sum()) for rollout in rollouts]
    assert max(returns) == 500
    assert [rollout.success for rollout in rollouts] == [total >= 475 for total in returns]


@pytest.mark.parametrize("env", [*DEFAULTS, "Acrobot-v1"])
def test_the_defaults_are_settings(env: str) -> None:
    spec = {"name": "gymnasium", "env": env}
    assert Config.parse(kind_of(spec).defaults(spec)).max_steps_per_trajectory >= 100
