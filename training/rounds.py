"""The trajectories of an iteration: what was chosen, what came of it, what there is to learn."""

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from training import bodies, paying, sampling
from training.engine.action_policy import ActionBatch, ActionPolicy, Observations
from training.engine.advantages import advantages
from training.engine.distributions import Bools, Floats, Ints
from training.engine.grpo import Experience
from training.engine.masks import stratified
from training.engine.policy import ContextBatch, ContextPolicy, Contexts
from training.engine.trajectories import Trajectories
from training.learner import Learner
from training.models import Split, Trajectory, TrajectoryOutcome
from training.runtimes.base import Attempt, Outcome, Rollout, Task
from training.sampling import Purpose, generator
from training.scene import Scene
from training.scoring import judged, score


@dataclass(frozen=True, slots=True)
class Round:
    """What one iteration brought: rows to store, and what may be learned from (None: nothing)."""

    rows: list[Trajectory]
    experience: Experience[Any] | None
    # The group of each row: one for each task, in the order in which they were tried.
    groups: Ints  # (M,)

    @property
    def scored(self) -> Bools:
        """Tell which rows (M,) have a reward."""
        return np.array([row.reward is not None for row in self.rows], dtype=bool)

    @property
    def failed(self) -> int:
        """How many did not end, or could not be scored."""
        return int((~self.scored).sum())

    @property
    def success_rate(self) -> float | None:
        """Share of the scored trajectories with a known end that succeeded."""
        known = [row.success for row in self.rows if row.reward is not None]
        return _mean([bool(s) for s in known if s is not None])

    @property
    def unanimous(self) -> tuple[float | None, float | None]:
        """Shares of the groups that all passed, and that all failed."""
        by_group: dict[int, list[bool]] = {}
        for group, row in zip(self.groups.tolist(), self.rows, strict=True):
            if row.reward is not None and row.success is not None:
                by_group.setdefault(group, []).append(row.success)
        ends = list(by_group.values())
        return _mean([all(end) for end in ends]), _mean([not any(end) for end in ends])

    @property
    def reported_usd(self) -> Decimal:
        """What the attempts say that they cost, as far as they say it."""
        return sum((row.cost_usd for row in self.rows if row.cost_usd is not None), Decimal(0))

    @property
    def errors(self) -> list[str]:
        """What went wrong, the most frequent first."""
        told = [row.error for row in self.rows if row.error and row.reward is None]
        return sorted(set(told), key=lambda text: (-told.count(text), text))


def play(scene: Scene, learner: Learner, iteration: int) -> Round:
    """Carry out the trajectories of `iteration` (from 1) under the learner's policy.

    Raises Interrupted, RewardFailed, and BadRewards for a reward that is not a number.
    """
    config = scene.config
    numbers = sampling.batch(config.seed, iteration, scene.train_count(), config.batch_size)
    tasks = scene.tasks(Split.TRAIN, numbers)
    size = config.n_trajectories_per_query
    seeds = sampling.attempt_seeds(config.seed, iteration, numbers, size)
    if isinstance(learner.policy, ContextPolicy):
        return _attempts(scene, learner, learner.policy, iteration, tasks, seeds)
    return _episodes(scene, learner, learner.policy, iteration, tasks, seeds)


