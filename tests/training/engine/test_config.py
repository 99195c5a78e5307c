"""Settings: the contract's defaults, and errors that name the field."""

import dataclasses

import pytest

from training.engine.config import Config, InvalidConfig, context_defaults


def test_the_defaults_are_those_of_the_contract():
    config = Config()
    assert (config.n_iterations, config.batch_size, config.n_trajectories_per_query) == (
        1000,
        16,
        8,
    )
    assert (config.checkpoint_interval, config.eval_interval) == (10, 10)
    assert (config.max_budget_usd, config.max_steps_per_trajectory, config.gamma) == (100, 20, 0.99)
    assert (config.advantage, config.credit) == ("mean", "reward_to_go")
    assert config.positive_only is False


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_iterations", 0),
        ("n_iterations", 10_001),
        ("n_iterations", 2.5),
        ("n_iterations", True),
        ("batch_size", 129),
        ("n_trajectories_per_query", 1),
        ("n_trajectories_per_query", 17),
        ("learning_rate", 0),
        ("learning_rate", 1.01),
        ("learning_rate", float("nan")),
        ("learning_rate", "fast"),
        ("max_budget_usd", 10**400),
        ("max_budget_usd", -1),
        ("max_budget_usd", float("inf")),
        ("max_budget_usd", 10**400),
        ("checkpoint_interval", 0),
        ("eval_interval", 0),
        ("max_steps_per_trajectory", 1001),
        ("gamma", -0.1),
        ("gamma", 1.1),
        ("advantage", "median"),
        ("advantage", None),
        ("clip_low", 0),
        ("clip_low", 1.1),
        ("clip_high", 0),
        ("kl_beta", -0.1),
        ("credit", "blame"),
        ("credit", ["broadcast"]),
        ("positive_only", 1),
        ("max_grad_norm", 0),
        ("optimiser", "lbfgs"),
        ("epochs", 0),
        ("minibatches", 0),
        ("seed", -1),
        ("seed", 2**63),
        ("policy", "tree"),
        ("target_reward", float("nan")),
        ("trace_decay", 2),
        ("value_memory", 2),
        ("hidden_units", -1),
        ("type_rate", 2),
        ("entropy_bonus", -1),
        ("rate", 0.1),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_field(field, value):
    with pytest.raises(InvalidConfig) as caught:
        Config.parse({field: value})
    assert caught.value.field == field
    assert str(caught.value).startswith(f"config.{field} ")


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("n_iterations", 10_000),
        ("batch_size", 1),
        ("n_trajectories_per_query", 16),
        ("learning_rate", 1),
        ("max_budget_usd", 0),
        ("gamma", 0),
        ("clip_low", 1),
        ("policy", "context"),
        ("target_reward", -3),
    ],
)
def test_a_value_at_its_bound_is_taken(field, value):
    assert getattr(Config.parse({field: value}), field) == value


def test_the_message_says_what_is_allowed():
    with pytest.raises(InvalidConfig, match=r"above 0 and at most 1, not 2"):
        Config(learning_rate=2)
    with pytest.raises(InvalidConfig, match=r"one of mean, mean_std, rloo"):
        Config(advantage="x")


def test_settings_survive_being_written_down():
    config = Config(seed=7, credit="anchor", target_reward=0.5)
    assert Config.parse(dataclasses.asdict(config)) == config


def test_the_defaults_of_context_policies_are_settings():
    config = Config.parse(context_defaults() | {"learning_rate": 0.02})
    assert (config.policy, config.credit, config.learning_rate) == ("context", "broadcast", 0.02)
