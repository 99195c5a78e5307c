"""What an attempt is worth: by its outcome, unless the job's reward says otherwise."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from training.datasets import invalid
from training.engine import rewards
from training.engine.answers import same_answer
from training.engine.rewards import InvalidReward, Registry, Reward
from training.runtimes.base import Outcome, Task

# Custom functions: those of installed packages, each tried on samples before it is taken.
CUSTOM = Registry()


def check_reward(spec: Mapping[str, Any] | None, policy: str | None) -> dict[str, Any]:
    """Return the spec of a reward that can be, empty for the outcome; raises InvalidInput."""
    if spec is None:
        return {}
    if policy == "action":
        raise invalid("reward", "is the environment's own for an action policy")
    try:
        rewards.parse(spec, CUSTOM)
    except InvalidReward as error:
        raise invalid(error.field, error.problem) from error
    return dict(spec)


def reward_of(spec: Mapping[str, Any]) -> Reward:
    """Return the reward of a spec that was checked; raises InvalidReward if it is gone since."""
    return rewards.parse(spec or None, CUSTOM)


def judged(reward: Reward, task: Task, outcome: Outcome) -> Outcome:
    """Return the outcome with a success where only its answer tells whether it is one.

    Where the runtime judged, a custom function does in its place, or nothing is expected, it stays
    as it is. An attempt cut short before it answered did not succeed.
    """
    unjudged = outcome.success is None and outcome.output_quality is None
    elsewhere = reward.has("custom") and not reward.has("outcome")
    if not unjudged or outcome.failure or elsewhere or task.expected_outcome is None:
        return outcome
    if outcome.answer is None:
        return replace(outcome, success=False) if outcome.truncated else outcome
    return replace(outcome, success=same_answer(outcome.answer, task.expected_outcome))


def score(reward: Reward, task: Task, outcome: Outcome) -> float | None:
    """Return what an attempt is worth; None for one that cannot be scored, never a 0 for it.

    Raises RewardFailed where a custom function does.
    """
    seen = rewards.Rollout(
        success=outcome.success,
        output_quality=outcome.output_quality,
        steps=tuple(outcome.steps),
        tokens=outcome.tokens or 0,
        seconds=outcome.seconds,
        expected_outcome=task.expected_outcome,
        failure=outcome.failure,
        answer=outcome.answer,
    )
    return reward(seen)
