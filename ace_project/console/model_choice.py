"""What an agent's language model is, and which names it never gets to read."""

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from ace_project.console import refusals, visitor
from ace_project.core.people import Role, needs
from playbooks import selectors, services


@needs(Role.OPERATOR)
@require_POST
def choose(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Set the agent's model, empty for the installation's, and the names of people, one a line."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    model = request.POST.get("model", "").strip() or None
    lines = [line.strip() for line in request.POST.get("names", "").splitlines()]
    names = list(dict.fromkeys(line for line in lines if line))
    author = visitor.actor_of(request)
    with refusals.shown(request), transaction.atomic():
        if model != found.overrides.get("ACE_LLM_MODEL"):
            services.set_override(agent=found, name="ACE_LLM_MODEL", value=model, author=author)
        if names != found.private_names:
            services.set_private_names(agent=found, names=names, author=author)
        messages.success(request, "Saved.")
    return redirect("console:agent", agent_id)
