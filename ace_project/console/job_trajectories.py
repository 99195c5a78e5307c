"""The trajectories of a training job: a list without bodies, one step by step, all as a file."""

import json
import zlib
from typing import Any

from django.db.models import QuerySet
from django.http import (
    Http404,
    HttpRequest,
    HttpResponse,
    HttpResponseBase,
    StreamingHttpResponse,
)
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from ace_project.console import keyset, refusals
from ace_project.console.asked import asked as asked_of
from ace_project.console.job import job_of
from ace_project.console.templatetags.trail import Trail, trail
from ace_project.core.people import Role, needs
from training import bodies
from training.exports import Wanted, format_named, stream
from training.models import Split, TrainingJob, TrainingTask, Trajectory, TrajectoryOutcome

# What is asked for is looked for in this many of the newest trajectories.
WINDOW = 50_000
STEPS_SHOWN = 200
MOST_SIBLINGS = 16

RESULTS = [
    ("", "Any outcome"),
    ("succeeded", "Succeeded"),
    ("failed", "Failed"),
    *((value, str(label)) for value, label in TrajectoryOutcome.choices if value != "ended"),
]


@needs(Role.VIEWER)
@require_safe
def trajectories(request: HttpRequest, pk: int) -> HttpResponse:
    """List a job's trajectories, newest first, by outcome, task and iteration."""
    job = job_of(pk)
    asked = asked_of(request, "outcome", "task", "iteration")
    page = keyset.keyset_page(request, _rows(request, job, asked))
    queries = _queries(job, page.rows)
    context = {
        "job": job,
        "page": page,
        "rows": [(row, _bullets_in(row), queries.get(row.task, "")) for row in page.rows],
        "filters": [
            {"name": "outcome", "label": "Outcome", "value": asked["outcome"], "options": RESULTS},
            {"name": "task", "label": "Task number", "value": asked["task"]},
            {"name": "iteration", "label": "Iteration", "value": asked["iteration"]},
        ],
        "clear_url": request.path if any(asked.values()) else "",
        "note": f"Looked into the newest {WINDOW:,}" if any(asked.values()) else "",
    }
    return render(request, "training_trajectories.html", context)


@needs(Role.VIEWER)
@require_safe
def export(request: HttpRequest, pk: int) -> HttpResponseBase:
    """Stream a job's trajectories as a file: `?format=`, `?success_only=1`."""
    job = job_of(pk)
    wanted = Wanted(success_only=request.GET.get("success_only") == "1")
    with refusals.shown(request):
        form = format_named(request.GET.get("format", "raw"))
        return StreamingHttpResponse(
            stream(job, form, wanted),
            content_type=form.media_type,
            headers={"Content-Disposition": f'attachment; filename="{form.file_name(job)}"'},
        )
    return redirect("console:training_job", pk)


def _rows(request: HttpRequest, job: TrainingJob, asked: dict[str, str]) -> QuerySet[Trajectory]:
    rows = Trajectory.objects.filter(job=job).defer("body")
    if any(asked.values()):
        rows = keyset.newest(rows, WINDOW)
    if asked["outcome"] in ("succeeded", "failed"):
        rows = rows.filter(success=asked["outcome"] == "succeeded")
    elif asked["outcome"] in TrajectoryOutcome.values:
        rows = rows.filter(outcome=asked["outcome"])
    for name in ("task", "iteration"):
        number = keyset.whole_number(request, name)
        if asked[name]:
            # What is no number fits no row.
            is_one = number is not None and number < 2**31
            rows = rows.filter(**{name: number}) if is_one else rows.none()
    return rows


def _bullets_in(row: Trajectory) -> int:
    """Return how many candidates were let in: the bits that are set."""
    return int.from_bytes(bytes(row.bullets), "big").bit_count()


def _queries(job: TrainingJob, rows: list[Trajectory]) -> dict[int, str]:
    """Return what the tasks on a page ask, by their number; in one query."""
    numbers = {row.task for row in rows}
    if not numbers:
        return {}
    tasks = TrainingTask.objects.filter(job=job, split=Split.TRAIN, number__in=numbers)
    return {task.number: _text(task.query) for task in tasks}


def _text(query: Any) -> str:
    return query if isinstance(query, str) else json.dumps(query, ensure_ascii=False)


@needs(Role.VIEWER)
@require_safe
def trajectory(request: HttpRequest, pk: int, number: int) -> HttpResponse:
    """Show one trajectory: a page of its steps, what it was scored, which bullets were in."""
    job = job_of(pk)
    row = Trajectory.objects.filter(job=job, pk=number).first()
    if row is None:
        raise Http404("there is no such trajectory")
    body = _body(row)
    steps = _steps(body)
    start = max(1, keyset.whole_number(request, "from") or 1)
    start = min(start, max(1, len(steps)))
    task = TrainingTask.objects.filter(job=job, split=Split.TRAIN, number=row.task).first()
    context = {
        "job": job,
        "row": row,
        "task": task,
        "asks": _text(task.query) if task else "",
        "answer": body.get("answer"),
        "heads": body.get("heads"),
        "damaged": not body,
        "trail": _page_of(steps, start),
        "start": start,
        "end": min(len(steps), start + STEPS_SHOWN - 1),
        "count": len(steps),
        "earlier": max(1, start - STEPS_SHOWN) if start > 1 else None,
        "later": start + STEPS_SHOWN if start + STEPS_SHOWN <= len(steps) else None,
        "bullets": _bullets(job, row),
        "bullets_note": f"{_bullets_in(row):,} of {len(job.candidates):,} let in",
        "group": _group(row),
    }
    return render(request, "training_trajectory.html", context)


def _body(row: Trajectory) -> dict[str, Any]:
    """Return steps, answer and heads; empty where they cannot be read."""
    try:
        return bodies.read(bytes(row.body))
    except (zlib.error, ValueError):
        return {}


def _steps(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the steps as parts/trail.html draws them; one of an episode is its action."""
    steps = [step for step in body.get("steps", []) if isinstance(step, dict)]
    return [
        {"tool": f"action {s['action']}", "reward": s["reward"]} if "action" in s else s
        for s in steps
    ]


def _page_of(steps: list[dict[str, Any]], start: int) -> Trail:
    return trail(steps[start - 1 : start - 1 + STEPS_SHOWN], first=start)


def _bullets(job: TrainingJob, row: Trajectory) -> list[tuple[str, bool]]:
    """Return every candidate's text and whether it was let in."""
    packed = bytes(row.bullets)
    return [
        (str(candidate.get("text", "")), _bit(packed, place))
        for place, candidate in enumerate(job.candidates)
        if packed and isinstance(candidate, dict)
    ]


def _bit(packed: bytes, place: int) -> bool:
    """Return bit number `place` of what numpy.packbits packed, the highest bit first."""
    byte, offset = divmod(place, 8)
    return byte < len(packed) and bool(packed[byte] >> (7 - offset) & 1)


def _group(row: Trajectory) -> list[Trajectory]:
    """Return the other tries of the same task in the same iteration: what it was compared with."""
    rows = Trajectory.objects.filter(job=row.job_id, iteration=row.iteration, task=row.task)
    # A group is written in one go, so its rows lie close to this one.
    near = rows.filter(pk__gt=row.pk - 4096, pk__lt=row.pk + 4096).defer("body", "bullets")
    return list(near.order_by("trial")[:MOST_SIBLINGS])
