"""Traces chosen by a person become evidence: of a delta that waits, or of a new proposal."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_http_methods

from ace_project.console import refusals
from ace_project.console.keyset import is_key
from ace_project.console.proposal import headline
from ace_project.console.visitor import actor_of
from ace_project.core.errors import AceError, InvalidInput
from ace_project.core.people import Role, needs
from evolution.models import ExecutionTrace
from evolution.selectors import LIST_FIELDS
from playbooks import services
from playbooks.models import OPEN, Agent, Delta

# As many as a person looks through; a service refuses more than a hundred.
MOST_TRACES = 50
MOST_DELTAS = 50
SIDES = (("for", "speaks for it"), ("against", "speaks against it"), ("", "leave it out"))


@dataclass(frozen=True, slots=True)
class Chosen:
    """Traces of one agent, each with its side; `problem` where they cannot be used."""

    rows: list[tuple[ExecutionTrace, str]] = field(default_factory=list)
    agent: Agent | None = None
    problem: str = ""

    def names(self, side: str) -> list[str]:
        """Return the trace ids of one side."""
        return [row.trace_id for row, chosen in self.rows if chosen == side]


def chosen_traces(asked: Mapping[str, Any], keys: list[str]) -> Chosen:
    """Return the traces of these primary keys; a field `side-<key>` says on which side each is.

    Without one, failed traces speak for a change and others against it.
    """
    numbers = [int(key) for key in keys if is_key(key)]
    rows = ExecutionTrace.objects.filter(pk__in=numbers).select_related("agent__playbook")
    shown = rows.only(*LIST_FIELDS, "agent__agent_id", "agent__simulated", "agent__playbook")
    found = list(shown.order_by("-pk")[: MOST_TRACES + 1])
    if not found:
        return Chosen(problem="Select traces in the list, then “Make evidence” under it.")
    if len({row.agent_id for row in found}) > 1:
        return Chosen(problem="Choose traces of one agent: a delta belongs to one.")
    if len(found) > MOST_TRACES:
        return Chosen(problem=f"Choose at most {MOST_TRACES} traces.")
    sides = [str(asked.get(f"side-{row.pk}", "against" if row.success else "for")) for row in found]
    return Chosen(list(zip(found, sides, strict=True)), found[0].agent)


@needs(Role.REVIEWER)
@require_http_methods(["GET", "HEAD", "POST"])
def evidence(request: HttpRequest) -> HttpResponse:
    """Show the chosen traces; a POST adds them to a delta, or goes on to a new proposal."""
    asked = request.POST if request.method == "POST" else request.GET
    chosen = chosen_traces(asked, asked.getlist("trace"))
    if chosen.agent is None:
        return render(request, "trace_choice.html", {"problem": chosen.problem})
    error = ""
    if request.method == "POST":
        try:
            return _carry_out(request, chosen, chosen.agent)
        except AceError as refusal:
            error = refusals.told(refusal)
    context = {
        "chosen": chosen,
        "agent": chosen.agent,
        "sides": SIDES,
        "deltas": _open_deltas(chosen.agent),
        "wanted": asked.get("delta", ""),
        "error": error,
    }
    return render(request, "trace_evidence.html", context, status=400 if error else 200)


def _carry_out(request: HttpRequest, chosen: Chosen, agent: Agent) -> HttpResponse:
    supporting, opposing = chosen.names("for"), chosen.names("against")
    if request.POST.get("do") == "propose":
        keys = {
            side: ",".join(str(row.pk) for row, where in chosen.rows if where == side)
            for side in ("for", "against")
        }
        query = urlencode({side: found for side, found in keys.items() if found})
        return redirect(f"{reverse('console:propose', args=[agent.agent_id])}?{query}")
    raw = request.POST.get("delta", "")
    delta = _open_rows(agent).filter(pk=int(raw)).first() if is_key(raw) else None
    if delta is None:
        raise InvalidInput("choose a delta that waits")
    services.cite_traces(
        delta=delta, supporting=supporting, opposing=opposing, by=actor_of(request)
    )
    count = len(supporting) + len(opposing)
    many = "1 trace" if count == 1 else f"{count} traces"
    messages.success(request, f"Added {many} to the evidence of delta {delta.pk}.")
    return redirect("console:delta", delta.pk)


def _open_rows(agent: Agent) -> Any:
    return Delta.objects.filter(playbook=agent.playbook, status__in=OPEN)


def _open_deltas(agent: Agent) -> list[tuple[int, str]]:
    """Return the deltas that wait, newest first, each with its change as a sentence."""
    rows = _open_rows(agent).only("operations", "expectations", "playbook_id").order_by("-id")
    return [(delta.pk, headline(delta)) for delta in rows[:MOST_DELTAS]]


def evidence_of(agent: Agent, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Return the evidence that an address names as primary keys, `?for=1,2&against=3`."""
    keys = {
        side: [int(key) for key in str(asked.get(side, "")).split(",") if is_key(key)]
        for side in ("for", "against")
    }
    wanted = [key for found in keys.values() for key in found[:MOST_TRACES]]
    if not wanted:
        return {}
    rows = ExecutionTrace.objects.filter(agent=agent, pk__in=wanted)
    known = {row.pk: row for row in rows.only("trace_id", "origin")}
    origins = Counter(row.origin for row in known.values())
    names = {side: [known[k].trace_id for k in found if k in known] for side, found in keys.items()}
    return {**names, "origins": dict(origins)} if known else {}
