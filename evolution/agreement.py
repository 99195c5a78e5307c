"""What the statistics say about a lesson that a model proposes: for it, against it, or nothing."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolution.findings import Finding
from evolution.lessons import Lesson, contradicts, parse, untyped
from playbooks.content import Content, bullets
from playbooks.operations import Operation

# A confidence is multiplied by this where the held-out runs speak against the change ...
CLEAR, UNCLEAR = 0.3, 0.7
# ... and by this where it cannot be obeyed together with what they support.
AT_ODDS = 0.5
# From this q on a finding is a mere hint: it neither supports nor forbids.
MAX_Q = 0.2


@dataclass(frozen=True, slots=True)
class Agreement:
    """The finding nearest to a change, and what to multiply its confidence by (0 to 1)."""

    weight: float = 1.0
    finding: dict[str, Any] | None = None


def agreement(
    operations: Sequence[Operation], content: Content, findings: Iterable[Finding]
) -> Agreement:
    """Return what the findings say of a change's lessons in the language that can be tested.

    Where several lessons were tested, the worst counts.
    """
    known = list(findings)
    standing = {bullet.bullet_id: bullet.text for bullet in bullets(content)}
    found = [_of(lesson, sign, known) for lesson, sign in _lessons(operations, standing)]
    told = [item for item in found if item.finding is not None]
    return min(told, key=lambda item: item.weight, default=Agreement())


def _lessons(
    operations: Sequence[Operation], standing: Mapping[str, str]
) -> list[tuple[Lesson, int]]:
    """Return the lessons that a change brings (+1) and takes away (-1)."""
    told: list[tuple[str, int]] = []
    for operation in operations:
        if "text" in operation:
            told.append((operation["text"], 1))
        if operation["op"] == "remove":
            told.append((standing.get(operation["bullet_id"], ""), -1))
    parsed = ((parse(text), sign) for text, sign in told)
    return [(lesson, sign) for lesson, sign in parsed if lesson is not None]


def _of(lesson: Lesson, sign: int, findings: Sequence[Finding]) -> Agreement:
    same = [f for f in findings if f.lesson == lesson]
    same = same or [f for f in findings if _is_wider(f.lesson, lesson)]
    for finding in same:
        lift = _lift(finding)
        if lift is not None:
            return Agreement(_weight(sign * lift, finding), _told(finding, sign * lift))
    supported = [f for f in findings if (_lift(f) or 0) > 0 and f.q_value <= MAX_Q]
    for finding in supported if sign > 0 else ():
        if contradicts(lesson, [finding.lesson]):
            return Agreement(AT_ODDS, _told(finding, _lift(finding) or 0.0) | {"at_odds": True})
    return Agreement()


def _is_wider(one: Lesson, other: Lesson) -> bool:
    """Tell whether two lessons differ only in that one of them holds for tasks of every type."""
    return None in (one.task_type, other.task_type) and untyped(one) == untyped(other)


def _lift(finding: Finding) -> float | None:
    """Return by how much keeping to the lesson raises success, None where it was not measured."""
    rates = finding.trial.rates
    if rates is None or rates.lift != rates.lift:
        return None
    # A lesson tried for removal was measured the other way round.
    return -rates.lift if finding.trial.pick.remove else rates.lift


def _weight(lift: float, finding: Finding) -> float:
    if lift >= 0:
        return 1.0
    estimate = finding.trial.estimate
    clear = estimate is not None and (estimate.interval[0] > 0 or estimate.interval[1] < 0)
    return CLEAR if clear else UNCLEAR


def _told(finding: Finding, lift: float) -> dict[str, Any]:
    kept, broken = finding.trial.counts
    return {
        "lift": float(f"{lift:.4g}"),
        "q_value": float(f"{finding.q_value:.4g}"),
        "counts": {"followed": list(kept), "not_followed": list(broken)},
        "exploratory": finding.exploratory,
        "contradicted": lift < 0,
    }
