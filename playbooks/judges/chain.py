"""The chain of judges over one delta, pure: everything that they look at is passed in."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from playbooks.content import JSON, Content, ContentError, bullet_id
from playbooks.judges.evidence import judge_evidence
from playbooks.judges.quarantine import judge_quarantine
from playbooks.judges.safety import SafetyContext, judge_safety
from playbooks.judges.verdict import Verdict
from playbooks.operations import (
    Operation,
    OperationError,
    Rebased,
    apply,
    check_way_back,
    parse_operations,
    rebase,
)
from playbooks.operations.application import Draft
from playbooks.operations.pointer import NotApplicable
from playbooks.similarity import THRESHOLD, near_duplicate

# Pairs of characters that the search for duplicates may weigh: some seconds of work, spent under
# the playbook's lock. 200 short lessons over 10,000 need less than half of it.
MAX_COMPARED = 2 * 10**11


@dataclass(frozen=True, slots=True)
class JudgeInput:
    """What the judges of a delta may know; `content` is the live version's.

    `confidence` and `threshold` go from 0 to 1; `near_duplicate` is the score from which two
    texts say the same.
    """

    content: Content
    operations: Sequence[Operation]
    expectations: Sequence[JSON]
    confidence: float
    threshold: float
    source: str
    reasoning: str = ""
    evidence: Mapping[str, Any] = field(default_factory=dict)
    near_duplicate: float = THRESHOLD
    safety: SafetyContext = field(default_factory=SafetyContext)


def judge_delta(given: JudgeInput) -> list[Verdict]:
    """Return every judge's verdict in order; after a schema block nobody else is asked."""
    if not given.operations:
        return [Verdict("schema", "abstain", "no operation is left to judge")]
    problem = _malformed(given)
    if problem:
        return [problem]
    rebased = rebase(given.expectations, given.operations, given.content)
    return [
        _judge_schema(given, rebased),
        judge_safety(given.operations, given.safety),
        judge_quarantine(given.operations, given.content, given.source, given.safety),
        _judge_duplication(given),
        _judge_conflict(rebased),
        judge_evidence(given.source, given.evidence),
        _judge_confidence(given.confidence, given.threshold),
    ]


def _malformed(given: JudgeInput) -> Verdict | None:
    confidence = given.confidence
    if not math.isfinite(confidence) or not 0 <= confidence <= 1:
        return Verdict("schema", "block", "the confidence is not a number from 0 to 1")
    try:
        parse_operations(list(given.operations))
    except OperationError as error:
        return Verdict("schema", "block", str(error)[:500], {"errors": error.errors[:50]})
    return None


def _judge_schema(given: JudgeInput, rebased: Rebased) -> Verdict:
    """Judge the size of what the delta would make of the live version."""
    try:
        check_way_back(apply(given.content, rebased.ok).inverse)
    except ContentError as error:
        return Verdict("schema", "block", f"the playbook would not fit: {error}")
    count = len(given.operations)
    return Verdict("schema", "pass", f"{count} well-formed operation{'s' if count > 1 else ''}")


def _judge_duplication(given: JudgeInput) -> Verdict:
    draft = Draft(given.content)
    twins: list[dict[str, Any]] = []
    judged, left = False, MAX_COMPARED
    for index, operation in enumerate(given.operations):
        if "text" in operation and left > 0:
            judged = True
            others = _others(draft, operation)
            left -= len(operation["text"]) * sum(map(len, others.texts))
            twin = _twin(others, operation["text"], given.near_duplicate)
            twins += [{"index": index, **twin}] if twin else []
        try:
            draft.perform(operation)
        except NotApplicable:
            continue  # The conflict judge reports it.
    if not judged:
        return Verdict("duplication", "abstain", "no lesson is added or reworded")
    if not twins and left <= 0:
        return Verdict("duplication", "abstain", "the texts are too long to compare them all")
    if not twins:
        return Verdict("duplication", "pass", "nothing like it is there")
    first = twins[0]
    same = "is there already" if first["score"] == 1 else f"is {first['score']:.0%} like another"
    more = f", and {len(twins) - 1} more" if len(twins) > 1 else ""
    return Verdict("duplication", "warn", f"a lesson {same}{more}", {"twins": twins})


class _Others(NamedTuple):
    """The bullets that a text comes to stand beside."""

    section: str
    texts: list[str]


def _others(draft: Draft, operation: Operation) -> _Others:
    """Return the other bullets of the section that an operation's text comes to."""
    replaced = operation.get("bullet_ids") or [operation.get("bullet_id")]
    found = draft.find(replaced[0]) if replaced[0] else None
    section = operation.get("section") or (found.section if found else None)
    if section is None:
        return _Others("", [])
    texts = [
        text
        for text, name in zip(draft.texts(section), draft.ids(section) or [], strict=False)
        if name not in replaced
    ]
    return _Others(section, texts)


def _twin(others: _Others, text: str, threshold: float) -> dict[str, Any] | None:
    """Return id and score of the bullet that a text resembles, None where there is none."""
    near = near_duplicate(text, others.texts, threshold)
    if near is None:
        return None
    name = bullet_id(others.section, others.texts[near[0]])
    return {"bullet_id": name, "score": round(near[1], 4)}


def _judge_conflict(rebased: Rebased) -> Verdict:
    if not rebased.conflicts:
        return Verdict("conflict", "pass", "fits the live version")
    first = rebased.conflicts[0]
    count = len(rebased.conflicts)
    more = f", and {count - 1} more" if count > 1 else ""
    found = [{"index": c["index"], "reason": c["reason"]} for c in rebased.conflicts]
    reason = f"does not fit the live version: {first['reason']}{more}"
    return Verdict("conflict", "block", reason, {"conflicts": found})


def _judge_confidence(confidence: float, threshold: float) -> Verdict:
    data = {"confidence": confidence, "threshold": threshold}
    places = 2 if f"{confidence:.2f}" != f"{threshold:.2f}" else 6
    stated = f"{confidence:.{places}f}" if confidence != threshold else f"{confidence:.2f}"
    if confidence < threshold:
        reason = f"{stated} is below the {threshold:.2f} needed"
        return Verdict("confidence", "block", reason, data)
    return Verdict("confidence", "pass", f"{stated} reaches the {threshold:.2f} needed", data)
