"""The evidence judge: does a learned delta say what it rests on, and is that enough on its own?"""

import math
from collections.abc import Mapping, Sequence
from typing import Any

from playbooks.judges.verdict import Verdict

# A statistical lesson goes live without a person only up to this q-value (Benjamini-Hochberg).
AUTOMATIC_Q = 0.002
# Traces of other origins (imported, a third party's) never carry a lesson alone.
TRUSTED_ORIGINS = ("agent", "workshop")
# Offers of maintenance (evolution.maintenance): what may leave, or become one, and why.
UPKEEP = ("near_duplicates", "harmful", "stale", "over_budget")
_NEEDED = {
    "statistical": ("exploratory", "q_value", "counts", "for", "against"),
    "llm": ("for", "against"),
    "training": ("counts",),
}


def judge_evidence(source: str, evidence: Mapping[str, Any]) -> Verdict:
    """Return whether evidence has the shape its source owes, and may act without a person.

    Deltas of people, agents and scripts owe none: without it the judge abstains.
    """
    if not evidence and source not in _NEEDED:
        return Verdict("evidence", "abstain", f"a delta of this source ({source}) owes none")
    if source == "statistical" and evidence.get("kind") in UPKEEP:
        return Verdict("evidence", "block", "a person decides what leaves a playbook")
    missing = [f"{name} is missing" for name in _NEEDED.get(source, ()) if name not in evidence]
    faults = (missing if evidence else ["none was sent"]) + _faults(evidence)
    if source == "llm" and evidence.get("for") == []:
        faults.append(_nothing_holds(evidence))
    if faults:
        reason = f"a person decides: {'; '.join(faults)}"
        return Verdict("evidence", "block", reason, {"faults": faults})
    weighed = _weighed(source, evidence)
    if weighed.outcome == "block" or not evidence.get("citations"):
        return weighed
    return _cited(evidence["citations"])


def _nothing_holds(evidence: Mapping[str, Any]) -> str:
    cited = evidence.get("citations")
    return "none of its citations holds" if cited else "it cites no trace"


def _cited(citations: Sequence[Mapping[str, Any]]) -> Verdict:
    """Judge a model's citations, each of which was checked against the trace it names."""
    wrong = [citation for citation in citations if not citation["ok"]]
    if not wrong:
        count = len(citations)
        return Verdict("evidence", "pass", f"{count} citation{'s' if count > 1 else ''} checked")
    if len(wrong) == len(citations):
        return Verdict("evidence", "block", "a person decides: none of its citations holds")
    reasons = [f"{citation['trace_id']}: {citation['why']}" for citation in wrong]
    reason = f"{len(wrong)} of {len(citations)} citations do not hold: {'; '.join(reasons)}"
    return Verdict("evidence", "warn", reason[:500], {"wrong": reasons})


def from_outside_alone(evidence: Mapping[str, Any]) -> bool:
    """Tell whether there is nobody but strangers behind it: none of its traces is trusted.

    `origins` of the evidence counts the traces by where they came from; without it nobody knows.
    """
    origins = evidence.get("origins") or {}
    return bool(origins) and not any(origins.get(name) for name in TRUSTED_ORIGINS)


def _weighed(source: str, evidence: Mapping[str, Any]) -> Verdict:
    if from_outside_alone(evidence):
        reason = "a person decides: it rests on traces from outside alone"
        return Verdict("evidence", "block", reason, {"origins": evidence["origins"]})
    if evidence.get("exploratory"):
        reason = "exploratory, so a person decides"
        return Verdict("evidence", "block", reason, {"exploratory": True})
    q_value = evidence.get("q_value")
    if source == "statistical" and q_value is not None and q_value > AUTOMATIC_Q:
        reason = f"q = {q_value:.3g} is above the {AUTOMATIC_Q} needed to act without a person"
        return Verdict("evidence", "block", reason, {"q_value": q_value})
    if evidence.get("automatic") is False:
        return Verdict("evidence", "block", "a person decides: its evidence has doubts")
    cited = [
        f"{len(evidence[side])} traces {side}" for side in ("for", "against") if side in evidence
    ]
    return Verdict("evidence", "pass", ", ".join(cited) or "has the shape that its source owes")


def _faults(evidence: Mapping[str, Any]) -> list[str]:
    faults = [
        f"{side} is not a list of trace ids"
        for side in ("for", "against")
        if side in evidence and not _is_id_list(evidence[side])
    ]
    if "counts" in evidence and not _is_counts(evidence["counts"]):
        faults.append("counts are not numbers of zero or more")
    if "q_value" in evidence and not _is_share(evidence["q_value"]):
        faults.append("q_value is not a number from 0 to 1")
    if not isinstance(evidence.get("exploratory", False), bool):
        faults.append("exploratory is neither true nor false")
    if evidence.get("origins") and not _is_counts(evidence["origins"]):
        faults.append("origins are not counts of traces")
    if not _are_citations(evidence.get("citations", [])):
        faults.append("citations are not {trace_id, ok, why} each")
    return faults


def _is_id_list(value: object) -> bool:
    if not isinstance(value, list) or not all(isinstance(item, str) and item for item in value):
        return False
    return len(set(value)) == len(value)


def _are_citations(value: object) -> bool:
    kinds = (("trace_id", str), ("ok", bool), ("why", str))
    return isinstance(value, list) and all(
        isinstance(item, dict) and all(isinstance(item.get(key), kind) for key, kind in kinds)
        for item in value
    )


def _is_counts(value: object) -> bool:
    """Tell whether a value is an object, nested at will, whose leaves are numbers from 0 up."""
    if isinstance(value, dict):
        return bool(value) and all(map(_is_counts, value.values()))
    if isinstance(value, list):
        return all(map(_is_counts, value))
    return isinstance(value, int | float) and math.isfinite(value) and value >= 0


def _is_share(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
