"""One trace: what came of it, its steps as a tree whose parts open on demand, who cites it."""

from dataclasses import dataclass
from typing import Any

from django.db.models import BooleanField, ExpressionWrapper, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.urls import reverse
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_safe

from ace_project.console import keyset, trace_similar
from ace_project.console.templatetags.plots import coordinate
from ace_project.console.templatetags.trail import WIDTH, Span, Trail, trail
from ace_project.console.visitor import may
from ace_project.core.people import Role, needs
from evolution import trace_steps
from evolution.models import ExecutionTrace
from evolution.trace_steps import Part
from playbooks.models import Bullet, Delta
from playbooks.operations import describe

MOST_BULLETS = 200
MOST_CITED = 20
# A step on a page of its own is shown up to so many characters of each value.
WHOLE_CHARS = 200_000


@dataclass(frozen=True, slots=True)
class Branch:
    """A part of the steps, on the time line of the whole."""

    part: Part
    left: str
    width: str
    is_open: bool


@needs(Role.VIEWER)
@require_safe
def trace(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one trace; `?from=` opens the part that holds this step, alone for a fragment."""
    found = trace_of(pk)
    branches = _branches(trace_steps.parts_of(pk), keyset.whole_number(request, "from") or 1)
    shown = _trail(pk, branches)
    context = {
        "trace": found,
        "branches": branches,
        "branch": next((branch for branch in branches if branch.is_open), None),
        "trail": shown,
        "whole": _span([branch.part for branch in branches]).ends,
        "step_url": f"{reverse('console:trace', args=[pk])}steps/",
    }
    if "HX-Request" in request.headers:
        response = render(request, "parts/trace_branch.html", context)
    else:
        response = render(request, "trace.html", context | _about(request, found, shown))
    patch_vary_headers(response, ["HX-Request"])
    return response


def trace_of(pk: int) -> ExecutionTrace:
    """Return a trace without its steps; raises Http404."""
    rows = ExecutionTrace.objects.select_related("agent__playbook").defer("steps", "search")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("there is no such trace")
    return found


def _branches(parts: list[Part], start: int) -> list[Branch]:
    """Return the parts with the one open that holds step number `start`, or the last one."""
    span = _span(parts)
    here = next((n for n, part in enumerate(parts) if start <= part.last), len(parts) - 1)
    return [
        Branch(
            part, coordinate(span.left(part.start)), coordinate(span.width(part.seconds)), n == here
        )
        for n, part in enumerate(parts)
    ]


def _span(parts: list[Part]) -> Span:
    """Return the time line of the whole trace."""
    return Span(0.0, parts[-1].start + parts[-1].seconds if parts else 0.0)


def _trail(pk: int, branches: list[Branch]) -> Trail:
    """Return the rows of the open part, on its own time line: on the whole they were dots."""
    part = next((branch.part for branch in branches if branch.is_open), None)
    if part is None:
        return trail([])
    errors = (b.part.first_error for b in branches if b.part.first_error is not None)
    steps = trace_steps.steps_of(pk, part.first, part.last)
    span = Span(part.start, part.seconds, origin=part.start)
    return trail(steps, first=part.first, span=span, first_error=next(errors, None))


def _about(request: HttpRequest, found: ExecutionTrace, shown: Trail) -> dict[str, Any]:
    return {
        "width": WIDTH,
        "bullets": _bullets(found),
        "cited": _cited(found),
        "others": trace_similar.other_runs(found),
        "similar_url": trace_similar.address(found, shown.rows[0].tool if shown.rows else ""),
        "may_propose": may(request, Role.REVIEWER),
    }


@needs(Role.VIEWER)
@require_safe
def step(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Show one step with the whole of what is long: as a fragment, or on a page of its own."""
    found = trace_of(pk)
    if not 1 <= number <= found.step_count:
        raise Http404("the trace has no such step")
    steps = trace_steps.steps_of(pk, number, number, WHOLE_CHARS)
    context = {
        "trace": found,
        "row": trail(steps, first=number, most=WHOLE_CHARS).rows[0],
        "back_url": f"{reverse('console:trace', args=[pk])}?from={number}#step-{number}",
    }
    template = "parts/trail_body.html" if "HX-Request" in request.headers else "trace_step.html"
    response = render(request, template, context)
    patch_vary_headers(response, ["HX-Request"])
    return response


def _bullets(row: ExecutionTrace) -> list[tuple[str, Bullet | None]]:
    """Return the bullets that the agent says it used, with their records where they are known."""
    names = [name for name in row.bullets or [] if isinstance(name, str)][:MOST_BULLETS]
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
