"""How a decision is taken back: an application by its inverse, all else by opening it again."""

from datetime import datetime

from django.db import transaction
from django.utils import timezone

from ace_project.core.errors import Conflict
from playbooks import audit, selectors
from playbooks import operations as rules
from playbooks.actors import Actor
from playbooks.models import Decision, Delta, DeltaStatus, Playbook, VersionKind
from playbooks.services.approvals import has_approved, withdraw
from playbooks.services.decisions import close
from playbooks.services.publish import locked_delta, publish
from playbooks.services.reviews import keep_review
from playbooks.services.versions import mark_effective


@transaction.atomic
def undo_decision(*, delta: Delta, by: Actor, reason: str = "", reopen: bool = False) -> Delta:
    """Take back the decision on a delta.

    A rejected delta, or one sent back for changes, is open again. The first of two approvals is
    withdrawn by who gave it. An applied delta is taken out by the inverse of what it did, as a new
    version, and ends as undone. With `reopen`, for a decision that was a slip of the hand, all is
    as it was before it: an applied delta waits again (of an edited one, the wording before the
    edit), with the approvals that others gave. Raises Conflict where later changes stand on it, or
    where there is nothing to take back.
    """
    row, playbook = locked_delta(delta)
    now = timezone.now()
    slipped = reopen and has_approved(row, by)
    match row.status:
        case DeltaStatus.REJECTED | DeltaStatus.CHANGES_REQUESTED:
            _reopen(row, by, now)
            slipped = slipped or reopen
        case DeltaStatus.APPLIED:
            _take_out(row, playbook, by, reason, now)
            if reopen:
                _reopen(_before_edit(row) or row, by, now)
        case DeltaStatus.PENDING_REVIEW if has_approved(row, by):
            _withdraw_first(row, by, now)
        case _:
            detail = f"it is {row.get_status_display().lower()}: there is nothing to undo"
            raise Conflict(detail)
    withdraw(row, by if slipped else None)
    keep_review(row, Decision.UNDO, by, reason, now)
    return row


def _withdraw_first(row: Delta, by: Actor, now: datetime) -> None:
    """Take back the first of two approvals; where it came with an edit, the edit as well."""
    chain = row.playbook.agent.agent_id
    audit.record(chain, "delta_approval_withdrawn", by, now=now, subject=f"delta {row.pk}")
    first = _before_edit(row)
    if first is not None:
        close(row, DeltaStatus.REJECTED, by, "the edit was taken back", now)
        _reopen(first, by, now)


def _before_edit(row: Delta) -> Delta | None:
    first = row.evidence.get("edited_from")
    if first is None:
        return None
    found = Delta.objects.filter(playbook=row.playbook, delta_id=first).first()
    if found is None or found.status != DeltaStatus.REJECTED:
        return None
    found.playbook = row.playbook
    return found


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
