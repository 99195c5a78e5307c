"""Whole runs on tiny worlds: what is worth it is learned, and a resumed run is the same run."""

import numpy as np
import pytest

from training.engine.action_policy import ActionPolicy, Observations
from training.engine.config import Config
from training.engine.grpo import Experience, update
from training.engine.optimisers import make_optimiser, optimiser_from_bytes
from training.engine.packing import CorruptState
from training.engine.policy import ContextPolicy, Contexts
from training.engine.trajectories import Trajectories
from training.engine.values import TableValue

STATES, STEPS = 4, 8


def walk(policy, rng, groups=4, size=8):
    """A corridor of four cells: reaching its right end within eight steps pays 1."""
    count = groups * size
    place, at, took = np.zeros(count, int), [], []
    running = [np.ones(count, bool)]
    for _ in range(STEPS):
        batch = policy.sample(Observations(np.eye(STATES)[place]), rng)
        at.append(place)
        took.append(batch.actions)
        step = np.where(running[-1], 2 * batch.actions - 1, 0)
        place = np.clip(place + step, 0, STATES - 1)
        running.append(running[-1] & (place < STATES - 1))
    alive = np.array(running[:-1]).T  # (M, T)
    lengths = alive.sum(axis=1)
    states = np.array(at).T[alive]
    rewards = np.zeros(lengths.sum())
    rewards[np.cumsum(lengths) - 1] = ~running[-1]
    choices = policy.sample(Observations(np.eye(STATES)[states]), rng)
    choices.actions[:] = np.array(took).T[alive]
    data = Trajectories(
        np.repeat(np.arange(groups), size),
        lengths,
        rewards,
        truncated=running[-1],
        states=states,
        last_states=place,
    )
    return Experience(data, choices, policy.log_prob(choices))


def state(policy, optimiser, value, rng):
    return policy.to_bytes(), optimiser.to_bytes(), value.to_bytes(), rng.bit_generator.state


def train(parts, config, iterations):
    policy, optimiser, value, rng = parts
    rewards = []
    for _ in range(iterations):
        data = walk(policy, rng)
        rewards.append(update(policy, optimiser, data, config, rng, value).avg_reward)
    return rewards


def fresh(config):
    rng = np.random.default_rng(config.seed)
    policy = ActionPolicy(STATES, 2, config.hidden_units, rng)
    optimiser = make_optimiser(config.optimiser, len(policy.parameters))
    return policy, optimiser, TableValue(STATES), rng


@pytest.mark.parametrize("optimiser", ["adam", "sgd"])
@pytest.mark.parametrize("mode", ["reward_to_go", "td_lambda"])
def test_a_resumed_run_is_the_same_run_bit_for_bit(mode, optimiser):
    config = Config(credit=mode, optimiser=optimiser, minibatches=2, hidden_units=8, seed=3)
    whole = fresh(config)
    train(whole, config, 8)
    policy, motion, value, rng = fresh(config)
    train((policy, motion, value, rng), config, 4)
    saved = state(policy, motion, value, rng)
    again = np.random.default_rng(99)
    again.bit_generator.state = saved[3]
    resumed = (
        ActionPolicy.from_bytes(saved[0]),
        optimiser_from_bytes(optimiser, saved[1]),
        TableValue.from_bytes(saved[2]),
        again,
    )
    train(resumed, config, 4)
    assert state(*resumed) == state(*whole)


@pytest.mark.parametrize("kind", ["mean", "mean_std", "rloo"])
@pytest.mark.parametrize("mode", ["broadcast", "reward_to_go", "anchor", "td_lambda"])
def test_every_mode_learns_to_walk_the_corridor(mode, kind):
    config = Config(credit=mode, advantage=kind, hidden_units=0, learning_rate=0.1)
    rewards = train(fresh(config), config, 25)
    assert rewards[0] < 0.85
    assert np.mean(rewards[-3:]) > 0.95


@pytest.mark.parametrize("more", [{"positive_only": True}, {"optimiser": "sgd"}, {"epochs": 1}])
def test_options_learn_too(more):
    config = Config(hidden_units=0, learning_rate=1 if "optimiser" in more else 0.2, **more)
    assert np.mean(train(fresh(config), config, 40)[-3:]) > 0.95


def test_a_context_policy_learns_which_bullets_help_whom():
    # Bullet 0 helps, 1 harms, 2 helps type 0 and harms type 1, 3 does nothing.
    effects = np.array([[0.3, -0.3, 0.3, 0.0], [0.3, -0.3, -0.3, 0.0]])
    policy, rng = ContextPolicy(4, 2), np.random.default_rng(0)
    config = Config(learning_rate=0.1, credit="broadcast")
    optimiser = make_optimiser("adam", len(policy.parameters))
    for _ in range(40):
        types = np.repeat(rng.integers(0, 2, 8), 8)
        choices = policy.sample(Contexts(types), rng)
        chance = 0.4 + (effects[types] * choices.bullets).sum(axis=1)
        rewards = (rng.random(64) < chance).astype(float)
        data = Trajectories(np.repeat(np.arange(8), 8), np.ones(64, int), rewards)
        found = Experience(data, choices, policy.log_prob(choices))
        update(policy, optimiser, found, config, rng)
    chances = policy.probabilities(np.array([0, 1]))
    assert chances[:, 0].min() > 0.7
    assert chances[:, 1].max() < 0.3
    assert chances[0, 2] > 0.7 > 0.3 > chances[1, 2]


def test_a_damaged_optimiser_is_noticed():
    data = bytearray(make_optimiser("adam", 3).to_bytes())
    data[-1] ^= 1
    with pytest.raises(CorruptState):
        optimiser_from_bytes("adam", bytes(data))
    with pytest.raises(CorruptState, match="saved was 'sgd', asked for is 'adam'"):
        optimiser_from_bytes("adam", make_optimiser("sgd", 3).to_bytes())
