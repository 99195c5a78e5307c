"""Two traces side by side: outcome, version, tokens, time, and where their steps part."""

from collections.abc import Iterator
from typing import Any

from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe

from ace_project.console.keyset import is_key
from ace_project.console.trace import trace_of
from ace_project.console.trace_alignment import Aligned, align
from ace_project.core.people import Role, needs
from evolution import trace_steps
from evolution.models import ExecutionTrace
from playbooks.models import Bullet

MOST_BULLETS = 200


@needs(Role.VIEWER)
@require_safe
def pair(request: HttpRequest) -> HttpResponse:
    """Go to the comparison of the two traces picked in the list."""
    picked = list(dict.fromkeys(request.GET.getlist("trace")))
    if len(picked) != 2 or not all(map(is_key, picked)):
        return render(
            request,
            "trace_choice.html",
            {"problem": "Select two traces in the list, then “Compare two” under it."},
        )
    rows = ExecutionTrace.objects.filter(pk__in=picked).values_list("agent_id", flat=True)
    if len(set(rows)) > 1:
        problem = "Choose two traces of one agent: what two agents did is not compared."
        return render(request, "trace_choice.html", {"problem": problem})
    left, right = sorted(int(key) for key in picked)
    return redirect("console:trace_compare", left, right)


@needs(Role.VIEWER)
@require_safe
def compare(request: HttpRequest, pk: int, other: int) -> HttpResponse:
    """Show two traces of one agent side by side, and their first difference."""
    left, right = trace_of(pk), trace_of(other)
    if left.agent_id != right.agent_id:
        raise Http404("traces of two agents are not compared")
    aligned = align(trace_steps.calls_of(pk), trace_steps.calls_of(other))
    context = {
        "left": left,
        "right": right,
        "agent": left.agent,
        "same_task": bool(left.task_id) and left.task_id == right.task_id,
        "aligned": aligned,
        "counts": _counts(aligned),
        "facts": list(_facts(left, right)),
        "bullets": _bullets(left, right),
        "swap_url": reverse("console:trace_compare", args=[other, pk]),
    }
    return render(request, "trace_compare.html", context)


def _counts(aligned: Aligned) -> dict[str, int]:
    """Return how many steps are the same in both, differ, and are in one alone."""
    kinds = [pair.kind for stretch in aligned.stretches for pair in stretch.pairs]
    return {
        "same": kinds.count("same"),
        "differ": kinds.count("answer") + kinds.count("arguments"),
        "left": kinds.count("left"),
        "right": kinds.count("right"),
    }


def _facts(left: ExecutionTrace, right: ExecutionTrace) -> Iterator[dict[str, Any]]:
    """Yield what both have, the way templates show it, and how much more the right one has."""
    for label, name, kind in (
        ("Steps", "step_count", "count"),
        ("Failed steps", "error_count", "count"),
        ("Tokens", "tokens", "count"),
        ("Took", "execution_time", "seconds"),
        ("Quality", "output_quality", "share"),
    ):
        one, two = getattr(left, name), getattr(right, name)
        if one is not None or two is not None:
            more = None if one is None or two is None else two - one
            yield {"label": label, "kind": kind, "left": one, "right": two, "more": more}


def _bullets(left: ExecutionTrace, right: ExecutionTrace) -> dict[str, Any]:
    """Return the texts of the bullets that only one of the two says it used."""
    if left.bullets is None or right.bullets is None:
        return {"unsaid": True}
    names = {"left": set(left.bullets), "right": set(right.bullets)}
    alone = {
        "left": sorted(names["left"] - names["right"])[:MOST_BULLETS],
        "right": sorted(names["right"] - names["left"])[:MOST_BULLETS],
    }
    rows = Bullet.objects.filter(
        playbook=left.agent.playbook, bullet_id__in=[*alone["left"], *alone["right"]]
    )
    texts = dict(rows.values_list("bullet_id", "text"))
    shared = len(names["left"] & names["right"])
    sides = {side: [texts.get(name, name) for name in found] for side, found in alone.items()}
    return {"shared": shared, **sides}
