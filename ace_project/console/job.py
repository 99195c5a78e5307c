"""One training job, live: how far, how dear, how good, what each bullet is worth, what to do."""

from typing import Any

from django.db.models import Count, Max, Q
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import timezone
from django.views.decorators.http import require_safe

from ace_project.console import job_effects, job_exports, job_figures, job_reasons, live
from ace_project.console.job_curves import curves
from ace_project.core.people import Role, needs
from training import selectors
from training.models import Evaluation, EvaluationKind, JobState, TrainingJob

SHOWN_CHECKPOINTS = 12
_SINGLE = (EvaluationKind.BASELINE, EvaluationKind.TEST)


@needs(Role.VIEWER)
@require_safe
def job(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one job; asked by htmx, only the part that changes while it goes on."""
    context = page_context(job_of(pk))
    return live.answer(request, "training_job.html", "parts/training_live.html", context)


def job_of(pk: int) -> TrainingJob:
    """Return a job with what its pages name; raises Http404."""
    rows = TrainingJob.objects.select_related("agent", "best_checkpoint", "delta")
    found = rows.defer("best_checkpoint__state").filter(pk=pk).first()
    if found is None:
        raise Http404("there is no such training job")
    return found


def page_context(job: TrainingJob) -> dict[str, Any]:
    """Return what the page of a job shows, in a fixed number of queries."""
    now = timezone.now()
    newest = list(job.iterations.order_by("-number")[: job_figures.PACE_OVER])
    evaluations = _evaluations(job)
    last = newest[0] if newest else None
    return {
        "job": job,
        "now": now,
        "state": job.state,
        "is_over": job.state in job_figures.ENDED,
        "ending": job_reasons.ending(job),
        "last": last,
        "progress": job_figures.progress(
            job, newest, ends_at=selectors.estimated_completion(job), now=now
        ),
        "spend": job_figures.spend(job),
        "signal": job_figures.signal(last),
        "curves": curves(job, evaluations["baseline"]),
        **evaluations,
        "effects": job_effects.effects(job),
        "chances": job_effects.chances(job),
        "checkpoints": _checkpoints(job),
        # While it runs its trajectories grow, and a delta of them would be outrun.
        "makes_deltas": job.policy == "context"
        and job.state not in (JobState.QUEUED, JobState.RUNNING),
        "tasks": _tasks(job),
        "exports": job_exports.offers(job),
        "cancel_means": _cancel_means(job),
        "refresh": _refresh(job),
    }


def _cancel_means(job: TrainingJob) -> str:
    """Say what cancelling makes of a job: only what it has can be kept."""
    kept = "what was spent stays spent, " if job.spent_usd else ""
    kept += "the best checkpoint is kept, " if job.best_checkpoint_id else ""
    return f"It ends for good: {kept}{'and ' if kept else ''}no delta is made."


def _refresh(job: TrainingJob) -> int:
    """Return every how many seconds the page asks for itself; 0 where nothing changes any more."""
    if job.state in job_figures.ENDED:
        return 0
    return 10 if job.state == JobState.PAUSED else 2


def _evaluations(job: TrainingJob) -> dict[str, Any]:
    """Return the baseline, the newest validation, the sealed test, and how many validations."""
    rows = job.evaluations.defer("results")
    single = {row.kind: row for row in rows.filter(kind__in=_SINGLE).order_by("iteration")}
    validations = Q(kind=EvaluationKind.VALIDATION)
    newest = rows.filter(validations).order_by("-iteration").first()
    count = job.evaluations.filter(validations).aggregate(n=Count("pk"), best=Max("success_rate"))
    return {
        "baseline": single.get(EvaluationKind.BASELINE),
        "held_out": job_figures.held_out(newest),
        "sealed": job_figures.held_out(single.get(EvaluationKind.TEST)),
        "validations": count["n"],
        "best_share": count["best"],
    }


def _checkpoints(job: TrainingJob) -> list[dict[str, Any]]:
    """Return the kept checkpoints, newest first, each with its evaluation if it had one."""
    rows = list(selectors.checkpoints(job)[:SHOWN_CHECKPOINTS])
    numbers = [row.iteration for row in rows]
    found = Evaluation.objects.filter(
        job=job, kind=EvaluationKind.VALIDATION, iteration__in=numbers
    ).defer("results")
    measured = {row.iteration: row for row in found}
    return [{"row": row, "evaluation": measured.get(row.iteration)} for row in rows]


def _tasks(job: TrainingJob) -> dict[str, int]:
    """Return how many tasks each split holds."""
    counted = job.tasks.values_list("split").annotate(n=Count("pk")).order_by()
    return dict(counted)
