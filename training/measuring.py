"""How good a policy is on held-out tasks, beside the playbook as it was, task by task."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isfinite
from typing import Any

import numpy as np

from playbooks.content import Content, bullets
from training import paying, sampling
from training.candidates import compose_whole
from training.engine.action_policy import ActionPolicy
from training.engine.distributions import Bools
from training.engine.evaluation import compare
from training.engine.policy import ContextPolicy, Contexts
from training.engine.trajectories import BadRewards
from training.learner import Learner
from training.models import Evaluation, EvaluationKind, Split
from training.runtimes.base import Attempt, Task
from training.sampling import Purpose
from training.scene import Scene
from training.scoring import judged, score

# A stream of seeds for each split, so that no two share one.
_STREAM = {Split.VALIDATION: 1, Split.TEST: 2}
_ASKED = 3


@dataclass(frozen=True, slots=True)
class Arm:
    """What each held-out task came to, in the order of the tasks; None: it could not be scored.

    Raise `BadRewards` where the rewards have no mean.
    """

    rewards: list[float | None]
    successes: list[bool | None]
    steps: list[int]
    # Calls of tools, and how many of them succeeded.
    calls: int = 0
    right: int = 0

    def __post_init__(self) -> None:
        known = [abs(reward) for reward in self.rewards if reward is not None]
        if not isfinite(sum(known)):
            raise BadRewards("the rewards of held-out tasks do not add up to a finite number")

    @property
    def failed(self) -> int:
        return sum(reward is None for reward in self.rewards)

    def to_json(self, tasks: Sequence[Task]) -> list[dict[str, Any]]:
        """Return `[{task, reward, success}]`."""
        rows = zip(tasks, self.rewards, self.successes, strict=True)
        return [{"task": t.number, "reward": r, "success": s} for t, r, s in rows]

    @classmethod
    def from_json(cls, results: Sequence[Mapping[str, Any]]) -> "Arm":
        """Return rewards and successes as `to_json` wrote them."""
        rewards = [row["reward"] for row in results]
        return cls(rewards, [row["success"] for row in results], [0] * len(rewards))


def try_policy(
    scene: Scene, learner: Learner | None, tasks: Sequence[Task], split: Split | None
) -> Arm:
    """Try every task once under the learner's policy, or under what was there before (None).

    A context policy lets in what is likelier in than out, an action policy takes the likeliest
    action. Before, there was the whole playbook; or every action as likely, drawn. Both try a task
    with the same seed. Raises Interrupted, RewardFailed.
    """
    if scene.config.policy == "action":
        return _played(scene, learner, tasks)
    policy = None if learner is None else learner.policy
    chosen = chosen_bullets(scene, policy, tasks)
    masks = scene.masks(chosen)
    heads = _best_heads(policy, Contexts(scene.types(tasks)))
    seeds = _seeds(scene, tasks, split)
    rows = enumerate(tasks)
    return _tried(scene, [scene.attempt(task, 0, seeds[n], masks[n], heads[n]) for n, task in rows])


def try_content(scene: Scene, content: Content, tasks: Sequence[Task], split: Split | None) -> Arm:
    """Try every task once under a whole playbook, with the seeds that a policy is tried with."""
    told = [(b.bullet_id, b.section, b.text) for b in bullets(content)]
    whole = compose_whole(content)
    most = scene.config.max_steps_per_trajectory
    pairs = zip(tasks, _seeds(scene, tasks, split), strict=True)
    return _tried(
        scene,
        [Attempt(scene.job.pk, task, 0, seed, told, whole, max_steps=most) for task, seed in pairs],
    )


def _seeds(scene: Scene, tasks: Sequence[Task], split: Split | None) -> list[int]:
    stream = _ASKED if split is None else _STREAM[split]
    return [sampling.measure_seed(scene.config.seed, stream, task.number) for task in tasks]


def _tried(scene: Scene, attempts: Sequence[Attempt]) -> Arm:
    tasks = [attempt.task for attempt in attempts]
    ended = zip(tasks, paying.carry_out(scene, attempts), strict=True)
    outcomes = [judged(scene.reward, task, outcome) for task, outcome in ended]
    pairs = zip(tasks, outcomes, strict=True)
    rewards = [score(scene.reward, task, outcome) for task, outcome in pairs]
    calls = [step for outcome in outcomes for step in outcome.steps]
    return Arm(
        rewards=rewards,
        successes=[
            None if reward is None else outcome.success
            for reward, outcome in zip(rewards, outcomes, strict=True)
        ],
        steps=[len(outcome.steps) for outcome in outcomes],
        calls=len(calls),
        right=sum(step.get("error") is None for step in calls),
    )


def chosen_bullets(scene: Scene, policy: Any, tasks: Sequence[Task]) -> Bools:
    """Return which free candidates (N, B) are let in without chance.

    One that was never moved from one half stays as the playbook has it.
    """
    free = [entry["in_playbook"] for entry in scene.job.candidates if not entry["fixed"]]
    before = np.tile(np.array(free, dtype=bool), (len(tasks), 1))
    if policy is None:
        return before
    chances = policy.probabilities(scene.types(tasks))
    return np.where(chances == 0.5, before, chances > 0.5)


def report(
    scene: Scene,
    kind: EvaluationKind,
    iteration: int,
    tasks: Sequence[Task],
    arm: Arm,
    baseline: Arm,
) -> Evaluation:
    """Return the evaluation of an arm, not yet stored, paired by task with the baseline."""
    return Evaluation(
        job=scene.job,
        kind=kind,
        iteration=iteration,
        tasks=len(tasks),
        failed=arm.failed,
        **_measures(arm),
        baseline_success_rate=_share(baseline.successes),
        baseline=_measures(baseline),
        results=arm.to_json(tasks),
        **_paired(scene, iteration, arm, baseline),
    )


def on_validation(scene: Scene, learner: Learner, iteration: int, first: Evaluation) -> Evaluation:
    """Return how the learner does on validation, beside what was measured there at first."""
    tasks = scene.tasks(Split.VALIDATION)
    arm = try_policy(scene, learner, tasks, Split.VALIDATION)
    before = Arm.from_json(first.results)
    found = report(scene, EvaluationKind.VALIDATION, iteration, tasks, arm, before)
    # Steps and calls are not among the results by task.
    found.baseline = first.baseline
    return found


def standard_error(results: Sequence[Mapping[str, Any]]) -> float:
    """Return the standard error of the mean reward of an evaluation, 0 for a single task."""
    rewards = [row["reward"] for row in results if row["reward"] is not None]
    return float(np.std(rewards, ddof=1) / np.sqrt(len(rewards))) if len(rewards) > 1 else 0.0


def _paired(scene: Scene, iteration: int, arm: Arm, baseline: Arm) -> dict[str, float]:
    """Return difference, interval and p value over the tasks that both arms were scored on.

    Compared is success, and reward where the runtime does not say who succeeded.
    """
    pairs = list(zip(arm.successes, baseline.successes, strict=True))
    known = [(float(a), float(b)) for a, b in pairs if a is not None and b is not None]
    # No share differs from another by more than all of it, whatever a t interval says.
    most = 1.0 if known else np.inf
    if not known:
        rewards = zip(arm.rewards, baseline.rewards, strict=True)
        known = [(a, b) for a, b in rewards if a is not None and b is not None]
    if len(known) < 2:
        return {}
    scores, others = np.array(known).T
    numbers = np.arange(len(known))
    rng = sampling.generator(scene.config.seed, Purpose.MEASURE, 0, iteration)
    found = compare(scores, numbers, others, numbers, rng)
    low, high = (min(max(end, -most), most) for end in found.interval)
    return {"difference": found.difference, "low": low, "high": high, "p_value": found.p_value}


def _measures(arm: Arm) -> dict[str, float | None]:
    """Return the measures of an arm under the contract's names."""
    return {
        "success_rate": _share(arm.successes),
        "avg_reward": _mean(arm.rewards),
        "avg_steps": _mean([float(steps) for steps in arm.steps]),
        "tool_accuracy": arm.right / arm.calls if arm.calls else None,
    }


