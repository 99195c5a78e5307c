"""Execution traces: a list by facets that never reads steps, and one trace step by step."""

import json
from dataclasses import replace
from typing import Any

from django.db import connection
from django.db.models import BooleanField, ExpressionWrapper, Q, QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import keyset
from ace_project.console.asked import asked as asked_of
from ace_project.console.templatetags.trail import Trail, trail
from ace_project.core.people import Role, needs
from evolution.models import ExecutionTrace, Origin
from evolution.selectors import LIST_FIELDS
from playbooks.models import Agent, Bullet, Delta
from playbooks.operations import describe

# Words are looked for in this many of the newest traces, tools (inside the steps) in fewer.
WORDS_WINDOW = 20_000
TOOL_WINDOW = 2_000
STEPS_SHOWN = 200
MOST_AGENTS = 200
MOST_VERSIONS = 50
MOST_CITED = 20

OUTCOMES = [("", "Any outcome"), ("yes", "Succeeded"), ("no", "Failed")]
ERRORS = [("", "With or without errors"), ("yes", "With errors"), ("no", "Without errors")]


@needs(Role.VIEWER)
@require_safe
def traces(request: HttpRequest) -> HttpResponse:
    """List traces, newest first; every facet stands in the address."""
    asked = asked_of(request, *_FACETS)
    agent = Agent.objects.select_related("playbook").filter(agent_id=asked["agent"]).first()
    rows = _facets(_searched(_of(agent, asked), asked), asked)
    page = keyset.keyset_page(request, rows)
    context = {
        "page": page,
        "filters": _filters(agent, asked),
        "asked": asked,
        "clear_url": request.path if any(asked.values()) else "",
        "note": _note(asked),
        "any": bool(page.rows) or ExecutionTrace.objects.exists(),
    }
    return render(request, "traces.html", context)


_FACETS = ("agent", "success", "type", "version", "origin", "errors", "tool", "q")


def _of(agent: Agent | None, asked: dict[str, str]) -> QuerySet[ExecutionTrace]:
    """Return the traces of the agent asked for: of everybody where none is."""
    if agent:
        return ExecutionTrace.objects.filter(agent=agent)
    return ExecutionTrace.objects.none() if asked["agent"] else ExecutionTrace.objects.all()


def _facets(rows: QuerySet[ExecutionTrace], asked: dict[str, str]) -> QuerySet[ExecutionTrace]:
    if asked["success"] in ("yes", "no"):
        rows = rows.filter(success=asked["success"] == "yes")
    if asked["type"]:
        rows = rows.filter(task_type=asked["type"])
    if asked["version"].isascii() and asked["version"].isdigit() and len(asked["version"]) < 10:
        rows = rows.filter(playbook_version=asked["version"])
    if asked["origin"] in Origin.values:
        rows = rows.filter(origin=asked["origin"])
    failed = Q(error_count__gt=0) | ~Q(error_message="")
    if asked["errors"] in ("yes", "no"):
        rows = rows.filter(failed if asked["errors"] == "yes" else ~failed)
    return rows.select_related("agent").only(*LIST_FIELDS, "agent__agent_id", "agent__simulated")


def _searched(rows: QuerySet[ExecutionTrace], asked: dict[str, str]) -> QuerySet[ExecutionTrace]:
    """Keep what holds the words, among the newest traces of the agent, or of everybody."""
    if asked["tool"]:
        rows = keyset.newest(rows, TOOL_WINDOW).filter(steps__contains=[{"tool": asked["tool"]}])
    if asked["q"]:
        words = asked["q"]
        rows = keyset.newest(rows, WORDS_WINDOW) if not asked["tool"] else rows
        rows = rows.filter(
            Q(error_message__icontains=words)
            | Q(trace_id__icontains=words)
            | Q(task_id__icontains=words)
            | Q(task_type__icontains=words)
        )
    return rows


def _note(asked: dict[str, str]) -> str:
    if asked["tool"]:
        return f"Looked into the newest {TOOL_WINDOW:,} traces for the tool"
    return f"Searched the newest {WORDS_WINDOW:,} traces" if asked["q"] else ""


def _filters(agent: Agent | None, asked: dict[str, str]) -> list[dict[str, Any]]:
    agents = Agent.objects.order_by("agent_id").values_list("agent_id", flat=True)[:MOST_AGENTS]
    filters: list[dict[str, Any]] = [
        _choice("agent", "Agent", asked, [("", "All agents"), *((a, a) for a in agents)]),
        _choice("success", "Outcome", asked, OUTCOMES),
        _choice("errors", "Errors", asked, ERRORS),
        _choice("origin", "Origin", asked, [("", "Any origin"), *Origin.choices]),
    ]
    if agent:
        filters += _filters_of_agent(agent, asked)
    texts = [("tool", "Tool, exactly"), ("q", "Error, task or trace")]
    return [*filters, *({"name": n, "label": label, "value": asked[n]} for n, label in texts)]


