"""Tokens of one agent, and of all: issued and shown once, revoked at once, both audited."""

import uuid
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django import forms
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ace_project.console import refusals, scopes, token_list, visitor
from ace_project.core import tokens
from ace_project.core.models import ApiToken
from ace_project.core.people import Role, needs
from playbooks import audit, selectors
from playbooks.models import OPEN, Agent, Delta

REFUSED = "A token needs at least one scope, and lives 1 to 3650 days."


class IssueForm(forms.Form):
    """What a new token may do, and for how long."""

    scopes = forms.MultipleChoiceField(choices=[(scope, scope) for scope in tokens.SCOPES])
    days = forms.IntegerField(min_value=1, max_value=3650)
    name = forms.CharField(max_length=100, required=False)


@dataclass(frozen=True, slots=True)
class Issued:
    """A token just made: its text, which no later page can show, and its row."""

    text: str
    row: ApiToken

    @property
    def missing(self) -> list[str]:
        """What it lacks of what an agent needs to learn."""
        return scopes.missing(self.row.scopes)


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def of_agent(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Show an agent's tokens; a POST issues one and shows its text on this one answer."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    issued = issue(request, agent_id) if request.method == "POST" else None
    if request.method == "POST" and issued is None:
        return redirect("console:agent_tokens", agent_id)
    context = {
        **agent_context(agent, "tokens"),
        **token_list.context(request, ApiToken.objects.filter(agent_id=agent_id), of_one=True),
        "scopes": scopes.choices(),
        "issued": issued,
        "then": reverse("console:agent_tokens", args=[agent_id]),
        "may_revoke_all": False,
    }
    return render(request, "agent_tokens.html", context)


@needs(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def of_all(request: HttpRequest) -> HttpResponse:
    """List every token; a POST issues one that serves all agents, which takes an admin."""
    issued = issue(request, None) if request.method == "POST" else None
    if request.method == "POST" and issued is None:
        return redirect("console:tokens")
    context = {
        **token_list.context(request, ApiToken.objects.all()),
        "scopes": scopes.choices(()),
        "issued": issued,
        "then": reverse("console:tokens"),
        "may_issue": visitor.may(request, Role.ADMIN),
        "may_revoke_all": visitor.may(request, Role.ADMIN),
    }
    return render(request, "tokens.html", context)


def agent_context(agent: Agent, tab: str) -> dict[str, Any]:
    """Return what parts/agent_tabs.html shows."""
    waiting = Delta.objects.filter(playbook=agent.playbook, status__in=OPEN).count()
    return {"agent": agent, "tab": tab, "waiting": waiting}


def issue(request: HttpRequest, agent_id: str | None) -> Issued | None:
    """Issue the token that a form asks for; None, with a message, where the form does not hold."""
    _check_role(request, agent_id)
    form = IssueForm(request.POST)
    if not form.is_valid():
        messages.error(request, REFUSED)
        return None
    actor = visitor.actor_of(request)
    with transaction.atomic():
        text, row = tokens.issue(agent_id, **form.cleaned_data, by=str(actor))
        data = {"scopes": row.scopes, "days": form.cleaned_data["days"], "name": row.name}
        _record(row, "token_issued", actor, timezone.now(), data)
    return Issued(text, row)


@needs(Role.OPERATOR)
@require_POST
def revoke(request: HttpRequest, jti: uuid.UUID) -> HttpResponse:
    """Revoke a token; whoever holds it is refused from now on."""
    row = ApiToken.objects.filter(jti=jti).first()
    if row is None:
        raise Http404("there is no such token")
    _check_role(request, row.agent_id)
    actor = visitor.actor_of(request)
    with transaction.atomic():
        revoked = tokens.revoke(str(jti), by=str(actor))
        if revoked:
            _record(row, "token_revoked", actor, timezone.now(), {"name": row.name})
    messages.success(request, "The token is revoked." if revoked else "It was revoked already.")
    if row.agent_id and request.POST.get("then") != reverse("console:tokens"):
        return redirect("console:agent_tokens", row.agent_id)
    return redirect("console:tokens")


def _check_role(request: HttpRequest, agent_id: str | None) -> None:
    needed = Role.OPERATOR if agent_id else Role.ADMIN
    if not visitor.may(request, needed):
        raise PermissionDenied(f"this needs the role {needed.name.lower()}")


def _record(row: ApiToken, event: str, actor: Any, now: datetime, data: dict[str, Any]) -> None:
    chain = row.agent_id or audit.SYSTEM
    audit.record(chain, event, actor, now=now, subject=str(row.jti), data=data)
