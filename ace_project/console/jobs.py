"""Training jobs: the list, newest first, by agent and state."""

from collections.abc import Sequence
from typing import Any

from django.db.models import Exists, OuterRef, QuerySet
from django.http import HttpRequest, HttpResponse
from django.views.decorators.http import require_safe

from ace_project.console import keyset, live
from ace_project.console.asked import asked as asked_of
from ace_project.core.people import Role, needs
from playbooks.models import Agent
from training import selectors
from training.models import Evaluation, EvaluationKind, JobState, TrainingJob

MOST_AGENTS = 200
_GOING = (JobState.QUEUED, JobState.RUNNING)


@needs(Role.VIEWER)
@require_safe
def jobs(request: HttpRequest) -> HttpResponse:
    """List jobs with state, progress, held-out success against the baseline, and spend."""
    asked = asked_of(request, "agent", "state")
    page = keyset.keyset_page(request, _rows(asked))
    latest = latest_evaluations(page.rows)
    context = {
        "page": page,
        "rows": [(row, latest.get(row.pk)) for row in page.rows],
        "filters": _filters(asked),
        "clear_url": request.path if any(asked.values()) else "",
        "refresh": live.every(request, any(row.state in _GOING for row in page.rows)),
    }
    return live.answer(request, "training.html", "parts/training_list.html", context)


def _rows(asked: dict[str, str]) -> QuerySet[TrainingJob]:
    state = asked["state"] if asked["state"] in JobState.values else None
    return selectors.jobs(agent_id=asked["agent"] or None, state=state)


def latest_evaluations(rows: Sequence[TrainingJob]) -> dict[int, Evaluation]:
    """Return the newest validation of each job that has one, by the job's number; one query."""
    if not rows:
        return {}
    found = Evaluation.objects.filter(
        job__in=[row.pk for row in rows], kind=EvaluationKind.VALIDATION
    )
    newest = found.order_by("job_id", "-iteration").distinct("job_id").defer("results")
    return {row.job_id: row for row in newest}


def _filters(asked: dict[str, str]) -> list[dict[str, Any]]:
    trained = Agent.objects.filter(Exists(TrainingJob.objects.filter(agent=OuterRef("pk"))))
    names = list(trained.order_by("agent_id").values_list("agent_id", flat=True)[:MOST_AGENTS])
    if asked["agent"] and asked["agent"] not in names:
        names.append(asked["agent"])
    states = [("", "Any state"), *((s.value, s.value.capitalize()) for s in JobState)]
    agents = [("", "All agents"), *((name, name) for name in names)]
    return [
        {"name": "state", "label": "State", "value": asked["state"], "options": states},
        {"name": "agent", "label": "Agent", "value": asked["agent"], "options": agents},
    ]
