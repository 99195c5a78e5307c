"""Policies: probabilities, draws, exact gradients, and states that come back bit for bit."""

import numpy as np
import pytest

from tests.training.engine.policies import cases, moved, relative_error, slope
from training.engine.action_policy import ActionBatch, ActionPolicy, Observations
from training.engine.packing import CorruptState
from training.engine.policy import ContextBatch, ContextPolicy, Contexts, logit


@pytest.mark.parametrize("name", cases())
def test_the_gradient_of_the_log_probability_is_exact(name):
    policy, situations = cases()[name]
    rng = np.random.default_rng(1)
    batch, weights = policy.sample(situations, rng), rng.normal(size=24)
    expected = slope(lambda: weights @ policy.log_prob(batch), policy)
    assert relative_error(policy.grad(batch, weights), expected) < 1e-6


@pytest.mark.parametrize("name", cases())
def test_the_gradient_of_the_entropy_is_exact(name):
    policy, situations = cases()[name]
    rng = np.random.default_rng(2)
    batch, weights = policy.sample(situations, rng), rng.normal(size=24)
    expected = slope(lambda: weights @ policy.entropy(batch), policy)
    assert relative_error(policy.entropy_grad(batch, weights), expected) < 1e-6


@pytest.mark.parametrize("name", cases())
def test_a_policy_comes_back_from_its_bytes_bit_for_bit(name):
    policy, situations = cases()[name]
    again = type(policy).from_bytes(policy.to_bytes())
    assert again.to_bytes() == policy.to_bytes()
    assert again.rates.tobytes() == policy.rates.tobytes()
    first, second = (p.sample(situations, np.random.default_rng(3)) for p in (policy, again))
    assert again.log_prob(second).tobytes() == policy.log_prob(first).tobytes()


@pytest.mark.parametrize("name", cases())
def test_parameters_that_are_read_are_a_copy(name):
    policy, _ = cases()[name]
    before = policy.to_bytes()
    policy.parameters[:] = 9
    assert policy.to_bytes() == before


def test_parameters_of_another_size_are_refused():
    with pytest.raises(ValueError, match="has 18 parameters"):
        ContextPolicy(6, 2).parameters = np.zeros(17)


@pytest.mark.parametrize("place", [0, 10, 50, -1])
def test_one_flipped_bit_is_noticed(place):
    data = bytearray(ContextPolicy(3, 2).to_bytes())
    data[place] ^= 1
    with pytest.raises(CorruptState, match="damaged"):
        ContextPolicy.from_bytes(bytes(data))


@pytest.mark.parametrize("length", [0, 3, 40, -1])
def test_a_truncated_policy_is_noticed(length):
    with pytest.raises(CorruptState):
        ContextPolicy.from_bytes(ContextPolicy(3, 2).to_bytes()[:length])


def test_a_policy_of_another_kind_is_refused():
    with pytest.raises(
        CorruptState, match="saved was 'action policy', asked for is 'context policy'"
    ):
        ContextPolicy.from_bytes(ActionPolicy(2, 2).to_bytes())


def test_probabilities_are_those_of_the_softmax():
    policy = ActionPolicy(1, 2)
    policy.parameters = np.array([0.0, np.log(3), 0.0, 0.0])  # x -> logits 0 and x log 3
    chances = policy.probabilities(Observations(np.array([[0.0], [1.0]])))
    assert chances == pytest.approx(np.array([[0.5, 0.5], [0.25, 0.75]]))


def test_a_forbidden_action_has_no_chance_and_is_never_drawn():
    rng = np.random.default_rng(4)
    policy = moved(ActionPolicy(2, 3), rng)
    allowed = np.tile([True, False, True], (2000, 1))
    seen = Observations(rng.normal(size=(2000, 2)), allowed)
    assert (policy.probabilities(seen)[:, 1] == 0).all()
    assert 1 not in policy.sample(seen, rng).actions
    assert 1 not in policy.best(seen)


def test_a_single_allowed_action_is_certain():
    allowed = np.array([[False, True]])
    batch = ActionBatch(Observations(np.ones((1, 2)), allowed), np.array([1]))
    policy = moved(ActionPolicy(2, 2), np.random.default_rng(0))
    assert policy.log_prob(batch) == pytest.approx([0.0])
    assert policy.entropy(batch) == pytest.approx([0.0])


def test_new_parameters_are_used_at_once_on_what_was_seen_before():
    rng = np.random.default_rng(2)
    policy = moved(ActionPolicy(3, 4, 5, rng), rng)
    seen = Observations(rng.normal(size=(6, 3)))
    before = policy.probabilities(seen)
    moved(policy, rng)
    fresh = ActionPolicy.from_bytes(policy.to_bytes()).probabilities(seen)
    assert policy.probabilities(seen).tobytes() == fresh.tobytes()
    assert abs(fresh - before).max() > 0.01


