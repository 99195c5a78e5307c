"""The kill switch: evolution held back for all or for one agent, and let go on."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import Resolver404, resolve
from django.views.decorators.http import require_POST

from ace_project.console import refusals
from ace_project.console.decisions import reason_of
from ace_project.console.visitor import actor_of
from ace_project.core.people import Role, needs
from evolution import services
from playbooks.models import Agent
from playbooks.selectors import agent_by_id


@needs(Role.OPERATOR)
@require_POST
def pause_all(request: HttpRequest) -> HttpResponse:
    """Hold all evolution back."""
    return _pause(request, None)


@needs(Role.OPERATOR)
@require_POST
def resume_all(request: HttpRequest) -> HttpResponse:
    """End the pause of all; agents that are paused by themselves stay so."""
    return _resume(request, None)


@needs(Role.OPERATOR)
@require_POST
def pause(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Hold the evolution of one agent back."""
    with refusals.missing_is_404():
        return _pause(request, agent_by_id(agent_id))


@needs(Role.OPERATOR)
@require_POST
def resume(request: HttpRequest, agent_id: str) -> HttpResponse:
    """End the pause of one agent."""
    with refusals.missing_is_404():
        return _resume(request, agent_by_id(agent_id))


def _pause(request: HttpRequest, agent: Agent | None) -> HttpResponse:
    with refusals.shown(request):
        services.pause_evolution(agent=agent, by=actor_of(request), reason=reason_of(request.POST))
        whose = f"The evolution of {agent.agent_id}" if agent else "All evolution"
        messages.success(request, f"{whose} is paused. Runs under way stop after their stage.")
    return _back(request)


def _resume(request: HttpRequest, agent: Agent | None) -> HttpResponse:
    was_paused = services.resume_evolution(agent=agent, by=actor_of(request))
    if was_paused:
        whose = f"The evolution of {agent.agent_id}" if agent else "Evolution"
        messages.success(request, f"{whose} goes on.")
    else:
        messages.info(request, "It was not paused any more.")
    return _back(request)


def _back(request: HttpRequest) -> HttpResponse:
    """Return to the page that the form stood on, if it is one of ours, else to the overview."""
    path = request.POST.get("then", "")
    try:
        # Two slashes would name a host.
        known = not path.startswith("//") and resolve(path).app_names == ["console"]
    except Resolver404:
        known = False
    return redirect(path if known else "console:overview")
