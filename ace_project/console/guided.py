"""The first-run card: a living, simulated agent that a newcomer teaches one lesson."""

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.db.models import Exists, OuterRef
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from ace_project.console import live, undo
from ace_project.console.decisions import explain
from ace_project.console.evidence import Evidence, read_evidence
from ace_project.console.machinery import machinery
from ace_project.console.proposal import headline
from ace_project.console.visitor import actor_of, may
from ace_project.core.errors import AceError, Conflict
from ace_project.core.people import Role, needs
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution.models import ExecutionTrace, Origin
from playbooks import services
from playbooks.models import Agent, Delta, DeltaStatus
from training.models import Comparison
from training.services import COMPARED_TASKS, start_comparison

DEMO_AGENT = "workshop-demo"
# More deltas than these wait for no newcomer.
_LOOKED_AT = 50


@dataclass(frozen=True, slots=True)
class Lesson:
    """A delta of the demonstration with its evidence read."""

    delta: Delta
    evidence: Evidence

    @property
    def reach(self) -> tuple[float, float]:
        """How much there is to gain: predicted further successes among the runs without it.

        A large effect on a rare task is a small one to watch; the effect alone breaks ties.
        """
        lift, overall = self.evidence.lift or 0.0, self.evidence.overall
        return lift * (overall.not_followed.runs if overall else 0), lift


def is_new() -> bool:
    """Return whether nothing but simulated agents and tests has worked here yet."""
    real = ExecutionTrace.objects.filter(agent=OuterRef("pk")).exclude(origin=Origin.TEST)
    return not Agent.objects.filter(Exists(real), simulated=False).exists()


def guide(request: HttpRequest, pk: int | None = None) -> dict[str, Any] | None:
    """Return what parts/guided.html shows, of lesson `pk` or the one that is next to be met."""
    agent = Agent.objects.select_related("playbook").filter(agent_id=DEMO_AGENT).first()
    if agent is None or not agent.simulated:
        return None
    lesson = _chosen(agent, pk) or _decided(agent) or _strongest(agent)
    return _card(request, agent, lesson) if lesson else None


def _lessons(agent: Agent) -> Any:
    return Delta.objects.filter(playbook=agent.playbook)


def _chosen(agent: Agent, pk: int | None) -> Lesson | None:
    shown = (DeltaStatus.PENDING_REVIEW, DeltaStatus.APPLIED, DeltaStatus.UNDONE)
    return _read(_lessons(agent).filter(pk=pk, status__in=shown).first()) if pk else None


def _decided(agent: Agent) -> Lesson | None:
    """Return the lesson that a person decided on last."""
    rows = _lessons(agent).filter(status__in=(DeltaStatus.APPLIED, DeltaStatus.UNDONE))
    return _read(rows.filter(decided_by__startswith="person:").order_by("-decided_at").first())


def _strongest(agent: Agent, without: int = 0) -> Lesson | None:
    """Return the waiting lesson from which there is most to gain."""
    waiting = _lessons(agent).filter(status=DeltaStatus.PENDING_REVIEW).exclude(pk=without)
    found = [lesson for row in waiting[:_LOOKED_AT] if (lesson := _read(row))]
    return max(found, key=lambda lesson: lesson.reach, default=None)


def _read(delta: Delta | None) -> Lesson | None:
    """Return a delta as a lesson, None where its evidence tells no effect."""
    if delta is None:
        return None
    evidence = read_evidence(delta.evidence)
    return Lesson(delta, evidence) if evidence.has_effect else None


def _state(delta: Delta, job: Comparison | None) -> str:
    if delta.status == DeltaStatus.UNDONE:
        return "undone"
    if delta.status != DeltaStatus.APPLIED:
        return "waiting"
    if job is None or job.status in (JobStatus.FAILED, JobStatus.CANCELLED):
        return "approved"
    return "running" if job.status in ACTIVE else "done"


