"""The steps of a trajectory as they are kept: JSON, deflated."""

import json
import zlib
from collections.abc import Mapping, Sequence
from typing import Any

from training.runtimes.base import Outcome, Rollout

# Quick: twice the size of the best, in a tenth of the time.
_LEVEL = 1


def of_outcome(outcome: Outcome, heads: Mapping[str, int]) -> bytes:
    """Return the body of an agent's attempt: its steps, its answer, what the heads chose."""
    body: dict[str, Any] = {"steps": list(outcome.steps), "answer": outcome.answer}
    return _deflated(body | ({"heads": dict(heads)} if heads else {}))


def of_rollout(rollout: Rollout) -> bytes:
    """Return the body of an episode: actions and rewards; the observations are not kept."""
    return _deflated(
        {"actions": rollout.actions.tolist(), "rewards": _short(rollout.rewards.tolist())}
    )


def read(body: bytes) -> dict[str, Any]:
    """Return `{steps, answer, heads}`; a step of an episode is `{action, reward}`."""
    if not body:
        return {"steps": [], "answer": None, "heads": {}}
    found = json.loads(zlib.decompress(body))
    if "actions" in found:
        pairs = zip(found["actions"], found["rewards"], strict=True)
        steps = [{"action": action, "reward": reward} for action, reward in pairs]
        return {"steps": steps, "answer": None, "heads": {}}
    return {"heads": {}, **found}


def _short(rewards: Sequence[float]) -> list[float]:
    return [int(reward) if reward == int(reward) else reward for reward in rewards]


def _deflated(body: Mapping[str, Any]) -> bytes:
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False, default=str)
    return zlib.compress(text.encode(errors="replace"), _LEVEL)
