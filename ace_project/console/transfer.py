"""A playbook as a file: taken out as JSON or the ACE paper's text, brought in as a new version."""

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from ace_project.console import refusals, versions, visitor
from ace_project.core.errors import InvalidInput
from ace_project.core.people import Role, needs
from playbooks import paper_format, selectors, services
from playbooks.content import MAX_BYTES, ContentError
from playbooks.models import Agent


class ImportForm(forms.Form):
    """A file of at most MAX_BYTES and why it is brought in."""

    file = forms.FileField()
    reason = forms.CharField(max_length=2000)


@needs(Role.VIEWER)
@require_safe
def export(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Answer a version as a file to keep: `?format=json` or `paper`, `?version=`."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
        number = versions.chosen(request, "version", agent.playbook.version)
        content = selectors.snapshot(agent.playbook.pk, number).content
    if request.GET.get("format") == "paper":
        try:
            text = paper_format.render_paper(content, selectors.aliases(agent, content))
        except (paper_format.PaperFormatError, ContentError) as error:
            messages.error(request, f"The text form cannot hold it: {error}")
            return redirect("console:transfer", agent_id)
        return _file(text, f"{agent_id}-v{number}.txt", "text/plain")
    text = json.dumps(content, ensure_ascii=False, indent=2) + "\n"
    return _file(text, f"{agent_id}-v{number}.json", "application/json")


def _file(text: str, name: str, kind: str) -> HttpResponse:
    response = HttpResponse(text.encode(), content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


@needs(Role.VIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def transfer(request: HttpRequest, agent_id: str) -> HttpResponseBase:
    """Offer the exports, and take a file in."""
    with refusals.missing_is_404():
        agent = selectors.agent_by_id(agent_id)
    if request.method == "POST":
        return _import(request, agent)
    number = agent.playbook.version
    context = {"agent": agent, "tab": "playbook", "number": number, "label": f"v{number}"}
    return render(request, "transfer.html", context)


@needs(Role.OPERATOR)
def _import(request: HttpRequest, agent: Agent) -> HttpResponse:
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, "An import needs a file and a reason.")
        return redirect("console:transfer", agent.agent_id)
    with refusals.shown(request):
        content, aliases = read_playbook(form.cleaned_data["file"])
        version = services.import_playbook(
            agent=agent,
            content=content,
            author=visitor.actor_of(request),
            reason=form.cleaned_data["reason"],
            aliases=aliases,
        )
        said = f"v{version.number} is live." if version else "The playbook holds this already."
        messages.success(request, said)
        return redirect("console:playbook", agent.agent_id)
    return redirect("console:transfer", agent.agent_id)


def read_playbook(file: Any) -> tuple[Any, dict[str, Any]]:
    """Return content and aliases of an uploaded file, JSON or text; raises InvalidInput."""
    if file.size > MAX_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("the file is not UTF-8 text") from error
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text), {}
        found = paper_format.parse_paper(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"neither JSON nor the ACE paper's text form: {error}") from error
    return found.content, found.aliases
