"""What a person decides about a delta, and how a decision is taken back."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from ace_project.core import people
from ace_project.core.errors import Conflict, Forbidden, InvalidInput
from playbooks import audit, selectors
from playbooks import operations as rules
from playbooks.actors import Actor, ActorKind
from playbooks.models import (
    OPEN,
    Decision,
    Delta,
    DeltaStatus,
    Playbook,
    Review,
    Source,
    VersionKind,
)
from playbooks.services.decisions import apply_to_head, close
from playbooks.services.deltas import propose_delta
from playbooks.services.publish import locked_playbook, publish
from playbooks.services.versions import mark_effective


def _locked(delta: Delta) -> tuple[Delta, Playbook]:
    playbook = locked_playbook(delta.playbook_id)
    row = Delta.objects.select_for_update().get(pk=delta.pk)
    row.playbook = playbook
    return row, playbook


def _open(delta: Delta) -> tuple[Delta, Playbook]:
    """Lock a delta that can still be decided; raises Conflict saying who decided what."""
    row, playbook = _locked(delta)
    if row.status not in OPEN:
        raise Conflict(
            f"already {row.get_status_display().lower()} by {row.decided_by or 'the machinery'}",
            delta_status=row.status,
            decided_by=row.decided_by,
            decided_at=row.decided_at.isoformat() if row.decided_at else None,
        )
    return row, playbook


def _need(reason: str, detail: str) -> None:
    if not reason.strip():
        raise InvalidInput(detail, [{"pointer": "/reason", "message": "may not be empty"}])


def _may_decide(delta: Delta, by: Actor, *, approves: bool) -> bool:
    """Return whether an approval would be one's own; raises Forbidden where that is not allowed."""
    own = delta.author == str(by)
    if not (own and approves):
        return False
    if by.kind is not ActorKind.PERSON:
        raise Forbidden("a token never approves a delta that its own agent proposed")
    if people.other_active_reviewers(by.user_id):
        raise Forbidden("another reviewer has to approve what you wrote yourself")
    return True


def _review(
    delta: Delta, decision: Decision, by: Actor, reason: str, now: datetime, own: bool = False
) -> None:
    Review.objects.create(
        delta=delta,
        decision=decision,
        reviewer=str(by),
        user_id=by.user_id,
        reason=reason,
        self_approved=own,
        created_at=now,
    )


@transaction.atomic
def approve_delta(*, delta: Delta, by: Actor, reason: str = "") -> Delta:
    """Apply a delta to the live version.

    Raises Conflict if it is decided already or no longer fits (then it is shown as in conflict),
    Forbidden for one's own while another reviewer exists.
    """
    row, playbook = _open(delta)
    own = _may_decide(row, by, approves=True)
    content = selectors.head(playbook).content
    rebased = rules.rebase(row.expectations, row.operations, content)
    if rebased.conflicts:
        raise Conflict("it no longer fits the live version", conflicts=rebased.conflicts)
    return _approve(row, playbook, rebased.ok, by, reason, own)


def _approve(
    row: Delta,
    playbook: Playbook,
    operations: Sequence[dict[str, Any]],
    by: Actor,
    reason: str,
    own: bool,
) -> Delta:
    now = timezone.now()
    _review(row, Decision.APPROVE, by, reason, now, own)
    apply_to_head(row, playbook, operations, by, reason, now)
    return row


@transaction.atomic
def rebase_and_approve(*, delta: Delta, keep: dict[int, str], by: Actor, reason: str = "") -> Delta:
    """Settle each conflicting operation by the reviewer's choice, then approve.

    `keep` maps the index of a conflicting operation to `live` (leave the live text) or `delta`
    (this delta's text, on the live version). Raises InvalidInput for a conflict without a choice.
    """
    row, playbook = _open(delta)
    own = _may_decide(row, by, approves=True)
    content = selectors.head(playbook).content
    rebased = rules.rebase(row.expectations, row.operations, content)
    heirs = selectors.successors(playbook, row.operations, content)
    chosen = rules.resolve(row.expectations, row.operations, content, keep, heirs)
    missing = [c["index"] for c in rebased.conflicts if c["index"] not in keep]
    if missing:
        raise InvalidInput(f"choose a text for operation {', '.join(map(str, missing))}")
    return _approve(row, playbook, chosen, by, reason, own)


