"""What becomes of a delta that is judged: applied, waiting, in conflict, or at its end."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from ace_project.core.errors import InvalidInput
from playbooks import audit, selectors
from playbooks import operations as rules
from playbooks.actors import AUTOMATIC, Actor, ActorKind
from playbooks.content import ContentError, content_hash, same
from playbooks.judges import Decision, Verdict, decide
from playbooks.judges.waived import is_waived, mark_waived
from playbooks.models import Agent, Delta, DeltaStatus, Mode, Playbook, Source, VersionKind
from playbooks.services.approvals import guarded_sections
from playbooks.services.publish import keep_aliases, publish

_STATUS = {
    "pending_review": DeltaStatus.PENDING_REVIEW,
    "rejected": DeltaStatus.REJECTED,
    "failed": DeltaStatus.FAILED,
    "recorded": DeltaStatus.RECORDED,
}


def decision_of(delta: Delta, mode: Mode) -> Decision:
    """Return what a delta's verdicts lead to under a mode."""
    return decide(mode, [Verdict.from_json(v) for v in delta.verdicts])


def decide_again(delta: Delta, playbook: Playbook, now: datetime) -> None:
    """Decide a locked delta by the verdicts and waivers that hold now, if nobody decided it yet."""
    if delta.status == DeltaStatus.PENDING_REVIEW:
        decide_now(delta, playbook, Mode(playbook.agent.mode), now=now, news="delta_judged")


def mark_waivers(delta: Delta, agent: Agent, now: datetime) -> None:
    """Let the verdicts of a stored delta say which of them are waived at `now`."""
    if not any(v["outcome"] == "block" or is_waived(v) for v in delta.verdicts):
        return
    marked = mark_waived(delta.verdicts, selectors.waivers_in_force(agent, delta, now))
    if marked != delta.verdicts:
        delta.verdicts = marked
        delta.save(update_fields=["verdicts"])


def decide_now(
    delta: Delta, playbook: Playbook, mode: Mode, *, now: datetime, news: str = ""
) -> None:
    """Give a stored delta the status that its verdicts and the mode lead to.

    `news` is the audit event of one that waits; empty where another one tells it.
    """
    mark_waivers(delta, playbook.agent, now)
    head = selectors.head(playbook)
    decision = decision_of(delta, mode)
    guarded = guarded_sections(playbook.agent, delta.operations, head.content)
    if decision == "apply" and (guarded or not delta.may_apply):
        decision = "pending_review"
    if not delta.operations and decision in ("apply", "pending_review"):
        close(delta, DeltaStatus.REJECTED, AUTOMATIC, "the playbook says this already", now)
        return
    rebased = rules.rebase(delta.expectations, delta.operations, head.content)
    if rebased.conflicts and decision in ("apply", "pending_review"):
        delta.status = DeltaStatus.CONFLICT
        delta.conflicts = rebased.conflicts
        delta.save(update_fields=["status", "conflicts"])
        audit_delta(delta, playbook, "delta_in_conflict", AUTOMATIC, now)
    elif decision == "apply":
        apply_to_head(delta, playbook, rebased.ok, AUTOMATIC, _why_applied(delta), now)
    elif decision == "pending_review":
        if news:
            by = author_of(delta) if news == "delta_proposed" else AUTOMATIC
            audit_delta(delta, playbook, news, by, now)
    else:
        reason = "; ".join(v["reason"] for v in delta.verdicts if v["outcome"] == "block")
        close(delta, _STATUS[decision], AUTOMATIC, reason, now)


def _why_applied(delta: Delta) -> str:
    judges = dict.fromkeys(v["judge"] for v in delta.verdicts if is_waived(v))
    return (
        f"no judge blocked it, with {', '.join(judges)} waived" if judges else "no judge blocked it"
    )


def author_of(delta: Delta) -> Actor:
    """Return the stored author as an actor."""
    kind, _, name = delta.author.partition(":")
    return Actor(ActorKind(kind), name)


def close(delta: Delta, status: DeltaStatus, by: Actor, reason: str, now: datetime) -> None:
    """End a delta without applying it."""
    delta.status, delta.decided_by, delta.decided_at = status, str(by), now
    delta.decision_reason = reason
    delta.save(update_fields=["status", "decided_by", "decided_at", "decision_reason"])
    audit_delta(delta, delta.playbook, f"delta_{status}", by, now)


def apply_to_head(
    delta: Delta,
    playbook: Playbook,
    operations: Sequence[dict[str, Any]],
    by: Actor,
    reason: str,
    now: datetime,
) -> None:
    """Apply rebased operations to a locked playbook's head and end the delta as applied.

    Operations that change nothing (a lesson already there) make no new version.
    """
    head = selectors.head(playbook)
    try:
        result = rules.apply(head.content, operations)
        rules.check_way_back(result.inverse)
    except (rules.OperationError, ContentError) as error:
        raise InvalidInput(f"the change cannot be applied: {error}") from error
    if not same(result.content, head.content):
        publish(
            playbook,
            result.content,
            kind=VersionKind.DELTA,
            author=by if by != AUTOMATIC else author_of(delta),
            now=now,
            reason=rules.describe(delta.operations, delta.expectations),
            delta=delta,
            lineage=result.lineage,
        )
    imported = delta.evidence.get("imported") if delta.source == Source.OPERATOR else None
    if imported:
        keep_aliases(playbook, result.content, imported["aliases"])
    delta.inverse, delta.conflicts = result.inverse, []
    delta.applied_version = playbook.version
    delta.save(update_fields=["inverse", "conflicts", "applied_version"])
    close(delta, DeltaStatus.APPLIED, by, reason, now)


def audit_delta(delta: Delta, playbook: Playbook, event: str, by: Actor, now: datetime) -> None:
    """Write into the agent's chain what happened to a delta."""
    data = {
        "delta_id": str(delta.delta_id),
        "base_version": delta.base_version,
        "applied_version": delta.applied_version,
        "operations_hash": content_hash({"operations": delta.operations}),
        "reason": delta.decision_reason,
    }
    chain = playbook.agent.agent_id
    audit.record(chain, event, by, now=now, subject=f"delta {delta.pk}", data=data)
