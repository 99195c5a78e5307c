"""What a person decides about a delta (undoing.py takes a decision back)."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from ace_project.core.errors import Conflict, InvalidInput
from playbooks import audit, selectors
from playbooks import operations as rules
from playbooks.actors import Actor
from playbooks.models import OPEN, Decision, Delta, DeltaStatus, Playbook, Review, Source
from playbooks.services.approvals import Quorum, check_voter, quorum_of, refuse_token, withdraw
from playbooks.services.decisions import apply_to_head, close
from playbooks.services.deltas import propose_delta
from playbooks.services.publish import locked_delta


def _open(delta: Delta) -> tuple[Delta, Playbook]:
    """Lock a delta that can still be decided; raises Conflict saying who decided what."""
    row, playbook = locked_delta(delta)
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


def keep_review(
    delta: Delta, decision: Decision, by: Actor, reason: str, now: datetime, **marks: bool
) -> None:
    """Keep who decided what, and why."""
    Review.objects.create(
        delta=delta,
        decision=decision,
        reviewer=str(by),
        user_id=by.user_id,
        reason=reason,
        created_at=now,
        **marks,
    )


@transaction.atomic
def approve_delta(*, delta: Delta, by: Actor, reason: str = "") -> Delta:
    """Apply a delta to the live version, or keep the first of two approvals where two are needed.

    Raises Conflict if it is decided already, no longer fits (then it is shown as in conflict), or
    the first approval was one's own; Forbidden for one's own delta while another reviewer exists.
    """
    row, playbook = _open(delta)
    own = check_voter(row, _quorum(row, playbook, row.operations), by)
    return _approve(row, playbook, _fitting(row, playbook), by, reason, own)


def _quorum(row: Delta, playbook: Playbook, operations: Sequence[dict[str, Any]]) -> Quorum:
    return quorum_of(row, playbook.agent, operations, selectors.head(playbook).content)


def _fitting(row: Delta, playbook: Playbook) -> list[dict[str, Any]]:
    """Return a delta's operations on the live version; raises Conflict where one does not fit."""
    content = selectors.head(playbook).content
    rebased = rules.rebase(row.expectations, row.operations, content)
    if rebased.conflicts:
        raise Conflict("it no longer fits the live version", conflicts=rebased.conflicts)
    return rebased.ok


def _approve(
    row: Delta,
    playbook: Playbook,
    operations: Sequence[dict[str, Any]],
    by: Actor,
    reason: str,
    own: bool,
) -> Delta:
    """Keep an approval that may be given, and apply the delta with the last one needed."""
    now, quorum = timezone.now(), _quorum(row, playbook, operations)
    refuse_token(quorum, by)
    keep_review(row, Decision.APPROVE, by, reason, now, self_approved=own, stands=True)
    if quorum.missing == 1:
        apply_to_head(row, playbook, operations, by, reason, now)
        return row
    # Whoever approves has settled what the author was asked for.
    row.status, row.decision_reason = DeltaStatus.PENDING_REVIEW, ""
    row.save(update_fields=["status", "decision_reason"])
    audit.record(
        playbook.agent.agent_id,
        "delta_approved_once",
        by,
        now=now,
        subject=f"delta {row.pk}",
        data={"delta_id": str(row.delta_id), "reason": reason, "sections": quorum.sections},
    )
    return row


@transaction.atomic
def rebase_and_approve(*, delta: Delta, keep: dict[int, str], by: Actor, reason: str = "") -> Delta:
    """Settle each conflicting operation by the reviewer's choice, then approve.

    `keep` maps the index of a conflicting operation to `live` (leave the live text) or `delta`
    (this delta's text, on the live version). Where two have to approve what is left, the choice is
    an edit: a delta of the reviewer's, approved once. Raises InvalidInput for a conflict without
    a choice.
    """
    row, playbook = _open(delta)
    content = selectors.head(playbook).content
    rebased = rules.rebase(row.expectations, row.operations, content)
    heirs = selectors.successors(playbook, row.operations, content)
    chosen = rules.resolve(row.expectations, row.operations, content, keep, heirs)
    quorum = _quorum(row, playbook, chosen)
    own = check_voter(row, quorum, by)
    missing = [c["index"] for c in rebased.conflicts if c["index"] not in keep]
    if missing:
        raise InvalidInput(f"choose a text for operation {', '.join(map(str, missing))}")
    if quorum.sections and rebased.conflicts:
        row, playbook = _replace_by_edit(row, playbook, chosen, by)
        chosen = _fitting(row, playbook)
    return _approve(row, playbook, chosen, by, reason, own)


@transaction.atomic
def edit_and_approve(
    *, delta: Delta, operations: Sequence[dict[str, Any]], by: Actor, reason: str = ""
) -> Delta:
    """Put the reviewer's own wording in place of a delta, and approve that.

    The edited delta is a new one by the reviewer that passes every judge; the first ends as
    rejected, pointing at it, and its approvals with it. Whoever edits another's delta may approve
    it and counts as one of two; an edit of one's own is one's own, with Forbidden as approve_delta
    has it.
    """
    row, playbook = _open(delta)
    own = check_voter(row, Quorum([], []), by)
    edited, playbook = _replace_by_edit(row, playbook, operations, by)
    return _approve(edited, playbook, _fitting(edited, playbook), by, reason, own)


def _replace_by_edit(
    row: Delta, playbook: Playbook, operations: Sequence[dict[str, Any]], by: Actor
) -> tuple[Delta, Playbook]:
    """End a delta in favour of a reviewer's own wording of it; return that, locked."""
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
    now, why = timezone.now(), f"edited as delta {edited.pk}"
    keep_review(row, Decision.REJECT, by, why, now)
    close(row, DeltaStatus.REJECTED, by, why, now)
    return _open(edited)


@transaction.atomic
def reject_delta(*, delta: Delta, by: Actor, reason: str) -> Delta:
    """End a delta without applying it; the reason is kept and shown."""
    row, _ = _open(delta)
    _need(reason, "a rejection needs a reason")
    now = timezone.now()
    keep_review(row, Decision.REJECT, by, reason, now)
    close(row, DeltaStatus.REJECTED, by, reason, now)
    return row


@transaction.atomic
def request_changes(*, delta: Delta, by: Actor, reason: str) -> Delta:
    """Send a delta back with what should be different; it stays open for its author to revise.

    The reason is where its author reads it, `decision_reason`; approvals so far count no more.
    """
    row, playbook = _open(delta)
    _need(reason, "say what should change")
    now = timezone.now()
    keep_review(row, Decision.REQUEST_CHANGES, by, reason, now)
    withdraw(row)
    row.status, row.decision_reason = DeltaStatus.CHANGES_REQUESTED, reason
    row.save(update_fields=["status", "decision_reason"])
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
def revise_delta(
    *, delta: Delta, operations: Sequence[dict[str, Any]], by: Actor, reasoning: str = ""
) -> Delta:
    """Let the author put another wording in place of their own open delta; it waits anew.

    The first ends as rejected, pointing at it. Raises Forbidden for anyone but its author.
    """
    row, playbook = _open(delta)
    outcome = propose_delta(
        agent=playbook.agent,
        operations=operations,
        confidence=row.confidence,
        source=Source(row.source),
        author=by,
        reasoning=reasoning or row.reasoning,
        evidence=row.evidence,
        may_apply=False,
        replaces=row.delta_id,
    )
    return outcome.delta
