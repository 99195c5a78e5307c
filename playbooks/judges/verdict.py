"""What a judge says of a delta, and what all that was said leads to."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

Outcome: TypeAlias = Literal["pass", "warn", "block", "abstain"]
Decision: TypeAlias = Literal["apply", "pending_review", "rejected", "failed", "recorded"]


@dataclass(frozen=True, slots=True)
class Verdict:
    """One judge's word: the reason is for people, `data` is JSON for programs."""

    judge: str
    outcome: Outcome
    reason: str
    data: dict[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """Return `{"judge", "outcome", "reason", "data"}`."""
        return {
            "judge": self.judge,
            "outcome": self.outcome,
            "reason": self.reason,
            "data": self.data,
        }

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> "Verdict":
        """Return the verdict that `to_json` wrote; raises KeyError where one is not."""
        return cls(value["judge"], value["outcome"], value["reason"], dict(value.get("data") or {}))


def decide(mode: str, verdicts: Iterable[Verdict]) -> Decision:
    """Return what becomes of a delta under an agent's mode: `strict`, `auto` or `dry_run`.

    Warnings and abstentions do not block. A schema or safety block ends it in every mode.
    """
    blocking = {verdict.judge for verdict in verdicts if verdict.outcome == "block"}
    if "schema" in blocking:
        return "failed"
    if "safety" in blocking:
        return "rejected"
    if mode == "dry_run":
        return "recorded"
    if mode == "auto" and not blocking:
        return "apply"
    return "pending_review"
