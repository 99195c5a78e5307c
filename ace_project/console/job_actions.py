"""What a person does to a training job: pause, resume, cancel, make a delta of a checkpoint."""

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from ace_project.console import refusals, visitor
from ace_project.console.decisions import reason_of
from ace_project.console.job import job_of
from ace_project.core.people import Role, needs
from training.models import PolicyCheckpoint
from training.services import jobs as services


@needs(Role.OPERATOR)
@require_POST
def pause(request: HttpRequest, pk: int) -> HttpResponse:
    """Hold a job back after the iteration under way."""
    found = job_of(pk)
    with refusals.shown(request):
        services.pause_job(job=found, by=visitor.actor_of(request))
        messages.success(
            request, f"Training {pk} is paused. Nothing more is spent until you resume."
        )
    return redirect("console:training_job", pk)


@needs(Role.OPERATOR)
@require_POST
def resume(request: HttpRequest, pk: int) -> HttpResponse:
    """Let a paused job go on where it stopped."""
    found = job_of(pk)
    with refusals.shown(request):
        services.resume_job(job=found, by=visitor.actor_of(request))
        messages.success(request, f"Training {pk} goes on after iteration {found.iteration}.")
    return redirect("console:training_job", pk)


@needs(Role.OPERATOR)
@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """End a job for good."""
    found = job_of(pk)
    with refusals.shown(request):
        reason = reason_of(request.POST)
        services.cancel_job(job=found, by=visitor.actor_of(request), reason=reason)
        messages.success(request, f"Training {pk} is cancelled. Its best checkpoint is kept.")
    return redirect("console:training_job", pk)


@needs(Role.REVIEWER)
@require_POST
def propose(request: HttpRequest, pk: int) -> HttpResponse:
    """Propose what a checkpoint's policy would change; the delta waits for a decision."""
    found = job_of(pk)
    checkpoint = _checkpoint(request, pk)
    with refusals.shown(request):
        delta = services.propose_from(
            job=found, checkpoint=checkpoint, by=visitor.actor_of(request)
        )
        messages.success(request, f"Delta {delta.pk} is made of checkpoint {checkpoint.iteration}.")
        return redirect("console:delta", delta.pk)
    return redirect("console:training_job", pk)


def _checkpoint(request: HttpRequest, pk: int) -> PolicyCheckpoint:
    raw = request.POST.get("checkpoint", "")
    number = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else -1
    row = PolicyCheckpoint.objects.filter(job=pk, iteration=number).first()
    if row is None:
        raise Http404("there is no such checkpoint")
    return row
