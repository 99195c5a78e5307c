"""One delta: what it changes, what speaks for it, and the decision, always in reach."""

from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ace_project.console import decision_bar, delta_news, undo, waiting, waivers
from ace_project.console.decisions import VERBS, carry_out, explain, reason_of
from ace_project.console.discussion import discussion
from ace_project.console.evidence import Evidence, read_evidence
from ace_project.console.modelled import written_by_model
from ace_project.console.people import name_of
from ace_project.console.proposal import changes_of, headline
from ace_project.console.similar import similar_decisions
from ace_project.console.templatetags.signs import judge_in_words
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
SHOWN_HOLDS = 2
SAID_ELSEWHERE = ("confidence", "conflict")
# Simulated runs take milliseconds; their time says nothing.
WORTH_SHOWING = 0.05
UNDOABLE = (DeltaStatus.APPLIED, DeltaStatus.REJECTED)


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.VIEWER)
def page(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a delta; a POST decides it, or takes its decision back."""
    delta = get_object_or_404(selectors.deltas_for_lists(), pk=pk)
    filters = waiting.read_filters(request.GET)
    if delta_news.is_asked(request):
        return _news(request, delta, filters)
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
    if verb == "comment":
        text = request.POST.get("text", "").replace("\r\n", "\n")
        services.comment_on_delta(delta=delta, text=text, by=actor_of(request))
        return redirect(f"{request.get_full_path()}#discussion")
    if verb == "undo":
        reason = reason_of(request.POST) or "undone"
        services.undo_decision(delta=delta, by=actor_of(request), reason=reason)
        undo.withdraw(request)
        messages.success(request, f"Took back the decision on delta {delta.pk}.")
        return redirect(request.get_full_path())
    if verb not in VERBS:
        raise BadRequest("a decision is to approve, reject or request changes")
    _refuse_unseen(request, delta)
    decided = carry_out(request, delta, verb)
    if decided.undoable:
        back = request.get_full_path()
        undo.offer(request, decided.undoable, decided.text, back=back, note=decided.note)
    else:
        messages.success(request, decided.text)
    then_overview = request.POST.get("then") == "overview"
    if verb == "revise":
        return redirect(request.get_full_path())
    return redirect("console:overview" if then_overview else _next(delta, filters))


def _refuse_unseen(request: HttpRequest, delta: Delta) -> None:
    """Raise Conflict where the page showed other operations, or sides of another live version."""
    seen = request.POST.get("seen")
    if seen is not None and seen != delta_news.digest(delta.operations):
        raise Conflict("newer evidence changed what it proposes: read it again")
    seen, live = request.POST.get("live"), str(delta.playbook.version)
    if seen is not None and seen != live:
        raise Conflict(f"v{live} went live while you compared: look at both sides again")


def _news(request: HttpRequest, delta: Delta, filters: Filters) -> HttpResponse:
    """Answer a page that is open what became of its delta meanwhile, and where to go on."""
    here, query = reverse("console:delta", args=[delta.pk]), filters.query()
    next_url = "" if delta.status in OPEN else _next(delta, filters)
    queue_url = reverse("console:review") + query
    return delta_news.answer(
        request, delta, action=here + query, next_url=next_url, queue_url=queue_url
    )


def _next(delta: Delta, filters: Filters) -> str:
    """Return where to go on: the next delta of the queue, the one before, or the queue."""
    newer, older = waiting.neighbours(filters, delta)
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
    newer, older = waiting.neighbours(filters, delta)
    entries = discussion(delta)
    bar = decision_bar.bar(request, delta, sections, conflicts)
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
        "bare": evidence.is_none,
        "traces": _traces(delta, evidence),
        "similar": similar_decisions(delta),
        **written_by_model(delta, evidence),
        "entries": entries,
        "asked_by": next((name_of(e.by) for e in entries[::-1] if e.asks), ""),
        **_judged(delta, moved=bool(conflicts)),
        "passed": sum(v.get("outcome") == "pass" for v in delta.verdicts),
        "heard": sum(v.get("outcome") != "abstain" for v in delta.verdicts),
        "newer_url": reverse("console:delta", args=[newer]) + query if newer else "",
        "older_url": reverse("console:delta", args=[older]) + query if older else "",
        "queue_url": reverse("console:review") + query,
        "action": here + query,
        "problem": explain(problem) if problem else "",
        "draft": _draft(request) if problem else "",
        "is_open": is_open,
        "undoable": delta.status in UNDOABLE and may(request, Role.REVIEWER),
        "seen": delta_news.digest(delta.operations),
        "successor": None if is_open else selectors.successor_of(delta),
        **bar,
        **delta_news.watch(here + query, delta, entries, editing=bar.get("editing", False)),
    }
    return render(request, "delta.html", context, status=problem.status if problem else 200)


def _draft(request: HttpRequest) -> str:
    """Return what was typed with a decision or comment that was refused: it is not lost."""
    return request.POST.get("text", "") or request.POST.get("reason", "")


def _blocking(delta: Delta) -> list[tuple[str, str]]:
    """Return the judges that hold a delta back, in words, each with its reason."""
    blocks = [v for v in delta.verdicts if v.get("outcome") == "block"]
    return [(judge_in_words(str(v.get("judge"))), str(v.get("reason"))) for v in blocks]


def _judged(delta: Delta, *, moved: bool) -> dict[str, Any]:
    """Return what the judges said, and which of them an operator may waive."""
    blocking = _blocking(delta)
    agreement = agreement_of(delta)
    # The figures, the change and the note on agreement say these by themselves.
    elsewhere = (*SAID_ELSEWHERE, "council") if agreement else SAID_ELSEWHERE
    doubted = any(v.get("outcome") in ("block", "warn") for v in delta.verdicts)
    waivable = [str(v.get("judge")) for v in delta.verdicts if may_be_waived(v)]
    return {
        "words": words_of(delta.verdicts, moved=moved),
        "council": council_of(delta.verdicts),
        "held_by": next((judge for judge, _ in blocking), ""),
        "holds": [one for one in blocking if one[0] not in elsewhere][:SHOWN_HOLDS],
        "judges_css": "ace-first" if doubted or moved else "",
        "agreement": agreement,
        "models": models_of(delta),
        "waivable": list(dict.fromkeys(waivable)),
        **waivers.days(),
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