def test_no_allowed_action_is_an_error():
    seen = Observations(np.ones((2, 2)), np.array([[True, True], [False, False]]))
    with pytest.raises(ValueError, match="no action"):
        ActionPolicy(2, 2).probabilities(seen)


def test_draws_come_as_often_as_they_are_likely():
    rng = np.random.default_rng(6)
    policy = moved(ActionPolicy(1, 3), rng)
    seen = Observations(np.ones((20_000, 1)))
    share = np.bincount(policy.sample(seen, rng).actions) / 20_000
    assert share == pytest.approx(policy.probabilities(seen)[0], abs=0.02)


def test_a_new_policy_has_no_opinion():
    policy = ActionPolicy(2, 4, hidden=8, rng=np.random.default_rng(0))
    assert policy.probabilities(Observations(np.ones((1, 2)))) == pytest.approx(0.25)
    bullets = ContextPolicy(3, 2, heads={"prompt": 4})
    assert bullets.probabilities(np.array([0, 1, -1])) == pytest.approx(0.5)
    assert bullets.head_probabilities(Contexts(np.array([1])))["prompt"] == pytest.approx(0.25)


def test_a_hidden_layer_needs_a_random_generator():
    with pytest.raises(ValueError, match="random generator"):
        ActionPolicy(2, 2, hidden=3)


def test_probabilities_of_bullets_stay_within_their_bounds():
    policy = moved(ContextPolicy(50, 4, heads={"prompt": 5}), np.random.default_rng(1), scale=50)
    chances = policy.probabilities(np.arange(4))
    assert chances.min() == pytest.approx(0.05)
    assert chances.max() == pytest.approx(0.95)
    options = policy.head_probabilities(Contexts(np.arange(4)))["prompt"]
    assert options.min() >= 0.02 - 1e-12
    assert options.sum(axis=1) == pytest.approx(1)


def test_logits_add_up_global_type_and_features():
    policy = ContextPolicy(1, 2, 1)
    policy.parameters = np.array([0.1, 0.2, 0.4, 0.8])  # global, type 0, type 1, feature
    chances = policy.probabilities(np.array([0, 1, -1]), np.array([[1.0], [-1.0], [0.0]]))
    assert logit(chances[:, 0]) == pytest.approx([0.1 + 0.2 + 0.8, 0.1 + 0.4 - 0.8, 0.1])


def test_the_logit_gives_its_probability():
    policy = ContextPolicy(1, 0)
    policy.parameters = logit(np.array([0.3]))
    assert policy.probabilities(np.array([-1])) == pytest.approx(0.3)


def test_the_log_probability_counts_bullets_left_out_and_heads():
    policy = ContextPolicy(2, 0, heads={"prompt": 4})
    policy.parameters = np.concatenate([logit(np.array([0.3, 0.6])), np.zeros(4)])
    chosen = ContextBatch(
        Contexts(np.array([-1])), np.array([[True, False]]), {"prompt": np.array([2])}
    )
    assert policy.log_prob(chosen) == pytest.approx([np.log(0.3 * 0.4 * 0.25)])


def test_features_that_are_needed_and_missing_are_an_error():
    with pytest.raises(ValueError, match="2 features"):
        ContextPolicy(3, 2, 2).probabilities(np.array([0]))


def test_only_weights_of_single_types_are_slowed():
    rates = ContextPolicy(2, 3, 1, type_rate=0.25).rates.reshape(5, 2)
    assert (rates[1:4] == 0.25).all()
    assert (rates[[0, 4]] == 1).all()


@pytest.mark.parametrize("name", cases())
def test_rows_taken_are_those_asked_for(name):
    policy, situations = cases()[name]
    batch = policy.sample(situations, np.random.default_rng(7))
    rows = np.array([5, 0, 11])
    assert policy.log_prob(batch.take(rows)) == pytest.approx(policy.log_prob(batch)[rows])
    assert len(batch.take(np.arange(len(batch)) < 4)) == 4


def test_bullets_are_drawn_as_often_as_they_are_likely():
    rng = np.random.default_rng(8)
    policy = moved(ContextPolicy(4, 3, heads={"prompt": 3}), rng)
    seen = Contexts(np.full(20_000, 2))
    batch = policy.sample(seen, rng)
    assert batch.bullets.mean(axis=0) == pytest.approx(
        policy.probabilities(np.array([2]))[0], abs=0.02
    )
    share = np.bincount(batch.heads["prompt"]) / 20_000
    assert share == pytest.approx(policy.head_probabilities(seen)["prompt"][0], abs=0.02)
