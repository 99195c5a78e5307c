"""The end of an agent: what would be erased, and the erasing once its id was typed."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from ace_project.console import recent, refusals, visitor
from ace_project.core.models import ApiToken
from ace_project.core.people import Role, needs
from playbooks import selectors, services
from playbooks.models import Agent, AuditEvent


@needs(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def delete(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show what belongs to an agent; a POST with its id erases all of it."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    typed = request.POST.get("typed", "").strip()
    if request.method == "POST" and typed == agent_id:
        services.delete_agent(agent=found, author=visitor.actor_of(request))
        messages.success(request, f"{agent_id} and all that belonged to it is erased.")
        return redirect("console:agents")
    is_wrong = request.method == "POST"
    context = {"agent": found, "tab": "settings", "is_wrong": is_wrong, "held": _held(found)}
    return render(request, "agent_delete.html", context, status=400 if is_wrong else 200)


def _held(agent: Agent) -> list[tuple[str, Any, bool]]:
    """Return what goes with an agent: what it is, how many, and whether there are more."""
    traffic, playbook = recent.traffic([agent])[agent.pk], agent.playbook
    tokens = ApiToken.objects.filter(agent_id=agent.agent_id)
    return [
        ("versions of its playbook", playbook.version, False),
        ("bullets with their history", playbook.bullets.count(), False),
        ("deltas with their reviews", playbook.deltas.count(), False),
        ("traces", traffic.shown, traffic.more),
        ("evolution runs", agent.runs.count(), False),
        ("training jobs with their trajectories", agent.training_jobs.count(), False),
        ("tokens, which stop working", tokens.count(), False),
        ("audit events", AuditEvent.objects.filter(chain=agent.agent_id).count(), False),
    ]
