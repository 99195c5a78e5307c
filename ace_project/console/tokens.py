"""An agent's tokens: issued and shown once, revoked at once, both written into its audit chain."""

import uuid

from django import forms
from django.contrib import messages
from django.db import transaction
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import timezone
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST

from ace_project.console import refusals, visitor
from ace_project.console.agents import page_context
from ace_project.core import tokens
from ace_project.core.models import ApiToken
from ace_project.core.people import Role, needs
from playbooks import audit, selectors


class IssueForm(forms.Form):
    """What a new token may do, and for how long."""

    scopes = forms.MultipleChoiceField(choices=[(scope, scope) for scope in tokens.SCOPES])
    days = forms.IntegerField(min_value=1, max_value=3650)
    name = forms.CharField(max_length=100, required=False)


@needs(Role.OPERATOR)
@require_POST
@never_cache
def issue(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Issue a token and show its text on this one answer; it is stored nowhere."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    form = IssueForm(request.POST)
    if not form.is_valid():
        messages.error(request, "A token needs at least one scope, and lives 1 to 3650 days.")
        return redirect("console:agent", agent_id)
    with transaction.atomic():
        text, row = tokens.issue(agent_id, **form.cleaned_data)
        audit.record(
            agent_id,
            "token_issued",
            visitor.actor_of(request),
            now=timezone.now(),
            subject=str(row.jti),
            data={"scopes": row.scopes, "days": form.cleaned_data["days"], "name": row.name},
        )
    context = {**page_context(request, agent), "issued": text, "issued_row": row}
    return render(request, "agent.html", context)


@needs(Role.OPERATOR)
@require_POST
def revoke(request: HttpRequest, agent_id: str, jti: uuid.UUID) -> HttpResponse:
    """Revoke one of the agent's tokens; whoever holds it is refused from now on."""
    if not ApiToken.objects.filter(jti=jti, agent_id=agent_id).exists():
        raise Http404("there is no such token")
    with transaction.atomic():
        revoked = tokens.revoke(str(jti))
        if revoked:
            actor = visitor.actor_of(request)
            audit.record(agent_id, "token_revoked", actor, now=timezone.now(), subject=str(jti))
    messages.success(request, "The token is revoked." if revoked else "It was revoked already.")
    return redirect("console:agent", agent_id)