@transaction.atomic
def edit_and_approve(
    *, delta: Delta, operations: Sequence[dict[str, Any]], by: Actor, reason: str = ""
) -> Delta:
    """Put the reviewer's own wording in place of a delta, and approve that.

    The edited delta is a new one by the reviewer that passes every judge; the first ends as
    rejected, pointing at it. Whoever edits another's delta may approve it; an edit of one's own
    is one's own, with Forbidden as approve_delta has it.
    """
    row, playbook = _open(delta)
    own = _may_decide(row, by, approves=True)
    outcome = propose_delta(
        agent=playbook.agent,
        operations=operations,
        confidence=row.confidence,
        source=Source.OPERATOR,
        author=by,
        reasoning=row.reasoning,
        evidence={**row.evidence, "edited_from": str(row.delta_id)},
        may_apply=False,
    )
    edited = outcome.delta
    if edited.status not in OPEN:
        raise InvalidInput(f"the edit does not pass the judges: {edited.decision_reason}")
    now = timezone.now()
    _review(row, Decision.REJECT, by, f"edited as delta {edited.pk}", now)
    close(row, DeltaStatus.REJECTED, by, f"edited as delta {edited.pk}", now)
    row, playbook = _open(edited)
    content = selectors.head(playbook).content
    rebased = rules.rebase(row.expectations, row.operations, content)
    if rebased.conflicts:
        raise Conflict("it no longer fits the live version", conflicts=rebased.conflicts)
    return _approve(row, playbook, rebased.ok, by, reason, own)


@transaction.atomic
def reject_delta(*, delta: Delta, by: Actor, reason: str) -> Delta:
    """End a delta without applying it; the reason is kept and shown."""
    row, _ = _open(delta)
    _need(reason, "a rejection needs a reason")
    now = timezone.now()
    _review(row, Decision.REJECT, by, reason, now)
    close(row, DeltaStatus.REJECTED, by, reason, now)
    return row


@transaction.atomic
def request_changes(*, delta: Delta, by: Actor, reason: str) -> Delta:
    """Send a delta back with what should be different; it stays open."""
    row, playbook = _open(delta)
    _need(reason, "say what should change")
    now = timezone.now()
    _review(row, Decision.REQUEST_CHANGES, by, reason, now)
    row.status = DeltaStatus.CHANGES_REQUESTED
    row.save(update_fields=["status"])
    audit.record(
        playbook.agent.agent_id,
        "delta_changes_requested",
        by,
        now=now,
        subject=f"delta {row.pk}",
        data={"delta_id": str(row.delta_id), "reason": reason},
    )
    return row


@transaction.atomic
def undo_decision(*, delta: Delta, by: Actor, reason: str = "", reopen: bool = False) -> Delta:
    """Take back the decision on a delta.

    A rejected delta is open again. An applied one is taken out by the inverse of what it did, as a
    new version, and ends as undone; or with `reopen`, for a decision that was a slip of the hand,
    waits again (of an edited one, the wording before the edit). Raises Conflict where later
    changes stand on it.
    """
    row, playbook = _locked(delta)
    now = timezone.now()
    if row.status == DeltaStatus.REJECTED:
        _reopen(row, by, now)
    elif row.status == DeltaStatus.APPLIED:
        _take_out(row, playbook, by, reason, now)
        if reopen:
            _reopen(_before_edit(row) or row, by, now)
    else:
        raise Conflict(f"it is {row.get_status_display().lower()}: there is nothing to undo")
    _review(row, Decision.UNDO, by, reason, now)
    return row


def _before_edit(row: Delta) -> Delta | None:
    first = row.evidence.get("edited_from")
    if first is None:
        return None
    found = Delta.objects.filter(playbook=row.playbook, delta_id=first).first()
    return found if found and found.status == DeltaStatus.REJECTED else None


def _reopen(row: Delta, by: Actor, now: datetime) -> None:
    row.status, row.decided_at, row.decided_by = DeltaStatus.PENDING_REVIEW, None, ""
    row.decision_reason, row.applied_version, row.inverse = "", None, []
    # A person took it in hand: what judges say later does not apply it.
    row.may_apply = False
    row.save(
        update_fields=[
            "may_apply",
            "status",
            "decided_at",
            "decided_by",
            "decision_reason",
            "applied_version",
            "inverse",
        ]
    )
    chain = row.playbook.agent.agent_id
    audit.record(chain, "delta_reopened", by, now=now, subject=f"delta {row.pk}")


def _take_out(row: Delta, playbook: Playbook, by: Actor, reason: str, now: datetime) -> None:
    if row.inverse:
        after = selectors.snapshot(playbook.pk, row.applied_version or playbook.version)
        expected = rules.expectations(after.content, row.inverse)
        live = selectors.head(playbook).content
        rebased = rules.rebase(expected, row.inverse, live)
        if rebased.conflicts:
            raise Conflict("later changes stand on it", conflicts=rebased.conflicts)
        result = rules.apply(live, rebased.ok)
        publish(
            playbook,
            result.content,
            kind=VersionKind.UNDO,
            author=by,
            now=now,
            reason=f"undo of delta {row.pk}" + (f": {reason}" if reason else ""),
            delta=row,
            lineage=result.lineage,
        )
    row.status = DeltaStatus.UNDONE
    row.save(update_fields=["status"])
    audit.record(
        playbook.agent.agent_id,
        "delta_undone",
        by,
        now=now,
        subject=f"delta {row.pk}",
        data={"delta_id": str(row.delta_id), "reason": reason},
    )
    mark_effective(playbook, by, f"delta {row.pk} was undone", now)
