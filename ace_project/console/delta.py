"""One delta: what it changes, what speaks for it, and the decision, always in reach."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ace_project.console import people, undo, waiting, waivers
from ace_project.console.decisions import VERBS, carry_out, explain, reason_of
from ace_project.console.evidence import Evidence, read_evidence
from ace_project.console.modelled import written_by_model
from ace_project.console.proposal import Change, SectionChanges, changes_of, headline
from ace_project.console.similar import similar_decisions
from ace_project.console.upkeep import read_upkeep
from ace_project.console.verdicts import agreement_of, council_of, models_of, words_of
from ace_project.console.visitor import actor_of, may
from ace_project.console.waiting import Filters
from ace_project.core.errors import AceError, Conflict
from ace_project.core.people import Role, needs
from evolution.figures import traces_named
from evolution.models import ExecutionTrace
from playbooks import selectors, services
from playbooks.judges.waived import may_be_waived
from playbooks.models import OPEN, Delta, DeltaStatus

SHOWN_TRACES = 3
# Simulated runs take milliseconds; their time says nothing.
WORTH_SHOWING = 0.05
UNDOABLE = (DeltaStatus.APPLIED, DeltaStatus.REJECTED)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.VIEWER)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a delta; a POST decides it, or takes its decision back."""
    delta = get_object_or_404(selectors.deltas_for_lists(), pk=pk)
    filters = waiting.read_filters(request.GET)
    if request.method != "POST":
        return _show(request, delta, filters)
    if not may(request, Role.REVIEWER):
        raise PermissionDenied("a reviewer decides")
    try:
        return _decide(request, delta, filters)
    except AceError as error:
        now = get_object_or_404(selectors.deltas_for_lists(), pk=pk)
        return _show(request, now, filters, problem=error)


def _decide(request: HttpRequest, delta: Delta, filters: Filters) -> HttpResponse:
    verb = request.POST.get("do", "")
    if verb == "undo":
        reason = reason_of(request.POST) or "undone"
        services.undo_decision(delta=delta, by=actor_of(request), reason=reason)
        undo.withdraw(request)
        messages.success(request, f"Took back the decision on delta {delta.pk}.")
        return redirect(request.get_full_path())
    if verb not in VERBS:
        raise BadRequest("a decision is to approve, reject or request changes")
    _refuse_unseen_sides(request, delta)
    decided = carry_out(request, delta, verb)
    if decided.undoable:
        back = request.get_full_path()
        undo.offer(request, decided.undoable, decided.text, back=back, note=decided.note)
    else:
        messages.success(request, decided.text)
    then_overview = request.POST.get("then") == "overview"
    return redirect("console:overview" if then_overview else _next(delta, filters))


def _refuse_unseen_sides(request: HttpRequest, delta: Delta) -> None:
    """Raise Conflict where the sides chosen between are not those of the version now live."""
    seen, live = request.POST.get("live"), str(delta.playbook.version)
    if seen is not None and seen != live:
        raise Conflict(f"v{live} went live while you compared: look at both sides again")


def _next(delta: Delta, filters: Filters) -> str:
    """Return where to go on: the next delta of the queue, the one before, or the queue."""
    newer, older = waiting.neighbours(filters, delta.pk)
    following = older or newer
    if filters.status == "decided" or following is None:
        return reverse("console:review") + filters.query()
    return reverse("console:delta", args=[following]) + filters.query()


