"""What a trajectory is worth: by its outcome, unless the job says otherwise."""

from collections.abc import Mapping
from typing import Any

from training.datasets import invalid
from training.runtimes.base import Outcome, Task


class RewardFailed(Exception):
    """The job's reward function raised instead of saying what a trajectory is worth."""


def check_reward(spec: Mapping[str, Any] | None) -> dict[str, Any]:
    """Return the canonical spec of a reward; raises InvalidInput."""
    if spec:
        raise invalid("reward", "is not known")
    return {}


def score(spec: Mapping[str, Any], task: Task, outcome: Outcome) -> float | None:
    """Return what an attempt is worth; None for one that cannot be scored, never a 0 for it."""
    if outcome.failure is not None:
        return None
    if outcome.output_quality is not None:
        return float(outcome.output_quality)
    return None if outcome.success is None else float(outcome.success)