def _played(scene: Scene, learner: Learner | None, tasks: Sequence[Task]) -> Arm:
    policy = learner.policy if learner else _before(scene)
    rollouts = scene.runtime.play(
        policy,
        [int(task.query) for task in tasks],
        max_steps=scene.config.max_steps_per_trajectory,
        greedy=learner is not None,
    )
    return Arm(
        rewards=[float(rollout.rewards.sum()) for rollout in rollouts],
        successes=[rollout.success for rollout in rollouts],
        steps=[len(rollout.actions) for rollout in rollouts],
    )


def _before(scene: Scene) -> ActionPolicy:
    """Return the policy that takes every action as likely."""
    return ActionPolicy(scene.runtime.n_inputs, scene.runtime.n_actions)


def _best_heads(policy: Any, contexts: Contexts) -> list[dict[str, int]]:
    """Return the best option of each head for each task; before training, the first."""
    rows = range(len(contexts.types))
    if not isinstance(policy, ContextPolicy):
        return [{} for _ in rows]
    chances = policy.head_probabilities(contexts)
    return [{name: int(p[row].argmax()) for name, p in chances.items()} for row in rows]


def _share(values: Sequence[bool | None]) -> float | None:
    return _mean([None if value is None else float(value) for value in values])


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return float(np.mean(known)) if known else None
