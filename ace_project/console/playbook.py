"""What agents know: every playbook, and one with its bullets, their blame and its history."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Count, F, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import blame, keyset, recent, refusals, versions
from ace_project.console.asked import asked as asked_of
from ace_project.core.people import Role, needs
from evolution.figures import success_by_version
from playbooks import audit, selectors
from playbooks.content import bullets as lessons
from playbooks.models import OPEN, Agent, Delta, Playbook, PlaybookVersion

MOST_BULLETS = 500


@needs(Role.VIEWER)
@require_safe
def playbooks(request: HttpRequest) -> HttpResponse:
    """List every playbook with its live version, last change and measured success."""
    query = asked_of(request, "q")["q"]
    rows = Playbook.objects.select_related("agent")
    if query:
        rows = rows.filter(Q(agent__agent_id__icontains=query) | Q(agent__name__icontains=query))
    rows = rows.annotate(waiting=Count("deltas", filter=Q(deltas__status__in=OPEN)))
    page = keyset.keyset_page(request, rows)
    shares = recent.success_of_live([row.agent for row in page.rows])
    heads = _heads(page.rows)
    context = {
        "page": page,
        "rows": [
            (row, shares.get(row.agent_id), heads[row.pk], versions.reason_of(heads[row.pk]))
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
    most = 100_000 if "all" in request.GET else MOST_BULLETS
    shares = success_by_version(agent)
    items, history = versions.timeline(request, playbook, shares)
    sections = blame.sections_of(
        playbook,
        shown.content,
        number,
        most=most,
        effects=recent.effects(agent, shown),
    )
    total = len(lessons(shown.content))
    context = {
        "agent": agent,
        "tab": "playbook",
        "waiting": Delta.objects.filter(playbook=playbook, status__in=OPEN).count(),
        "playbook": playbook,
        "number": number,
        "label": f"v{number}",
        "version": versions.rows_of(playbook).get(number=number),
        "live": number == playbook.version,
        "threshold": selectors.setting(agent, "ACE_CONFIDENCE_THRESHOLD"),
        "sections": sections,
        "domain": blame.domain_of(sections),
        "bullets": total,
        "cut": max(0, total - most),
        "plotted": versions.plotted(playbook, shares),
        "timeline": items,
        "history": history,
        "choices": versions.choices(playbook),
        "measured": any(share.runs for share in shares.values()),
        "verified": _verified(agent) if "verify" in request.GET else None,
    }
    return render(request, "playbook.html", context)


def _verified(agent: Agent) -> dict[str, Any]:
    """Recompute both chains of an agent; `problem` says the first broken link."""
    broken = audit.verify_versions(agent) or audit.verify_events(agent.agent_id)
    return {"problem": f"{broken.link}: {broken.problem}" if broken else ""}