def _attempts(
    scene: Scene,
    learner: Learner,
    policy: ContextPolicy,
    iteration: int,
    tasks: Sequence[Task],
    seeds: Sequence[int],
) -> Round:
    size = scene.config.n_trajectories_per_query
    rng = generator(scene.config.seed, Purpose.CHOICE, iteration)
    choices = stratified(policy, Contexts(scene.types(tasks)), size, rng)
    log_prob = policy.log_prob(choices)
    masks = scene.masks(choices.bullets)
    attempts = [
        scene.attempt(tasks[row // size], row % size, seed, masks[row], _heads(choices, row))
        for row, seed in enumerate(seeds)
    ]
    outcomes = paying.carry_out(scene, attempts)
    rows = [
        _row(scene, iteration, attempt, outcome)
        for attempt, outcome in zip(attempts, outcomes, strict=True)
    ]
    bits = np.packbits(masks, axis=1)
    for place, row in enumerate(rows):
        row.bullets, row.log_prob = bits[place].tobytes(), float(log_prob[place])
    groups = np.repeat(np.arange(len(tasks)), size)
    found = Round(rows, None, groups)
    if not found.scored.any():
        return found
    experience = _of_choices(found, choices, log_prob, learner, scene.config.kl_beta)
    return _with_advantages(Round(rows, experience, groups), scene.config.advantage)


def _of_choices(
    found: Round,
    choices: ContextBatch,
    log_prob: Floats,
    learner: Learner,
    kl_beta: float,
) -> Experience[ContextBatch]:
    """Return what there is to learn: a choice of context is one step, rewarded at its end."""
    used = found.scored
    rewards = np.array([row.reward for row in found.rows if row.reward is not None])
    ones = np.ones(len(rewards), dtype=np.int64)
    taken = choices.take(used)
    reference = _reference(learner, taken) if kl_beta else None
    trajectories = Trajectories(found.groups[used], ones, rewards)
    return Experience(trajectories, taken, log_prob[used], reference)


def _episodes(
    scene: Scene,
    learner: Learner,
    policy: ActionPolicy,
    iteration: int,
    tasks: Sequence[Task],
    seeds: Sequence[int],
) -> Round:
    config, size = scene.config, scene.config.n_trajectories_per_query
    rollouts = scene.runtime.play(
        policy, seeds, max_steps=config.max_steps_per_trajectory, greedy=False
    )
    groups = np.repeat(np.arange(len(tasks)), size)
    rows = [
        _episode_row(scene, iteration, tasks[place // size], place % size, rollout)
        for place, rollout in enumerate(rollouts)
    ]
    log_prob = np.concatenate([rollout.log_prob for rollout in rollouts])
    masks = [rollout.allowed for rollout in rollouts if rollout.allowed is not None]
    observations = Observations(
        np.concatenate([rollout.observations for rollout in rollouts]),
        np.concatenate(masks) if len(masks) == len(rollouts) else None,
    )
    actions = np.concatenate([rollout.actions for rollout in rollouts])
    taken = ActionBatch(observations, actions)
    reference = _reference(learner, taken) if config.kl_beta else None
    experience = Experience(_of_rollouts(rollouts, groups), taken, log_prob, reference)
    return _with_advantages(Round(rows, experience, groups), config.advantage)


def _reference(learner: Learner, choices: Any) -> Floats:
    """Return how likely the choices (N,) were under the policy before training."""
    first: Any = type(learner.policy).from_bytes(learner.policy.to_bytes())
    first.parameters = learner.start
    found: Floats = first.log_prob(choices)
    return found


def _of_rollouts(rollouts: Sequence[Rollout], groups: Ints) -> Trajectories:
    states = [rollout.states for rollout in rollouts if rollout.states is not None]
    last = [rollout.last_state for rollout in rollouts if rollout.last_state is not None]
    known = len(states) == len(last) == len(rollouts)
    return Trajectories(
        groups=groups,
        lengths=np.array([len(rollout.actions) for rollout in rollouts]),
        rewards=np.concatenate([rollout.rewards for rollout in rollouts]),
        truncated=np.array([rollout.truncated for rollout in rollouts]),
        states=np.concatenate(states) if known else None,
        last_states=np.array(last) if known else None,
        observations=np.concatenate([rollout.observations for rollout in rollouts]),
        last_observations=np.stack([rollout.last_observation for rollout in rollouts]),
    )


def _with_advantages(found: Round, kind: str) -> Round:
    """Note on every scored row how much better it did than its group."""
    if found.experience is None:
        return found
    data = found.experience.trajectories
    each = advantages(data.totals, data.groups, kind).tolist()
    scored = [row for row in found.rows if row.reward is not None]
    for row, advantage in zip(scored, each, strict=True):
        row.advantage = advantage
    return found


def _row(scene: Scene, iteration: int, attempt: Attempt, outcome: Outcome) -> Trajectory:
    outcome = judged(scene.reward, attempt.task, outcome)
    found = score(scene.reward, attempt.task, outcome)
    return Trajectory(
        job=scene.job,
        iteration=iteration,
        task=attempt.task.number,
        trial=attempt.trial,
        outcome=_ended_as(outcome, found),
        error=outcome.error.replace("\x00", "")[:300],
        success=outcome.success,
        reward=found,
        step_count=len(outcome.steps),
        tokens=outcome.tokens,
        cost_usd=outcome.cost_usd,
        seconds=outcome.seconds,
        body=bodies.of_outcome(outcome, attempt.heads),
    )


def _ended_as(outcome: Outcome, found: float | None) -> TrajectoryOutcome:
    if outcome.failure is not None:
        return TrajectoryOutcome(outcome.failure)
    if found is None:
        return TrajectoryOutcome.NO_REWARD
    return TrajectoryOutcome.TRUNCATED if outcome.truncated else TrajectoryOutcome.ENDED


def _episode_row(
    scene: Scene, iteration: int, task: Task, trial: int, rollout: Rollout
) -> Trajectory:
    ended = TrajectoryOutcome.TRUNCATED if rollout.truncated else TrajectoryOutcome.ENDED
    return Trajectory(
        job=scene.job,
        iteration=iteration,
        task=task.number,
        trial=trial,
        outcome=ended,
        success=rollout.success,
        reward=float(rollout.rewards.sum()),
        log_prob=float(rollout.log_prob.sum()),
        step_count=len(rollout.actions),
        seconds=rollout.seconds,
        body=bodies.of_rollout(rollout),
    )


def _heads(choices: ContextBatch, row: int) -> dict[str, int]:
    return {name: int(chosen[row]) for name, chosen in choices.heads.items()}


def _mean(values: Sequence[bool]) -> float | None:
    return float(np.mean(values)) if values else None
