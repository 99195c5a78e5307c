"""Verdicts that an operator waived for a time: they stay to be read, and do not block."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from playbooks.judges.council import COUNCIL

# What ends a delta or always needs a person's eyes, what nothing could apply anyway, and what only
# says that a verdict is to come.
NEVER_WAIVED = frozenset({"schema", "safety", "quarantine", "conflict", COUNCIL})


@dataclass(frozen=True, slots=True)
class Waived:
    """One waiver as it is marked on a verdict; `by` is a stored actor."""

    number: int
    by: str
    reason: str
    until: datetime


def mark_waived(
    verdicts: Sequence[Mapping[str, Any]], waivers: Mapping[str, Waived]
) -> list[dict[str, Any]]:
    """Return stored verdicts with blocks of waived judges as warnings, by the judge's name.

    The outcome waived is kept in `data["waived"]`; a verdict whose waiver is no more gets it back.
    """
    return [_marked(verdict, waivers.get(verdict["judge"])) for verdict in verdicts]


def _marked(verdict: Mapping[str, Any], waiver: Waived | None) -> dict[str, Any]:
    plain = _unmarked(verdict)
    if waiver is None or plain["outcome"] != "block" or plain["judge"] in NEVER_WAIVED:
        return plain
    mark = {
        "outcome": plain["outcome"],
        "waiver": waiver.number,
        "by": waiver.by,
        "reason": waiver.reason,
        "until": waiver.until.isoformat(),
    }
    return {**plain, "outcome": "warn", "data": {**plain["data"], "waived": mark}}


def _unmarked(verdict: Mapping[str, Any]) -> dict[str, Any]:
    data = dict(verdict.get("data") or {})
    mark = data.pop("waived", None)
    outcome = mark["outcome"] if mark else verdict["outcome"]
    return {**verdict, "outcome": outcome, "data": data}


def is_waived(verdict: Mapping[str, Any]) -> bool:
    """Tell whether a stored verdict is marked as waived."""
    return "waived" in (verdict.get("data") or {})


def may_be_waived(verdict: Mapping[str, Any]) -> bool:
    """Tell whether a stored verdict blocks, and an operator may waive it."""
    return verdict["outcome"] == "block" and verdict["judge"] not in NEVER_WAIVED
