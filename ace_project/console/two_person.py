"""Which sections of an agent's playbook change only with two approvals."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from ace_project.console import refusals, visitor
from ace_project.core.people import Role, count_reviewers, needs
from playbooks import selectors, services
from playbooks.models import Agent

MOST_OFFERED = 30


def panel(agent: Agent) -> dict[str, Any]:
    """Return what the agent's page shows of the rule: its sections to tick, and other names."""
    here = list(selectors.head(agent.playbook).content)[:MOST_OFFERED]
    guarded = services.guarded_names(agent, here)
    covered = {name.casefold() for name in guarded}
    return {
        "offered": [(name, name in guarded) for name in here],
        "other_sections": [n for n in agent.two_person if n.casefold() not in covered],
        "reviewers": count_reviewers(),
    }


@needs(Role.OPERATOR)
@require_POST
def two_person(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Set the sections that need two people."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    named = [*request.POST.getlist("section"), *request.POST.get("others", "").split("\n")]
    with refusals.shown(request):
        services.set_two_person_sections(
            agent=agent, sections=named, author=visitor.actor_of(request)
        )
        messages.success(request, _told(agent.two_person))
    return redirect("console:agent", agent_id)


def _told(sections: list[str]) -> str:
    if not sections:
        return "No section needs two people now."
    names = ", ".join(sections)
    return f"Two people approve changes of {names} from now on, also of what waits already."
