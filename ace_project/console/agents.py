"""Agents: how each one's deltas are decided, what is set for it alone, its making and its end."""

from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db.models import Exists, OuterRef, Q
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ace_project.console import keyset, recent, refusals, two_person, visitor, waivers
from ace_project.console.agent_settings import Attempt, attempt_of, overrides_of, set_lately
from ace_project.console.asked import asked as asked_of
from ace_project.core.errors import AceError
from ace_project.core.people import Role, needs
from ace_project.core.work.leases import ACTIVE
from evolution import selectors as evolution
from evolution.llm import gateway
from evolution.models import Pause
from evolution.pauses import pause_of_agent, paused_agents
from playbooks import selectors, services
from playbooks.models import OPEN, Agent, Delta, Mode

MODES = [
    (Mode.STRICT, "Strict", "A person decides every delta. Nothing reaches the agent on its own."),
    (
        Mode.AUTO,
        "Auto",
        "A delta that no judge blocks, at or above the confidence threshold, applies itself. "
        "The rest wait for a person.",
    ),
    (Mode.DRY_RUN, "Dry run", "Deltas are judged and recorded. Nothing is applied or queued."),
]
_OPEN = Delta.objects.filter(playbook__agent=OuterRef("pk"), status__in=OPEN)
_SET = Q(overrides={}) & Q(private_names=[])
# What the list may be narrowed to: in words, and as a condition.
STATES: dict[str, tuple[str, Q | Exists]] = {
    "waiting": ("With deltas that wait", Exists(_OPEN)),
    "paused": ("Evolution paused", Exists(Pause.objects.filter(agent=OuterRef("pk")))),
    "set": ("With settings of its own", ~_SET),
}


@needs(Role.VIEWER)
@require_safe
def agents(request: HttpRequest) -> HttpResponse:
    """List agents with mode, live version, traces and what waits."""
    asked = asked_of(request, "q", "mode", "state")
    rows = Agent.objects.select_related("playbook")
    if asked["q"]:
        rows = rows.filter(Q(agent_id__icontains=asked["q"]) | Q(name__icontains=asked["q"]))
    if asked["mode"] in Mode.values:
        rows = rows.filter(mode=asked["mode"])
    if asked["state"] in STATES:
        rows = rows.filter(STATES[asked["state"]][1])
    page = keyset.keyset_page(request, rows)
    traffic = recent.traffic(page.rows)
    waiting = recent.waiting([row.playbook for row in page.rows])
    paused = set(paused_agents().values_list("agent_id", flat=True))
    states = [("", "Any state"), *((name, words) for name, (words, _) in STATES.items())]
    options = [("", "Any mode"), *((mode.value, name) for mode, name, _ in MODES)]
    context = {
        "page": page,
        "rows": [
            (
                *(row, traffic[row.pk], _threshold(row)),
                *(waiting.get(row.playbook.pk, 0), row.pk in paused),
            )
            for row in page.rows
        ],
        "filters": [
            {"name": "mode", "label": "Mode", "value": asked["mode"], "options": options},
            {"name": "state", "label": "State", "value": asked["state"], "options": states},
            {"name": "q", "label": "Agent", "value": asked["q"]},
        ],
        "clear_url": request.path if any(asked.values()) else "",
    }
    return render(request, "agents.html", context)


class NewAgentForm(forms.Form):
    """A new agent's id and, if one likes, a name to read."""

    agent_id = forms.CharField(max_length=255)
    name = forms.CharField(max_length=255, required=False)


@needs(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Make an agent with an empty playbook, in strict mode."""
    form = NewAgentForm(request.POST if request.method == "POST" else None)
    problem = "An agent needs an id of up to 255 characters." if form.errors else ""
    if form.is_valid():
        try:
            agent = services.create_agent(**form.cleaned_data, author=visitor.actor_of(request))
        except AceError as refusal:
            problem = refusals.told(refusal)
        else:
            return redirect("console:connect", agent.agent_id)
    context = {"form": form, "problem": problem}
    return render(request, "agent_new.html", context, status=400 if form.is_bound else 200)


@needs(Role.VIEWER)
@require_safe
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show one agent's settings, tokens and where it stands."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    return render(request, "agent.html", page_context(request, found))


def page_context(
    request: HttpRequest, agent: Agent, attempt: Attempt | None = None
) -> dict[str, Any]:
    """Return what the agent's page shows; an attempt at settings that failed stands in its form."""
    return {
        "agent": agent,
        "tab": "settings",
        "waiting": Delta.objects.filter(playbook=agent.playbook, status__in=OPEN).count(),
        "modes": MODES,
        "overrides": overrides_of(agent, attempt),
        "set_lately": set_lately(agent),
        "model": agent.overrides.get(selectors.MODEL, ""),
        "names": "\n".join(agent.private_names),
        "usual_model": settings.ACE_LLM_MODEL,
        "asks_model": gateway.is_configured(),
        "threshold": _threshold(agent),
        "traffic": recent.traffic([agent])[agent.pk],
        "status": evolution.evolution_status(agent),
        "right_now": timezone.now(),
        "trainings": agent.training_jobs.count(),
        "trainings_open": agent.training_jobs.filter(status__in=ACTIVE).count(),
        **waivers.panel(agent),
        **two_person.panel(agent),
        "agent_pause": pause_of_agent(agent),
    }


def _threshold(agent: Agent) -> float:
    return float(selectors.setting(agent, "ACE_CONFIDENCE_THRESHOLD"))


class NameForm(forms.Form):
    """What an agent is called; its agent_id stays as it is."""

    name = forms.CharField(max_length=255, required=False)


@needs(Role.OPERATOR)
@require_POST
def rename(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Set the name that people read beside the agent's id; empty takes it away."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    form = NameForm(request.POST)
    if not form.is_valid():
        messages.error(request, "Name: " + form.errors["name"].as_text().removeprefix("* "))
    elif (name := form.cleaned_data["name"]) == found.name:
        messages.success(request, "Nothing was changed.")
    else:
        services.update_agent(agent=found, author=visitor.actor_of(request), name=name)
        messages.success(request, f"{agent_id} is called {name} now." if name else "Name removed.")
    return redirect("console:agent", agent_id)


@needs(Role.OPERATOR)
@require_POST
def mode(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Set how the agent's deltas are decided."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    wanted = request.POST.get("mode", "")
    if wanted not in Mode.values:
        messages.error(request, "There is no such mode.")
    elif wanted != found.mode:
        services.set_mode(agent=found, mode=Mode(wanted), author=visitor.actor_of(request))
        messages.success(request, f"{agent_id} is in mode {wanted.replace('_', ' ')} now.")
    return redirect("console:agent", agent_id)


@needs(Role.OPERATOR)
@require_POST
def overrides(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Set what holds for this agent alone; an empty field takes an override back."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    attempt = attempt_of(found, request.POST, visitor.actor_of(request))
    if attempt.errors:
        found = selectors.agent_by_id(agent_id)
        context = page_context(request, found, attempt)
        return render(request, "agent.html", context, status=400)
    messages.success(request, "Saved." if attempt.changed else "Nothing was changed.")
    return redirect("console:agent", agent_id)
