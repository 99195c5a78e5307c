"""What needs a person because of training: jobs that failed and were not begun anew."""

from datetime import datetime, timedelta

from django.db.models import Exists, OuterRef
from django.urls import reverse

from ace_project.console.items import Action, Item
from ace_project.console.job_reasons import ending
from training import selectors
from training.models import JobState, TrainingJob

FAILED_OVER = timedelta(days=7)
SHOWN = 3


def job_items(now: datetime) -> list[Item]:
    """Return the newest jobs that failed, without a later one of their agent; one query."""
    later = TrainingJob.objects.filter(agent=OuterRef("agent"), pk__gt=OuterRef("pk"))
    rows = selectors.jobs(state=JobState.FAILED).filter(created_at__gte=now - FAILED_OVER)
    failed = rows.filter(~Exists(later)).select_related("agent", "best_checkpoint")
    return [_item(row) for row in failed.defer("best_checkpoint__state")[:SHOWN]]


def _item(job: TrainingJob) -> Item:
    url = reverse("console:training_job", args=[job.pk])
    why = ending(job)
    said = why.text if why and not job.error else job.error[:160]
    return Item(
        "warn",
        "alert-triangle",
        "Failed",
        f"Training {job.pk} of {job.agent} failed",
        url,
        f"{why.title} {said}" if why else said,
        (Action("Open the job", url),),
        job.simulated,
    )