def _card(request: HttpRequest, agent: Agent, lesson: Lesson) -> dict[str, Any]:
    delta, evidence = lesson.delta, lesson.evidence
    job = Comparison.objects.filter(delta=delta).first()
    state, decides = _state(delta, job), may(request, Role.REVIEWER)
    following = _strongest(agent, without=delta.pk) if state == "undone" else None
    overview = reverse("console:overview")

    def post(name: str) -> str:
        return reverse(f"console:{name}", args=[delta.pk]) if decides else ""

    return {
        "state": state,
        "agent_id": agent.agent_id,
        "agent_url": reverse("console:playbook", args=[agent.agent_id]),
        "lesson": headline(delta),
        "delta_url": reverse("console:delta", args=[delta.pk]),
        "effect": evidence.lift,
        "low": evidence.low,
        "high": evidence.high,
        "passed": evidence.supporting_total,
        "failed": evidence.opposing_total,
        "tasks": job.total if job else COMPARED_TASKS,
        "approve_url": post("guided_approve"),
        "rerun_url": post("guided_compare"),
        "undo_url": post("guided_take_back") if delta.status == DeltaStatus.APPLIED else "",
        "poll_url": f"{overview}?lesson={delta.pk}",
        "next_url": f"{overview}?lesson={following.delta.pk}" if following else "",
        "live_version": agent.playbook.version,
        "failure": job.error or job.reason if job and job.status == JobStatus.FAILED else "",
        **_progress(job),
    }


def _progress(job: Comparison | None) -> dict[str, Any]:
    """Return what a comparison found so far."""
    if job is None:
        return {}
    took = job.finished_at and job.started_at and job.finished_at - job.started_at
    return {
        "done": len(job.results),
        "before_pass": sum(bool(r["before"]) for r in job.results),
        "after_pass": sum(bool(r["after"]) for r in job.results),
        "now_pass": job.now_pass,
        "now_fail": job.now_fail,
        "seconds": took.total_seconds() if took else None,
        "nobody_works": job.status == JobStatus.QUEUED and machinery().is_stuck,
    }


def card(request: HttpRequest, pk: int) -> HttpResponse:
    """Return the card alone, as htmx morphs it into the page; 404 where its agent is erased."""
    part, found = "parts/guided.html", guide(request, pk)
    if found is None:
        raise Http404("there is no such lesson any more")
    return live.answer(request, part, part, {"guide": found})


def _lesson(pk: int) -> Delta:
    rows = Delta.objects.select_related("playbook__agent")
    return get_object_or_404(rows, pk=pk, playbook__agent__agent_id=DEMO_AGENT)


def _back(pk: int) -> HttpResponse:
    return redirect(f"{reverse('console:overview')}?lesson={pk}")


@require_POST
@needs(Role.REVIEWER)
def approve(request: HttpRequest, pk: int) -> HttpResponse:
    """Approve the lesson on the card."""
    delta = _lesson(pk)
    try:
        done = services.approve_delta(delta=delta, by=actor_of(request))
    except AceError as error:
        messages.error(request, explain(error))
    else:
        text = f"Approved delta {pk} of {DEMO_AGENT}: v{done.applied_version} is live"
        undo.offer(request, [done], text, back=f"{reverse('console:overview')}?lesson={pk}")
    return _back(pk)


@require_POST
@needs(Role.REVIEWER)
def take_back(request: HttpRequest, pk: int) -> HttpResponse:
    """Take the approved lesson out again."""
    try:
        services.undo_decision(delta=_lesson(pk), by=actor_of(request), reason="taken back")
    except AceError as error:
        messages.error(request, explain(error))
    else:
        undo.withdraw(request)
    return _back(pk)


@require_POST
@needs(Role.REVIEWER)
def compare(request: HttpRequest, pk: int) -> HttpResponse:
    """Run the same tasks under both versions; a comparison under way serves this press too."""
    delta = _lesson(pk)
    try:
        _start(delta, str(actor_of(request)))
    except AceError as error:
        messages.error(request, explain(error))
        return _back(pk)
    return card(request, pk) if request.headers.get("HX-Request") else _back(pk)


def _start(delta: Delta, by: str) -> None:
    if delta.status != DeltaStatus.APPLIED:
        raise Conflict("approve the lesson first: there is nothing to compare yet")
    if not Comparison.objects.filter(delta=delta, status__in=ACTIVE).exists():
        start_comparison(delta=delta, by=by)
