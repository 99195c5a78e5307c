"""What the decision bar of a delta says and offers, and the fields of an edit."""

from typing import Any

from django.http import HttpRequest
from django.urls import reverse
from django.utils.html import format_html

from ace_project.console import people
from ace_project.console.proposal import Change, SectionChanges
from ace_project.console.visitor import actor_of
from ace_project.core import hidden
from playbooks import services
from playbooks.models import OPEN, Delta, DeltaStatus
from playbooks.services.approvals import Quorum


def bar(
    request: HttpRequest, delta: Delta, sections: list[SectionChanges], conflicts: list[Any]
) -> dict[str, Any]:
    """Return what the bar needs to know; nothing for a delta that is decided."""
    if delta.status not in OPEN:
        return {}
    quorum = services.approvals_of(delta)
    editing = not conflicts and ("edit" in request.GET or "edited" in request.POST)
    why_not = people.why_not_decide(request)
    why_not_approve = people.why_not_approve(request, delta, quorum)
    own = people.is_own(request, delta)
    awaited = _awaited(delta, own=own)
    revises = own and (bool(why_not_approve) or delta.status == DeltaStatus.CHANGES_REQUESTED)
    by = actor_of(request)
    approved = bool(quorum.given) and services.has_approved(delta, by)
    # An edit, and a choice between sides, start from no approval.
    counted = Quorum(quorum.sections, []) if editing or conflicts else quorum
    return {
        "quorum": quorum,
        "editing": editing,
        "revises": revises,
        "edit_url": "" if conflicts or editing or why_not else _edit_url(request, delta),
        "fields": _fields(request, sections) if editing else [],
        "may_decide": not why_not,
        "why_not": why_not,
        "why_not_approve": "" if editing and approved else why_not_approve,
        "may_withdraw": approved and not editing,
        "promise": _told(editing, revises, approved) or _promise(delta, conflicts, counted),
        "note": _note(own, counted, services.is_stuck(counted, by)),
        "approve_label": _label(conflicts, editing, counted),
        "after_changes": format_html("It stays open under Changes requested. {}", awaited),
        "awaited": awaited,
    }


def _told(editing: bool, revises: bool, approved: bool) -> str:
    """Return what the bar says where the visitor does not approve."""
    if editing and revises:
        return "Makes a new delta that waits for a reviewer, and ends this one."
    return "It waits for another reviewer." if approved and not editing else ""


def _awaited(delta: Delta, *, own: bool) -> str:
    """Return who answers requested changes, and how."""
    kind = delta.author.partition(":")[0]
    if own:
        return "You wrote it: revise it, and what you send takes its place."
    if kind == "person":
        name = hidden.isolate(people.name_of(delta.author))
        return format_html("{} can revise it; what they send takes its place.", name)
    if kind in ("agent", "service"):
        return "The agent reads this over REST and may send another in its place."
    return "Nobody answers for a run: edit it, then approve, or reject it."


def _label(conflicts: list[Any], editing: bool, quorum: Quorum) -> str:
    label = "Rebase and approve" if conflicts else "Approve as edited" if editing else "Approve"
    return f"{label}, {quorum.number} of {quorum.needed}" if quorum.sections else label


def _note(own: bool, quorum: Quorum, stuck: bool) -> str:
    if stuck:
        return (
            "Nobody else may review. It needs a second reviewer, or an operator "
            "who takes the section off the agent’s list."
        )
    if quorum.missing > 1:
        return "Nothing goes live before another reviewer approves it as well."
    if own:
        return "You wrote this: it is marked as self-approved."
    return "Served with the next task. Undo for 10 s, roll back at any time."


def _promise(delta: Delta, conflicts: list[Any], quorum: Quorum) -> str:
    """Return what approving makes."""
    count, number = len(delta.operations), delta.playbook.version + 1
    many = "1 operation" if count == 1 else f"{count} operations"
    if quorum.missing > 1:
        return f"Keeps approval 1 of 2: {' and '.join(quorum.sections)} needs two people."
    if not conflicts:
        return f"Makes v{number} with {many}."
    chosen = "1 conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts"
    return f"Makes v{number}: {many}, {chosen} settled as you choose."


def _edit_url(request: HttpRequest, delta: Delta) -> str:
    query = request.GET.copy()
    query["edit"] = "1"
    return f"{reverse('console:delta', args=[delta.pk])}?{query.urlencode()}"


def _fields(request: HttpRequest, sections: list[SectionChanges]) -> list[dict[str, Any]]:
    """Return the fields of an edit: each operation to keep or drop, with its text."""
    posted = request.POST if "edited" in request.POST else None
    return [
        _field(change, section.name, posted)
        for section in sections
        for change in sorted(section.changes, key=lambda change: change.index)
    ]


def _field(change: Change, section: str, posted: Any) -> dict[str, Any]:
    text = change.editable
    if posted is not None and text is not None:
        text = posted.get(f"text-{change.index}", text)
    return {
        "change": change,
        "number": change.index,
        "section": section,
        "text": text,
        "taken": posted is None or bool(posted.get(f"take-{change.index}")),
        "rows": min(14, 1 + sum(1 + len(line) // 90 for line in (text or "").split("\n"))),
    }
