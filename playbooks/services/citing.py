"""Traces that a person names as evidence for or against a delta that still waits."""

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction
from django.utils import timezone

from ace_project.core.errors import Conflict, InvalidInput
from playbooks import audit
from playbooks.actors import Actor
from playbooks.judges.evidence import judge_evidence
from playbooks.models import OPEN, Delta
from playbooks.services.publish import locked_delta

# As many as a person can have looked at; a run's own evidence is not counted.
MOST_CITED = 100


@transaction.atomic
def cite_traces(
    *, delta: Delta, supporting: Sequence[str], opposing: Sequence[str], by: Actor
) -> Delta:
    """Add trace ids to a delta's evidence, and let the evidence judge look again.

    A trace that was named for the other side changes sides. A person takes the delta in hand by
    it, so that no verdict applies it any more. Raises Conflict for a delta that was decided,
    InvalidInput for no trace or too many.
    """
    delta, playbook = locked_delta(delta)
    if delta.status not in OPEN:
        raise Conflict(f"delta {delta.pk} was decided meanwhile: its evidence stays as it was")
    _check(supporting, opposing)
    delta.evidence = with_traces(delta.evidence, supporting, opposing)
    verdict = judge_evidence(delta.source, delta.evidence).to_json()
    delta.verdicts = [verdict if v["judge"] == "evidence" else v for v in delta.verdicts]
    delta.may_apply = False
    delta.save(update_fields=["evidence", "verdicts", "may_apply"])
    audit.record(
        playbook.agent.agent_id,
        "delta_evidence_added",
        by,
        now=timezone.now(),
        subject=f"delta {delta.pk}",
        data={
            "delta_id": str(delta.delta_id),
            "for": list(supporting),
            "against": list(opposing),
        },
    )
    return delta


def _check(supporting: Sequence[str], opposing: Sequence[str]) -> None:
    named = [*supporting, *opposing]
    if not named:
        raise InvalidInput("choose at least one trace")
    if len(named) > MOST_CITED:
        raise InvalidInput(f"at most {MOST_CITED} traces at a time")
    if len(set(named)) < len(named):
        raise InvalidInput("a trace speaks either for a change or against it")


def with_traces(
    evidence: Mapping[str, Any], supporting: Sequence[str], opposing: Sequence[str]
) -> dict[str, Any]:
    """Return evidence that also names these traces, first of all; totals grow with them.

    `by_hand` keeps apart what people named, so that a run's newer evidence does not lose it.
    """
    added = {"for": list(supporting), "against": list(opposing)}
    moved = {*supporting, *opposing}
    found, earlier = dict(evidence), evidence.get("by_hand", {})
    for side, names in added.items():
        old = found.get(side)
        kept = [name for name in (old if isinstance(old, list) else []) if name not in moved]
        if names or side in found:
            found[side] = [*names, *kept]
        total = found.get(f"{side}_total")
        if isinstance(total, int):
            found[f"{side}_total"] = max(len(found[side]), total + len(names))
    found["by_hand"] = {
        side: [*names, *(name for name in earlier.get(side, []) if name not in moved)]
        for side, names in added.items()
    }
    return found


def renewed(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, Any]:
    """Return newer evidence for a change, with the traces that people named for the old one."""
    by_hand = old.get("by_hand")
    return with_traces(new, by_hand["for"], by_hand["against"]) if by_hand else dict(new)
