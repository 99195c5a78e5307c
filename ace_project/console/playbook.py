"""What agents know: every playbook, and one with its bullets, their blame and its history."""

from collections.abc import Sequence
from typing import Any

from django.db.models import F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import blame, keyset, recent, refusals, versions
from ace_project.console.asked import asked as asked_of
from ace_project.console.audit import chain_state
from ace_project.console.outline import MOST_WHOLE, outline
from ace_project.core.people import Role, needs
from evolution.figures import success_by_version
from playbooks import selectors
from playbooks.models import OPEN, Agent, Delta, Playbook, PlaybookVersion
from playbooks.selectors import Snapshot

# What in an address shows a part of the content alone.
_NARROWING = ("section", "start", "find")


@needs(Role.VIEWER)
@require_safe
def playbooks(request: HttpRequest) -> HttpResponse:
    """List every playbook with its live version, last change and measured success."""
    query = asked_of(request, "q")["q"]
    rows = Playbook.objects.select_related("agent")
    if query:
        rows = rows.filter(Q(agent__agent_id__icontains=query) | Q(agent__name__icontains=query))
    page = keyset.keyset_page(request, rows)
    shares = recent.success_of_live([row.agent for row in page.rows])
    heads, waiting = _heads(page.rows), recent.waiting(page.rows)
    context = {
        "page": page,
        "rows": [
            (
                *(row, shares.get(row.agent_id), heads[row.pk]),
                *(versions.reason_of(heads[row.pk]), waiting.get(row.pk, 0)),
            )
            for row in page.rows
        ],
        "filters": [{"name": "q", "label": "Agent", "value": query}],
        "clear_url": request.path if query else "",
    }
    return render(request, "playbooks.html", context)


def _heads(playbooks: Sequence[Playbook]) -> dict[int, PlaybookVersion]:
    rows = versions.listed().filter(playbook__in=playbooks, number=F("playbook__version"))
    return {row.playbook_id: row for row in rows}


@needs(Role.VIEWER)
@require_safe
def page(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show one version of a playbook, the live one unless `?version=` names another."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
        playbook = agent.playbook
        number = versions.chosen(request, "version", playbook.version)
        shown = selectors.snapshot(playbook.pk, number)
    context = {
        "agent": agent,
        "tab": "playbook",
        "waiting": Delta.objects.filter(playbook=playbook, status__in=OPEN).count(),
        "playbook": playbook,
        "number": number,
        "label": f"v{number}",
        "live": number == playbook.version,
        "threshold": selectors.setting(agent, "ACE_CONFIDENCE_THRESHOLD"),
        "chain": chain_state(agent_id),
        **_content(request, agent, shown),
        **_history(request, agent, number),
    }
    return render(request, "playbook.html", context)


def _content(request: HttpRequest, agent: Agent, shown: Snapshot) -> dict[str, Any]:
    """Return the sections that the page shows, each bullet with what is known of it."""
    asked = asked_of(request, "find")
    part = outline(
        shown.content,
        section=request.GET.get("section"),
        start=keyset.whole_number(request, "start") or 0,
        find=asked["find"],
    )
    effects = recent.effects(agent, shown)
    lines = blame.lines_of(agent.playbook, part.lessons, shown.number, effects)
    sections = [
        {
            "part": p,
            "lines": [lines[lesson] for lesson in p.shown],
            "value": shown.content[p.name] if p.is_value else None,
            "url": _section_url(request, p.name),
        }
        for p in part.parts
    ]
    return {
        "outline": part,
        "sections": sections,
        "jumps": [(name, count, _section_url(request, name)) for name, count in part.jumps]
        if part.total > MOST_WHOLE
        else [],
        "domain": blame.domain_of(lines.values()),
        "whole_url": keyset.address(request, without=_NARROWING),
        "earlier_url": _from(request, part.earlier),
        "later_url": _from(request, part.later),
    }


def _section_url(request: HttpRequest, name: str) -> str:
    return keyset.address(request, without=_NARROWING, section=name)


def _from(request: HttpRequest, place: int | None) -> str:
    return "" if place is None else keyset.address(request, start=place)


def _history(request: HttpRequest, agent: Agent, number: int) -> dict[str, Any]:
    """Return the timeline around the version shown, and the plot of what it holds."""
    shares = success_by_version(agent)
    items, history = versions.timeline(request, agent.playbook, shares, number)
    return {
        "timeline": items,
        "history": history,
        "plotted": versions.plotted(agent.playbook, history.rows, shares),
        "measured": any(share.runs for share in shares.values()),
    }
