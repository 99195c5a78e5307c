"""What a person does to a training job: pause, resume, cancel."""

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.views.decorators.http import require_POST

from ace_project.console import refusals, visitor
from ace_project.console.decisions import reason_of
from ace_project.console.job import job_of
from ace_project.core.people import Role, needs
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