def _choice(name: str, label: str, asked: dict[str, str], options: list[Any]) -> dict[str, Any]:
    """Return a filter; a value that is not among the options is added, so that it stays seen."""
    value = asked[name]
    if value and value not in [option for option, _ in options]:
        options = [*options, (value, value)]
    return {"name": name, "label": label, "value": value, "options": options}


def _filters_of_agent(agent: Agent, asked: dict[str, str]) -> list[dict[str, Any]]:
    """Return the facets that only one agent's traces can offer."""
    newest = ExecutionTrace.objects.filter(agent=agent).order_by("-captured_at")
    types = {kind for kind in newest.values_list("task_type", flat=True)[:TOOL_WINDOW] if kind}
    numbers = [str(n) for n in range(agent.playbook.version, 0, -1)[:MOST_VERSIONS]]
    return [
        _choice(
            "type", "Task type", asked, [("", "Any task type"), *((k, k) for k in sorted(types))]
        ),
        _choice(
            "version", "Version", asked, [("", "Any version"), *((n, f"v{n}") for n in numbers)]
        ),
    ]


@needs(Role.VIEWER)
@require_safe
def trace(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one trace: outcome, steps (a page of them), what the agent knew, who cites it."""
    rows = ExecutionTrace.objects.select_related("agent__playbook").defer("steps")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("there is no such trace")
    start = max(1, keyset.whole_number(request, "from") or 1)
    start = min(start, max(1, found.step_count))
    shown, first_error = _steps(found, start)
    context = {
        "trace": found,
        "trail": shown,
        "start": start,
        "end": start + len(shown.rows) - 1,
        "earlier": max(1, start - STEPS_SHOWN) if start > 1 else None,
        "later": start + STEPS_SHOWN if start + STEPS_SHOWN <= found.step_count else None,
        "first_error": first_error,
        "error_page": _page_of(first_error) if first_error else None,
        "bullets": _bullets(found),
        "cited": _cited(found),
    }
    return render(request, "trace.html", context)


def _page_of(step: int) -> int:
    return (step - 1) // STEPS_SHOWN * STEPS_SHOWN + 1


_STEPS = """
SELECT jsonb_path_query_array(steps, '$[$a to $b]', jsonb_build_object('a', %s::int, 'b', %s::int)),
  (SELECT min(place) FROM jsonb_array_elements(steps) WITH ORDINALITY AS s(step, place)
   WHERE coalesce(step->>'error', '') <> '')
FROM execution_traces WHERE id = %s
"""


def _steps(row: ExecutionTrace, start: int) -> tuple[Trail, int | None]:
    """Return STEPS_SHOWN steps from number `start` on, and the number of the first that failed."""
    with connection.cursor() as cursor:
        cursor.execute(_STEPS, [start - 1, start + STEPS_SHOWN - 2, row.pk])
        text, first_error = cursor.fetchone()
    part = trail(json.loads(text))
    rows = [replace(step, number=step.number + start - 1) for step in part.rows]
    here = part.first_error
    return replace(part, rows=rows, first_error=here and here + start - 1), first_error


def _bullets(row: ExecutionTrace) -> list[tuple[str, Bullet | None]]:
    """Return the bullets that the agent says it used, with their records where they are known."""
    names = [name for name in row.bullets or [] if isinstance(name, str)][:STEPS_SHOWN]
    rows = Bullet.objects.filter(playbook=row.agent.playbook, bullet_id__in=names)
    known = {
        record.bullet_id: record for record in rows.only("bullet_id", "text", "introduced_version")
    }
    return [(name, known.get(name)) for name in names]


def _cited(row: ExecutionTrace) -> list[tuple[Delta, str, bool]]:
    """Return the newest deltas that cite this trace: delta, sentence, whether it speaks for it."""
    speaks_for = Q(evidence__contains={"for": [row.trace_id]})
    speaks_against = Q(evidence__contains={"against": [row.trace_id]})
    rows = Delta.objects.filter(speaks_for | speaks_against, playbook=row.agent.playbook)
    shown = rows.annotate(is_for=ExpressionWrapper(speaks_for, BooleanField()))
    shown = shown.only("id", "status", "operations", "expectations", "source").order_by("-id")
    return [
        (delta, describe(delta.operations, delta.expectations), delta.is_for)
        for delta in shown[:MOST_CITED]
    ]
