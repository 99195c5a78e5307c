"""Environments of the gymnasium package with discrete actions, many episodes side by side."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import import_module
from time import perf_counter
from typing import Any

import numpy as np

from playbooks.models import Agent
from training.engine.action_policy import ActionPolicy, Observations
from training.engine.distributions import Bools, Floats, draw_at
from training.runtimes.base import InvalidRuntime, Rollout, Task

MAX_INPUTS = 100_000
MAX_STEPS = 1000
# Episodes side by side: an environment of each is kept.
AT_ONCE = 128
_ACTIONS = 1
# A colon would import a module of the sender's choice.
_ID = re.compile(r"[A-Za-z0-9_.-]{1,100}(/[A-Za-z0-9_.-]{1,100})?")
_FIRST_SEED: Mapping[str, int] = {"train": 0, "validation": 1_000_000, "test": 2_000_000}

# Chosen on other seeds than those that `python -m bench runtimes` reports.
DEFAULTS: Mapping[str, Mapping[str, Any]] = {
    "CartPole-v1": {
        "n_iterations": 63,
        "batch_size": 2,
        "n_trajectories_per_query": 8,
        "max_steps_per_trajectory": 500,
        "learning_rate": 0.02,
        "epochs": 3,
        "max_grad_norm": 0.5,
        "hidden_units": 32,
        "credit": "reward_to_go",
    },
    "FrozenLake-v1": {
        "n_iterations": 78,
        "batch_size": 16,
        "n_trajectories_per_query": 8,
        "max_steps_per_trajectory": 100,
        "learning_rate": 0.05,
        "entropy_bonus": 0.005,
        "trace_decay": 0.9,
        "gamma": 0.99,
        "hidden_units": 0,
        "credit": "td_lambda",
    },
}


@dataclass(slots=True)
class _Episode:
    """An episode under way, and what was met in it so far."""

    environment: Any
    points: Floats  # (T,) where each action is drawn, in [0, 1)
    now: Floats  # (D,)
    state: int | None
    mask: Bools | None
    observations: list[Floats] = field(default_factory=list)
    states: list[int | None] = field(default_factory=list)
    masks: list[Bools | None] = field(default_factory=list)
    actions: list[int] = field(default_factory=list)
    rewards: list[float] = field(default_factory=list)
    log_prob: list[float] = field(default_factory=list)
    ended: bool = False  # by the environment's own rules
    cut: bool = False  # by a limit on its steps


class GymnasiumRuntime:
    """Plays one environment.

    Observations are flattened to float64; those of a discrete space are one-hot, and their number
    is the key of the state. `n_states` is how many there are, None for any other space.
    """

    simulated = True

    def __init__(self, env: str) -> None:
        self._env = env
        self._idle: list[Any] = [_made(env)]
        spaces, first = import_module("gymnasium").spaces, self._idle[0]
        if not isinstance(first.action_space, spaces.Discrete):
            raise InvalidRuntime("runtime.env", f"has actions {first.action_space}, not Discrete")
        space = first.observation_space
        self._discrete = isinstance(space, spaces.Discrete)
        self._first_state = int(space.start) if self._discrete else 0
        self.n_actions = int(first.action_space.n)
        self.n_states = int(space.n) if self._discrete else None
        self.n_inputs = _size_of(space)
        self._first_action = int(first.action_space.start)
        self._flat = _flattener(space)
        self._threshold: float | None = first.spec.reward_threshold

    def play(
        self, policy: ActionPolicy, seeds: Sequence[int], *, max_steps: int, greedy: bool
    ) -> list[Rollout]:
        """Play one episode per seed; a seed fixes the environment and the drawn actions.

        Success is a return of at least the environment's threshold, where it has one, else a
        last reward above 0.
        """
        rollouts: list[Rollout] = []
        for start in range(0, len(seeds), AT_ONCE):
            rollouts += self._side_by_side(
                policy, seeds[start : start + AT_ONCE], max_steps, greedy
            )
        return rollouts

    def _side_by_side(
        self, policy: ActionPolicy, seeds: Sequence[int], max_steps: int, greedy: bool
    ) -> list[Rollout]:
        began = perf_counter()
        while len(self._idle) < len(seeds):
            self._idle.append(_made(self._env))
        pairs = zip(self._idle, seeds, strict=False)
        episodes = [self._begun(environment, seed, max_steps) for environment, seed in pairs]
        live = episodes
        for step in range(max_steps):
            self._step(policy, live, step, greedy)
            live = [episode for episode in live if not (episode.ended or episode.cut)]
            if not live:
                break
        took = perf_counter() - began
        steps = sum(len(episode.actions) for episode in episodes)
        return [self._rollout(episode, took / steps) for episode in episodes]

    def _begun(self, environment: Any, seed: int, max_steps: int) -> _Episode:
        observation, info = environment.reset(seed=int(seed))
        # A stream apart from the environment's own, which is that of the bare seed: else chance
        # in the environment would follow from the action.
        points = np.random.default_rng([seed, _ACTIONS]).random(max_steps)
        return _Episode(environment, points, *self._read(observation, info))

    def _read(self, observation: Any, info: Mapping[str, Any]) -> tuple[Any, Any, Any]:
        mask = info.get("action_mask")
        state = int(observation) - self._first_state if self._discrete else None
        return (
            self._flat(observation),
            state,
            None if mask is None else np.asarray(mask, dtype=bool),
        )

    def _step(self, policy: ActionPolicy, live: list[_Episode], step: int, greedy: bool) -> None:
        """Take one step of every live episode, all chosen by one call of the policy."""
        seen = np.stack([episode.now for episode in live])  # (L, D)
        masks = [episode.mask for episode in live if episode.mask is not None]
        allowed = np.stack(masks) if len(masks) == len(live) else None
        chances = policy.probabilities(Observations(seen, allowed))  # (L, A)
        if greedy:
            chosen = chances.argmax(axis=1)
        else:
            chosen = draw_at(chances, np.array([episode.points[step] for episode in live]))
        logs = np.log(chances[np.arange(len(live)), chosen]).tolist()
        for episode, action, log_prob in zip(live, chosen.tolist(), logs, strict=True):
            episode.observations.append(episode.now)
            episode.states.append(episode.state)
            episode.masks.append(episode.mask)
            episode.actions.append(action)
            episode.log_prob.append(log_prob)
            observation, reward, ended, cut, info = episode.environment.step(
                action + self._first_action
            )
            episode.rewards.append(float(reward))
            episode.ended, episode.cut = bool(ended), bool(cut)
            episode.now, episode.state, episode.mask = self._read(observation, info)

    def _rollout(self, episode: _Episode, seconds_per_step: float) -> Rollout:
        masks = [mask for mask in episode.masks if mask is not None]
        return Rollout(
            observations=np.stack(episode.observations),
            actions=np.array(episode.actions),
            rewards=np.array(episode.rewards),
            log_prob=np.array(episode.log_prob),
            last_observation=episode.now,
            truncated=not episode.ended,
            success=self._succeeded(episode.rewards),
            seconds=seconds_per_step * len(episode.actions),
            states=np.array(episode.states) if self._discrete else None,
            last_state=episode.state,
            allowed=np.stack(masks) if len(masks) == len(episode.actions) else None,
        )

    def _succeeded(self, rewards: Sequence[float]) -> bool:
        if self._threshold is None:
            return rewards[-1] > 0
        return sum(rewards) >= self._threshold


def check(spec: Mapping[str, Any], agent: Agent | None) -> dict[str, Any]:
    """Return the spec with the environment's full id; it is made once to see that it can be."""
    env = spec.get("env")
    if not isinstance(env, str) or not _ID.fullmatch(env):
        raise InvalidRuntime("runtime.env", "must be the id of an environment, as CartPole-v1")
    GymnasiumRuntime(env)
    return {"name": "gymnasium", "env": env}


