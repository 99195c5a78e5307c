"""A playbook as a file: taken out as JSON or the ACE paper's text, brought in as a delta."""

import json

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods, require_safe

from ace_project.console import draft as drafts
from ace_project.console import importing, propose, refusals, versions
from ace_project.core.people import Role, needs
from playbooks import paper_format, selectors
from playbooks.content import ContentError
from playbooks.models import Agent


class ImportForm(forms.Form):
    """A file, and whether it takes the place of what is live or adds to it."""

    file = forms.FileField()
    how = forms.ChoiceField(choices=[("add", "Add"), ("replace", "Replace")])


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
        number = versions.chosen(request, "version", agent.playbook.version)
        selectors.snapshot(agent.playbook.pk, number)
    if request.method == "POST":
        return _preview(request, agent)
    context = {"agent": agent, "tab": "playbook", "number": number, "label": f"v{number}"}
    return render(request, "transfer.html", context)


@needs(Role.REVIEWER)
def _preview(request: HttpRequest, agent: Agent) -> HttpResponse:
    """Show what a file would change, as a delta that is still to be proposed."""
    form = ImportForm(request.POST, request.FILES)
    if not form.is_valid():
        messages.error(request, "An import needs a file, and whether it adds or replaces.")
        return redirect("console:transfer", agent.agent_id)
    file = form.cleaned_data["file"]
    with refusals.shown(request):
        content, aliases = importing.read_playbook(file)
        live = selectors.head(agent.playbook).content
        adds = form.cleaned_data["how"] == "add"
        wanted = importing.added_to(live, content) if adds else content
        operations = importing.operations_to(live, wanted)
        if operations:
            draft = drafts.made_of(agent.playbook, agent.playbook.version, operations)
            typed = {"reasoning": f"Import of {file.name}"}
            work = propose.Work(
                draft,
                typed=typed,
                file=file.name,
                aliases={} if adds else aliases,
                notice="Nothing is changed yet: this is what the file would change.",
                is_taken_in=True,
            )
            return propose.show(request, agent, work)
        messages.info(request, "The playbook holds all of this already.")
    return redirect("console:transfer", agent.agent_id)
