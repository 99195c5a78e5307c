"""The review queue: every delta that waits for a person, decided one by one or in bulk."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.core.exceptions import BadRequest, PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ace_project.console import calls, orders, queue_news, saved_views, undo, waiting
from ace_project.console.calls import Bill
from ace_project.console.decisions import MANY, Refused, carry_out_many, explain
from ace_project.console.evidence import Evidence, read_evidence
from ace_project.console.proposal import headline, sections_of
from ace_project.console.upkeep import Upkeep, read_upkeep
from ace_project.console.verdicts import models_of
from ace_project.console.visitor import may
from ace_project.console.waiting import Filters
from ace_project.core.errors import AceError
from ace_project.core.people import Role, needs
from playbooks.models import Delta, DeltaStatus, Source
from playbooks.selectors import setting

_RESULTS = "review_results"


@dataclass(frozen=True, slots=True)
class Row:
    """One delta of the queue with all that its row shows."""

    delta: Delta
    title: str
    sections: str
    threshold: float
    evidence: Evidence
    upkeep: Upkeep | None
    url: str
    refused: str
    bill: Bill | None  # of the calls of its run
    models: str
    # How many of two approvals it has; None where one does.
    approvals: int | None


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.VIEWER)
def queue(request: HttpRequest) -> HttpResponse:
    """Show the queue that the address chooses; a POST decides the deltas ticked."""
    filters = waiting.read_filters(request.GET)
    if request.method == "POST":
        return _decide(request, filters)
    if queue_news.is_asked(request):
        return queue_news.answer(request, filters)
    refused = {int(pk): why for pk, why in request.session.pop(_RESULTS, [])}
    page = orders.page(request, filters.select(), filters.order)
    rows = _rows(page.rows, filters, refused)
    counts = waiting.counts()
    context = {
        "page": page,
        "sort": filters.sort,
        "rows": rows,
        "tabs": [
            {
                "name": name,
                "url": filters.on(tab).address(),
                "count": counts[tab],
                "current": tab == filters.status,
            }
            for tab, (name, _) in waiting.TABS.items()
        ],
        "total": counts[""],
        "ready": None if counts[""].more else counts[""].number - counts["conflict"].number,
        "views": saved_views.tabs(request, filters),
        # Not `query`: that is what the search on top was asked.
        "view_query": filters.query().removeprefix("?"),
        "filters": _fields(filters),
        "keep": [("status", filters.status)] if filters.status else [],
        "clear_url": Filters(status=filters.status, sort=filters.sort).address()
        if filters.is_narrowed
        else "",
        "decides": filters.status in waiting.TO_DECIDE,
        **queue_news.watch(request, filters, page.rows),
        "elsewhere": [Refused(pk, why) for pk, why in refused.items()],
    }
    return render(request, "review.html", context)


def _rows(deltas: Sequence[Delta], filters: Filters, refused: dict[int, str]) -> list[Row]:
    """Return the rows, and take out of `refused` what they tell; one query where runs made any."""
    made = {delta.run_id for delta in deltas if delta.run_id is not None}
    paid = calls.bills(made) if made else {}
    votes = waiting.approvals(deltas)
    return [
        _row(
            delta,
            filters,
            refused.pop(delta.pk, ""),
            paid.get(delta.run_id or 0),
            votes.get(delta.pk),
        )
        for delta in deltas
    ]


def _row(
    delta: Delta, filters: Filters, refused: str, bill: Bill | None, approvals: int | None
) -> Row:
    evidence = read_evidence(delta.evidence)
    return Row(
        delta=delta,
        title=headline(delta),
        sections=", ".join(sections_of(delta)),
        threshold=float(setting(delta.playbook.agent, "ACE_CONFIDENCE_THRESHOLD")),
        evidence=evidence,
        upkeep=read_upkeep(delta, evidence),
        url=reverse("console:delta", args=[delta.pk]) + filters.query(),
        refused=refused,
        bill=bill,
        models=models_of(delta),
        approvals=approvals,
    )


def _fields(filters: Filters) -> list[dict[str, Any]]:
    agents = waiting.agents_with_deltas(waiting.TABS[filters.status][1])
    if filters.agent and filters.agent not in agents:
        agents.append(filters.agent)
    choices = {
        "agent": ("Agent", "All agents", [(name, name) for name in agents]),
        "source": ("Source", "Any source", [(s.value, s.value) for s in Source]),
        "risk": ("Judges", "Any risk", [*waiting.RISKS.items()]),
        "simulated": (
            "Kind",
            "Real and simulated",
            [(k, text) for k, (text, _) in waiting.KINDS.items()],
        ),
        "sort": (
            "Order",
            orders.ORDERS[""].words,
            [(k, order.words) for k, order in waiting.orders_of(filters.status).items() if k],
        ),
    }
    return [
        {
            "name": name,
            "label": label,
            "value": getattr(filters, name),
            "options": [("", anything), *options],
        }
        for name, (label, anything, options) in choices.items()
    ]


def _decide(request: HttpRequest, filters: Filters) -> HttpResponse:
    if not may(request, Role.REVIEWER):
        raise PermissionDenied("a reviewer decides")
    verb, here = request.POST.get("do", ""), request.get_full_path()
    if verb not in MANY:
        raise BadRequest("a queue approves, rejects or requests changes")
    try:
        done, refused = carry_out_many(request, verb)
    except AceError as error:
        messages.error(request, explain(error))
        return redirect(here)
    request.session[_RESULTS] = [[one.pk, one.why] for one in refused]
    if done:
        undo.offer(request, done, _summary(verb, done), back=here)
    if refused:
        messages.error(request, f"{_deltas(len(refused))} stayed as before: see why below.")
    return redirect(here)


def _summary(verb: str, done: list[Delta]) -> str:
    words = {"approve": "Approved", "reject": "Rejected", "changes": "Asked for changes to"}
    word = words[verb]
    if verb != "approve":
        return f"{word} {_which(done)}"
    once = sum(delta.status == DeltaStatus.PENDING_REVIEW for delta in done)
    wait = f": {once} now {'waits' if once == 1 else 'wait'} for another reviewer" if once else ""
    return f"{word} {_which(done)}{wait}"


def _which(done: list[Delta]) -> str:
    if len(done) > 1:
        return _deltas(len(done))
    return f"delta {done[0].pk} of {done[0].playbook.agent}"


def _deltas(count: int) -> str:
    return "1 delta" if count == 1 else f"{count} deltas"