def make(spec: Mapping[str, Any], agent: Agent | None) -> GymnasiumRuntime:
    """Return the runtime of a checked spec."""
    return GymnasiumRuntime(spec["env"])


def tasks(spec: Mapping[str, Any], split: str, count: int) -> list[Task]:
    """Return `count` seeds for `split`; no seed is in two splits."""
    start = _FIRST_SEED[split]
    return [Task(number, start + number, task_type=spec["env"]) for number in range(count)]


def defaults(spec: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings to start from where a job's config says nothing."""
    known = DEFAULTS.get(spec["env"])
    if known is not None:
        return dict(known)
    limit = _made(spec["env"]).spec.max_episode_steps
    return {"max_steps_per_trajectory": min(limit or MAX_STEPS, MAX_STEPS)}


def _made(env: str) -> Any:
    try:
        package = import_module("gymnasium")
    except ImportError as error:
        raise InvalidRuntime(
            "runtime.name", "gymnasium needs its package: pip install gymnasium"
        ) from error
    try:
        return package.make(env, disable_env_checker=True)
    # An environment of another package may need what is not installed.
    except (package.error.Error, ImportError, TypeError, OSError) as error:
        raise InvalidRuntime("runtime.env", f"cannot be made: {error}") from error


def _size_of(space: Any) -> int:
    spaces = import_module("gymnasium").spaces
    try:
        size = int(spaces.flatdim(space))
    except (ValueError, NotImplementedError) as error:
        raise InvalidRuntime(
            "runtime.env", f"has observations {space}, of no fixed size"
        ) from error
    if size > MAX_INPUTS:
        raise InvalidRuntime("runtime.env", f"has observations of {size:,} numbers, too many")
    return size


def _flattener(space: Any) -> Callable[[Any], Floats]:
    spaces = import_module("gymnasium").spaces
    if isinstance(space, spaces.Box):
        return lambda observation: np.asarray(observation, dtype=np.float64).ravel()
    if isinstance(space, spaces.Discrete):
        rows, start = np.eye(int(space.n)), int(space.start)
        return lambda observation: rows[int(observation) - start]
    return lambda observation: np.asarray(spaces.flatten(space, observation), dtype=np.float64)
