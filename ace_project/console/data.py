"""The way from a page of the console to the rows in the admin that it shows."""

from django.http import HttpRequest
from django.urls import reverse

from ace_project.core.people import Role, role_of

# By a page's name: whose rows, and the part of the address that names one (`pk`) or finds some.
ROWS = {
    "review": ("playbooks_delta", ""),
    "delta": ("playbooks_delta", "pk"),
    "playbooks": ("playbooks_playbook", ""),
    "playbook": ("playbooks_playbook", "agent_id"),
    "version_compare": ("playbooks_playbookversion", "agent_id"),
    "rollback": ("playbooks_playbookversion", "agent_id"),
    "propose": ("playbooks_playbook", "agent_id"),
    "transfer": ("playbooks_playbook", "agent_id"),
    "traces": ("evolution_executiontrace", ""),
    "trace": ("evolution_executiontrace", "pk"),
    "runs": ("evolution_evolutionrun", ""),
    "run": ("evolution_evolutionrun", "pk"),
    "training": ("training_trainingjob", ""),
    "training_job": ("training_trainingjob", "pk"),
    "trajectories": ("training_trajectory", "job"),
    "trajectory": ("training_trajectory", "number"),
    "agents": ("playbooks_agent", ""),
    "agent": ("playbooks_agent", "agent_id"),
    "budget": ("evolution_budget", ""),
    "call": ("evolution_llmcall", "pk"),
    "audit": ("playbooks_auditevent", ""),
}
_ONE = ("pk", "number")


def data_url(request: HttpRequest) -> str:
    """Return the address of the rows of this page; empty for whoever may not enter the admin."""
    match = request.resolver_match
    if match is None or role_of(request.user) < Role.OPERATOR:
        return ""
    rows, part = ROWS.get(match.url_name or "", ("", ""))
    if not rows:
        return reverse("admin:index")
    if part in _ONE:
        return reverse(f"admin:{rows}_change", args=[match.kwargs[part]])
    found = match.kwargs.get("pk" if part == "job" else part)
    return reverse(f"admin:{rows}_changelist", query={"q": found} if found else None)