def _show(
    request: HttpRequest, delta: Delta, filters: Filters, problem: AceError | None = None
) -> HttpResponse:
    playbook = delta.playbook
    is_open = delta.status in OPEN
    live = selectors.head(playbook).content if is_open else None
    sections = changes_of(delta, live, playbook.version)
    conflicts = [c.conflict for s in sections for c in s.changes if c.conflict]
    evidence = read_evidence(delta.evidence)
    newer, older = waiting.neighbours(filters, delta.pk)
    here, query = reverse("console:delta", args=[delta.pk]), filters.query()
    context = {
        "delta": delta,
        "agent": playbook.agent,
        "live": playbook.version,
        "threshold": float(selectors.setting(playbook.agent, "ACE_CONFIDENCE_THRESHOLD")),
        "title": headline(delta),
        "sections": sections,
        "conflicts": conflicts,
        "evidence": evidence,
        "upkeep": read_upkeep(delta, evidence),
        "traces": _traces(delta, evidence),
        "similar": similar_decisions(delta),
        **written_by_model(delta, evidence),
        "reviews": list(delta.reviews.all()),
        **_judged(delta),
        "passed": sum(v.get("outcome") == "pass" for v in delta.verdicts),
        "heard": sum(v.get("outcome") != "abstain" for v in delta.verdicts),
        "newer_url": reverse("console:delta", args=[newer]) + query if newer else "",
        "older_url": reverse("console:delta", args=[older]) + query if older else "",
        "queue_url": reverse("console:review") + query,
        "action": here + query,
        "problem": explain(problem) if problem else "",
        "is_open": is_open,
        "undoable": delta.status in UNDOABLE and may(request, Role.REVIEWER),
        **_bar(request, delta, sections, conflicts),
    }
    return render(request, "delta.html", context, status=problem.status if problem else 200)


def _judged(delta: Delta) -> dict[str, Any]:
    """Return what the judges said, and which of them an operator may waive."""
    waivable = [str(v.get("judge")) for v in delta.verdicts if may_be_waived(v)]
    return {
        "words": words_of(delta.verdicts),
        "council": council_of(delta.verdicts),
        "agreement": agreement_of(delta),
        "models": models_of(delta),
        "waivable": list(dict.fromkeys(waivable)),
        **waivers.days(),
    }


def _bar(
    request: HttpRequest, delta: Delta, sections: list[SectionChanges], conflicts: list[Any]
) -> dict[str, Any]:
    """Return what the decision bar says and offers."""
    editing = not conflicts and ("edit" in request.GET or "edited" in request.POST)
    why_not = people.why_not_decide(request)
    why_not_approve = people.why_not_approve(request, delta)
    own = people.is_own(request, delta) and not why_not_approve
    return {
        "editing": editing,
        "edit_url": "" if conflicts or editing or why_not else _edit_url(request, delta),
        "fields": _fields(request, sections) if editing else [],
        "may_decide": not why_not,
        "why_not": why_not,
        "why_not_approve": why_not_approve,
        "promise": _promise(delta, conflicts),
        "note": "You wrote this: it is marked as self-approved."
        if own
        else "Served with the next task. Undo for 10 s, roll back at any time.",
        "approve_label": "Rebase and approve"
        if conflicts
        else "Approve as edited"
        if editing
        else "Approve",
    }


def _edit_url(request: HttpRequest, delta: Delta) -> str:
    query = request.GET.copy()
    query["edit"] = "1"
    return f"{reverse('console:delta', args=[delta.pk])}?{query.urlencode()}"


def _promise(delta: Delta, conflicts: list[Any]) -> str:
    """Return what approving makes."""
    count, number = len(delta.operations), delta.playbook.version + 1
    many = "1 operation" if count == 1 else f"{count} operations"
    if not conflicts:
        return f"Makes v{number} with {many}."
    chosen = "1 conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts"
    return f"Makes v{number}: {many}, {chosen} settled as you choose."


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


def _traces(delta: Delta, evidence: Evidence) -> dict[str, list[dict[str, Any]]]:
    """Return three traces that speak for the delta and three against, those that exist."""
    wanted = {
        "supporting": evidence.supporting[:SHOWN_TRACES],
        "opposing": evidence.opposing[:SHOWN_TRACES],
    }
    names = [name for side in wanted.values() for name in side]
    rows = traces_named(delta.playbook.agent, names) if names else {}
    return {
        side: [_trace(rows[name]) for name in chosen if name in rows]
        for side, chosen in wanted.items()
    }


def _trace(row: ExecutionTrace) -> dict[str, Any]:
    query = row.metadata.get("query") if isinstance(row.metadata, dict) else None
    steps = "1 step" if row.step_count == 1 else f"{row.step_count} steps"
    kind = f"{row.task_type}, " if row.task_type else ""
    return {
        "url": reverse("console:trace", args=[row.pk]),
        "title": query if isinstance(query, str) and query else row.task_id or row.trace_id,
        "success": row.success,
        "seconds": row.execution_time if (row.execution_time or 0) >= WORTH_SHOWING else None,
        "quote": row.error_message or f"{kind}{steps}, {row.error_count} with an error",
    }
