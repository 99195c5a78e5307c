"""Agents: how each one's deltas are decided, what is set for it alone, its making and its end."""

from math import isfinite
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.db import transaction
from django.db.models import Count, Q
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.http import require_http_methods, require_POST, require_safe

from ace_project.console import keyset, recent, refusals, two_person, visitor, waivers
from ace_project.console.asked import asked as asked_of
from ace_project.core.errors import InvalidInput
from ace_project.core.people import Role, needs
from ace_project.core.work.leases import ACTIVE
from evolution import selectors as evolution
from evolution.llm import gateway
from evolution.pauses import pause_of_agent
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
# What each override does, in the words of its effect.
MEANINGS = {
    "ACE_CONFIDENCE_THRESHOLD": ("Confidence threshold", "below it, a delta waits for a person"),
    "ACE_MAX_DELTAS_PER_EVOLUTION": ("Deltas per run", "at most so many are proposed in one run"),
    "ACE_EVOLUTION_INTERVAL": (
        "Traces between runs",
        "after so many new traces the next run starts",
    ),
    "ACE_MIN_TRACES_FOR_EVOLUTION": (
        "Traces for the first run",
        "before, there is no run on its own",
    ),
    "ACE_PLAYBOOK_MAX_TOKENS": (
        "Token budget of the playbook",
        "above it, bullets with the least evidence are offered for removal; 0 for no limit",
    ),
    "ACE_MONTHLY_BUDGET_USD": (
        "Monthly budget, US dollars",
        "what its runs may spend on language models in a month",
    ),
    selectors.EXPLORATION: (
        "Share of bullets left out to learn",
        "left out by chance where the agent asks for it, so that a training can start from its "
        "traces; 0 is off",
    ),
}


@needs(Role.VIEWER)
@require_safe
def agents(request: HttpRequest) -> HttpResponse:
    """List agents with mode, live version, traces and what waits."""
    asked = asked_of(request, "q", "mode")
    rows = Agent.objects.select_related("playbook").annotate(
        waiting=Count("playbook__deltas", filter=Q(playbook__deltas__status__in=OPEN))
    )
    if asked["q"]:
        rows = rows.filter(Q(agent_id__icontains=asked["q"]) | Q(name__icontains=asked["q"]))
    if asked["mode"] in Mode.values:
        rows = rows.filter(mode=asked["mode"])
    page = keyset.keyset_page(request, rows)
    traffic = recent.traffic(page.rows)
    options = [("", "Any mode"), *((mode.value, name) for mode, name, _ in MODES)]
    context = {
        "page": page,
        "rows": [(row, traffic[row.pk], _threshold(row)) for row in page.rows],
        "filters": [
            {"name": "mode", "label": "Mode", "value": asked["mode"], "options": options},
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
    if form.is_valid():
        with refusals.shown(request):
            agent = services.create_agent(**form.cleaned_data, author=visitor.actor_of(request))
            return redirect("console:connect", agent.agent_id)
    status = 400 if form.is_bound else 200
    return render(request, "agent_new.html", {"form": form}, status=status)


@needs(Role.VIEWER)
@require_safe
def agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show one agent's settings, tokens and where it stands."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    return render(request, "agent.html", page_context(request, found))


def page_context(request: HttpRequest, agent: Agent) -> dict[str, Any]:
    """Return what the agent's page shows; issuing a token shows the same page with the token."""
    return {
        "agent": agent,
        "tab": "settings",
        "waiting": Delta.objects.filter(playbook=agent.playbook, status__in=OPEN).count(),
        "modes": MODES,
        "overrides": [_override(agent, name) for name in selectors.OVERRIDE_RANGE],
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


def _override(agent: Agent, name: str) -> dict[str, Any]:
    low, high = selectors.OVERRIDE_RANGE[name]
    title, meaning = MEANINGS[name]
    default = getattr(settings, name)
    return {
        "name": name,
        "title": title,
        "meaning": meaning,
        "low": f"{low:g}",
        "high": f"{high:.10g}",
        "range": f"{low:,.10g} to {high:,.10g}",
        "step": "1" if isinstance(default, int) else "0.01",
        "value": agent.overrides.get(name),
        "default": default,
    }


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
    with refusals.shown(request):
        values = {name: _value(request.POST, name) for name in selectors.OVERRIDE_RANGE}
        changed = {n: v for n, v in values.items() if v != found.overrides.get(n)}
        with transaction.atomic():
            for name, value in changed.items():
                services.set_override(
                    agent=found, name=name, value=value, author=visitor.actor_of(request)
                )
        messages.success(request, "Saved." if changed else "Nothing was changed.")
    return redirect("console:agent", agent_id)


def _value(posted: QueryDict, name: str) -> float | None:
    """Read one override, None where its field is empty; raises InvalidInput."""
    raw = posted.get(name, "").strip()
    if not raw:
        return None
    whole = isinstance(getattr(settings, name), int)
    try:
        value = int(raw) if whole else float(raw)
    except ValueError:
        kind = "a whole number" if whole else "a number"
        raise InvalidInput(f"{MEANINGS[name][0].lower()} must be {kind}") from None
    if not isfinite(value):
        raise InvalidInput(f"{MEANINGS[name][0].lower()} must be a number")
    return value


@needs(Role.OPERATOR)
@require_POST
def delete(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Erase an agent and all that belongs to it, once its id was typed."""
    with refusals.missing_is_404():
        found = selectors.agent_by_id(agent_id)
    if request.POST.get("typed", "").strip() != agent_id:
        messages.error(request, f"Nothing was erased: type {agent_id} to erase it.")
        return redirect("console:agent", agent_id)
    services.delete_agent(agent=found, author=visitor.actor_of(request))
    messages.success(request, f"{agent_id} and all that belonged to it is erased.")
    return redirect("console:agents")
