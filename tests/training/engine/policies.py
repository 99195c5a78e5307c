"""Small policies with parameters away from zero, and batches of their choices."""

import numpy as np

from training.engine.action_policy import ActionPolicy, Observations
from training.engine.policy import ContextPolicy, Contexts

N = 24


def observations(rng, masked=False, n=N):
    allowed = rng.random((n, 4)) < 0.6
    allowed[np.arange(n), rng.integers(0, 4, n)] = True
    return Observations(rng.normal(size=(n, 3)), allowed if masked else None)


def contexts(rng, features=0, n=N):
    return Contexts(rng.integers(-1, 3, n), rng.normal(size=(n, features)) if features else None)


def moved(policy, rng, scale=0.7):
    policy.parameters = rng.normal(0, scale, len(policy.parameters))
    return policy


def cases():
    """Name -> (policy, situations) of every kind of policy that there is."""
    rng = np.random.default_rng(5)
    heads = {"prompt": 3, "route": 2}
    return {
        "linear": (moved(ActionPolicy(3, 4), rng), observations(rng)),
        "linear, masked": (moved(ActionPolicy(3, 4), rng), observations(rng, masked=True)),
        "hidden": (moved(ActionPolicy(3, 4, 5, rng), rng), observations(rng)),
        "hidden, masked": (moved(ActionPolicy(3, 4, 5, rng), rng), observations(rng, masked=True)),
        "bullets": (moved(ContextPolicy(6, 3), rng), contexts(rng)),
        "pinned bullets": (moved(ContextPolicy(6, 3), rng, 4), contexts(rng)),
        "bullets, features": (moved(ContextPolicy(6, 3, 2), rng), contexts(rng, 2)),
        "heads alone": (moved(ContextPolicy(0, 3, 0, heads), rng), contexts(rng)),
        "bullets, features, heads": (moved(ContextPolicy(6, 3, 2, heads), rng), contexts(rng, 2)),
    }


def slope(function, policy, step=1e-5):
    """Central differences (P,) of a number that depends on the policy's parameters."""
    start = policy.parameters
    grad = np.empty_like(start)
    for index in range(len(start)):
        ends = []
        for sign in (1, -1):
            changed = start.copy()
            changed[index] += sign * step
            policy.parameters = changed
            ends.append(function())
        grad[index] = (ends[0] - ends[1]) / (2 * step)
    policy.parameters = start
    return grad


def relative_error(found, expected):
    return np.linalg.norm(found - expected) / np.linalg.norm(expected)
