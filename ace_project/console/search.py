"""One field over everything: agents, deltas, bullets, trainings and traces, to a fixed depth."""

import uuid
from typing import Any

from django.db.models import Q, TextField
from django.db.models.functions import Cast
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import keyset
from ace_project.console.asked import asked as asked_of
from ace_project.core.people import Role, needs
from evolution import trace_search
from evolution.models import ExecutionTrace
from evolution.selectors import LIST_FIELDS
from evolution.trace_search import Wanted
from playbooks.models import Agent, Bullet, Delta
from playbooks.operations import describe
from training import selectors
from training.models import TrainingJob

SHOWN = 10
# Words are looked for in this many of the newest rows of each kind.
DELTAS_WINDOW = 5_000
BULLETS_WINDOW = 50_000
TRAININGS_WINDOW = 5_000
_KINDS = ("agents", "deltas", "bullets", "trainings", "traces")


@needs(Role.VIEWER)
@require_safe
def search(request: HttpRequest) -> HttpResponse:
    """Show what holds the words of `?q=`."""
    query = asked_of(request, "q")["q"]
    windows = {
        "deltas": DELTAS_WINDOW,
        "bullets": BULLETS_WINDOW,
        "trainings": TRAININGS_WINDOW,
    }
    context: dict[str, Any] = {"query": query, "searched": query, "windows": windows}
    if query:
        context |= {
            "agents": _agents(query),
            "deltas": _deltas(query),
            "bullets": _bullets(query),
            "trainings": _trainings(query),
            "traces": _traces(query),
        }
        context["found"] = any(context[kind] for kind in _KINDS)
    return render(request, "search.html", context)


def _agents(query: str) -> list[Agent]:
    rows = Agent.objects.filter(Q(agent_id__icontains=query) | Q(name__icontains=query))
    return list(rows.select_related("playbook").order_by("agent_id")[:SHOWN])


def _deltas(query: str) -> list[tuple[Delta, str]]:
    """Return deltas of that number or id, or whose change or reasoning holds the words."""
    rows = Delta.objects.select_related("playbook__agent").order_by("-id")
    words = keyset.newest(rows, DELTAS_WINDOW).annotate(change=Cast("operations", TextField()))
    wanted = words.filter(Q(change__icontains=query) | Q(reasoning__icontains=query))
    found = [*rows.filter(_named(query)).defer("evidence", "verdicts")[:1]]
    found += [d for d in wanted.defer("evidence", "verdicts")[:SHOWN] if d not in found]
    return [(delta, describe(delta.operations, delta.expectations)) for delta in found]


def _named(query: str) -> Q:
    if keyset.is_key(query):
        return Q(pk=int(query))
    try:
        return Q(delta_id=uuid.UUID(query))
    except ValueError:
        return Q(client_delta_id=query)


def _bullets(query: str) -> list[Bullet]:
    newest = keyset.newest(Bullet.objects.all(), BULLETS_WINDOW)
    rows = newest.filter(Q(text__icontains=query) | Q(bullet_id=query))
    return list(rows.select_related("playbook__agent").order_by("-pk")[:SHOWN])


def _trainings(query: str) -> list[TrainingJob]:
    """Return training jobs of that number, or whose title holds the words."""
    wanted = Q(title__icontains=query)
    if keyset.is_key(query):
        wanted |= Q(pk=int(query))
    return list(keyset.newest(selectors.jobs(), TRAININGS_WINDOW).filter(wanted)[:SHOWN])


def _traces(query: str) -> list[ExecutionTrace]:
    """Return the traces of that id, then the newest that the list of traces finds, too."""
    shown = ExecutionTrace.objects.select_related("agent").only(*LIST_FIELDS, "agent__agent_id")
    keys = trace_search.ids_before(Wanted(words=query), None, SHOWN)
    found = [*shown.filter(trace_id=query)[:SHOWN]]
    found += [row for row in shown.filter(pk__in=keys).order_by("-pk") if row not in found]
    return found[:SHOWN]
