"""Waivers: a named judge held back from blocking, by an operator, for a reason and a time."""

from datetime import date, datetime, time, timedelta
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseRedirect
from django.shortcuts import get_object_or_404, redirect
from django.utils import timezone
from django.views.decorators.http import require_POST

from ace_project.console import refusals, visitor
from ace_project.core.people import Role, needs
from playbooks import selectors, services
from playbooks.judges.council import COUNCIL_MODEL, MANDATES
from playbooks.models import Agent, Delta, DeltaStatus, Waiver
from playbooks.services.waivers import LONGEST, MAX_REASON

MOST_SHOWN = 50
USUAL_DAYS = 7
# Judges that may hold a delta back and may be waived, with what they are in words.
JUDGES = [
    ("confidence", "confidence: too low to act without a person"),
    ("evidence", "evidence: missing, exploratory or too weak"),
    *((judge, f"{judge.removeprefix('council_')} (council)") for judge in MANDATES),
    (COUNCIL_MODEL, "no model could be heard (council)"),
]


class WaiverForm(forms.Form):
    """Which judge, why, until which day, and for which delta if not for all of the agent's."""

    judge = forms.CharField(max_length=64)
    reason = forms.CharField(max_length=MAX_REASON)
    until = forms.DateField()
    delta = forms.IntegerField(required=False, min_value=1, max_value=2**63 - 1)
    scope = forms.ChoiceField(choices=[("delta", ""), ("agent", "")], required=False)


def panel(agent: Agent) -> dict[str, Any]:
    """Return what the agent's page shows of waivers, the ended ones too."""
    return {
        "waivers": selectors.waivers_of(agent, MOST_SHOWN),
        "waivable": JUDGES,
        **days(),
    }


def days() -> dict[str, date]:
    """Return the days that a form for a waiver offers: the first, the usual, the last."""
    today = timezone.localdate()
    return {
        "first_day": today,
        "usual_day": today + timedelta(days=USUAL_DAYS),
        "last_day": today + LONGEST,
    }


@needs(Role.OPERATOR)
@require_POST
def waive(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Waive a judge's blocks for one delta or for all of an agent's."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    form = WaiverForm(request.POST)
    delta = _delta(agent, request.POST.get("delta", ""))
    if not form.is_valid():
        messages.error(request, "A waiver needs a judge, a reason and the day it ends.")
        return _back(agent, delta)
    given = form.cleaned_data
    if given["scope"] == "delta" and delta is None:
        # Never more than was asked for.
        messages.error(request, "Say which delta, or waive the verdict for all of the agent's.")
        return _back(agent, None)
    with refusals.shown(request):
        services.waive_verdict(
            agent=agent,
            judge=given["judge"],
            reason=given["reason"],
            until=_end_of(given["until"]),
            by=visitor.actor_of(request),
            delta=None if given["scope"] == "agent" else delta,
        )
        messages.success(request, _told(given["judge"], given["until"], delta))
    return _back(agent, delta)


def _delta(agent: Agent, number: str) -> Delta | None:
    if not number:
        return None
    key = int(number) if number.isascii() and number.isdigit() and len(number) < 19 else 0
    return get_object_or_404(Delta, pk=key, playbook=agent.playbook)


def _end_of(day: date) -> datetime:
    """Return the last moment of a day; on the last one allowed, that at which the time is over."""
    end = timezone.make_aware(datetime.combine(day, time.max))
    last = timezone.now() + LONGEST
    return min(end, last) if day == timezone.localdate(last) else end


def _told(judge: str, until: date, delta: Delta | None) -> str:
    name = judge.replace("_", " ")
    text = f"Verdicts of {name} hold nothing back until {until:%-d %B %Y}."
    if delta is None:
        return text
    delta.refresh_from_db()
    now_live = delta.status == DeltaStatus.APPLIED
    return (
        f"{text} Delta {delta.pk} applied: v{delta.applied_version} is live." if now_live else text
    )


@needs(Role.OPERATOR)
@require_POST
def end(request: HttpRequest, agent_id: str, pk: int) -> HttpResponse:
    """End a waiver before its time."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    waiver = get_object_or_404(Waiver, pk=pk, agent=agent)
    with refusals.shown(request):
        services.end_waiver(waiver=waiver, by=visitor.actor_of(request))
        messages.success(request, f"The waiver of {waiver.judge.replace('_', ' ')} has ended.")
    return _back(agent, None)


def _back(agent: Agent, delta: Delta | None) -> HttpResponseRedirect:
    if delta is not None:
        return redirect("console:delta", delta.pk)
    return redirect("console:agent", agent.agent_id)
