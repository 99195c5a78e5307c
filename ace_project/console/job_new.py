"""Starting a training job: its form, and what it would cost before it starts."""

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.cache import patch_vary_headers
from django.views.decorators.http import require_http_methods

from ace_project.console import job_form, keyset, visitor
from ace_project.console.job_form import Form
from ace_project.console.job_settings import FURTHER, IMPORTANT, Setting
from ace_project.core.errors import AceError
from ace_project.core.people import Role, needs
from playbooks.models import Agent
from training.models import TrainingJob
from training.runtimes.base import InvalidRuntime
from training.runtimes.registry import kind_of
from training.services import jobs as services

MOST_AGENTS = 200
_RUNTIMES = (
    ("workshop", "Workshop", "Simulated customers and bookings; for workshop agents. Free."),
    ("http", "HTTP callback", "Your agent gets task and context, and answers with what it did."),
    ("openai", "Model with tools", "An OpenAI-compatible model calls tools that you declare."),
    ("gymnasium", "Gymnasium", "An environment that is played by a policy over actions. Free."),
)


@needs(Role.OPERATOR)
@require_http_methods(["GET", "HEAD", "POST"])
def create(request: HttpRequest) -> HttpResponse:
    """Show the form; a POST starts the job, or with `do=estimate` works out what it would cost."""
    if request.method != "POST":
        return render(request, "training_new.html", _context(request, Form(_typed(request))))
    form = Form(job_form.typed_of(request.POST))
    asked = _asked(request, form)
    if "HX-Request" in request.headers or form.typed.get("do") == "estimate":
        return _estimated(request, form, asked)
    if form.is_valid:
        try:
            job = services.start_job(
                **asked,
                warm_start={"traces": True} if form.typed.get("warm_start") else None,
                requested_by=str(visitor.actor_of(request)),
                title=form.typed.get("title", "")[:200],
            )
        except AceError as error:
            form.refuse(error)
        else:
            messages.success(request, f"Training {job.pk} is queued.")
            return redirect("console:training_job", job.pk)
    return render(request, "training_new.html", _context(request, form), status=400)


def _asked(request: HttpRequest, form: Form) -> dict[str, Any]:
    """Return what the service is asked for; what is wrong stands in the form."""
    asked = job_form.read(form, request.FILES.get("tasks_file"))
    agent = Agent.objects.select_related("playbook").filter(agent_id=form.typed.get("agent", ""))
    asked["agent"] = agent.first()
    if asked["agent"] is None:
        form.errors["agent"] = "choose the agent that is trained"
    return asked


def _estimated(request: HttpRequest, form: Form, asked: dict[str, Any]) -> HttpResponse:
    """Show the arithmetic of what the job would cost at most, or what is missing for it."""
    estimate = None
    if form.is_valid:
        try:
            estimate = services.estimate(**asked)
        except AceError as error:
            form.refuse(error)
    only = "HX-Request" in request.headers
    template = "parts/training_estimate.html" if only else "training_new.html"
    context = {"form": form, "missing": _missing(form)} if only else _context(request, form)
    response = render(request, template, {**context, "estimate": estimate})
    patch_vary_headers(response, ["HX-Request"])
    return response


def _typed(request: HttpRequest) -> dict[str, str]:
    """Return what the form begins with: an agent that was named, or a job to be like."""
    number = keyset.whole_number(request, "from")
    job = TrainingJob.objects.select_related("agent").filter(pk=number).first() if number else None
    if job:
        return job_form.typed_like(job)
    agent = Agent.objects.filter(agent_id=request.GET.get("agent", "").replace("\x00", "")).first()
    if agent is None:
        return {"runtime": "workshop"}
    return {"agent": agent.agent_id, "runtime": "workshop" if agent.simulated else "http"}


def _context(request: HttpRequest, form: Form) -> dict[str, Any]:
    names = list(
        Agent.objects.order_by("agent_id").values_list("agent_id", flat=True)[:MOST_AGENTS]
    )
    chosen = form.typed.get("agent", "")
    if chosen and chosen not in names and "agent" not in form.errors:
        names.append(chosen)
    return {
        "form": form,
        "typed": form.typed,
        "errors": form.errors,
        "agents": names,
        "runtimes": [row for row in _RUNTIMES if _is_there(row[0])],
        "important": [_field(form, setting) for setting in IMPORTANT],
        "further": [_field(form, setting) for setting in FURTHER],
        "is_unfolded": any(s.name in form.errors for s in FURTHER) or "reward" in form.errors,
        "missing": _missing(form),
    }


def _is_there(runtime: str) -> bool:
    try:
        return bool(kind_of({"name": runtime}))
    except InvalidRuntime:
        return False


def _field(form: Form, setting: Setting) -> dict[str, Any]:
    name = setting.name
    return {"is": setting, "value": form.typed.get(name, ""), "error": form.errors.get(name, "")}


def _missing(form: Form) -> list[tuple[str, str]]:
    """Return what has to be put right first, as (field in words, what is wrong)."""
    words = {setting.name: setting.label for setting in (*IMPORTANT, *FURTHER)}
    words |= {"held_out": "Held-out tasks", "url": "Address", "env": "Environment"}
    lines = [
        (words.get(name, name.replace("_", " ").capitalize()), told)
        for name, told in form.errors.items()
    ]
    return [*lines, ("", form.general)] if form.general else lines
