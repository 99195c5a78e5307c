"""Evolution runs: what they looked at, what they found, and what came of it, as it happens."""

from collections.abc import Mapping
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.db.models import QuerySet
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils import timezone
from django.utils.dateparse import parse_datetime
from django.views.decorators.http import require_POST, require_safe

from ace_project.console import keyset, live, refusals, visitor
from ace_project.console.asked import asked as asked_of
from ace_project.console.conversation import conversation
from ace_project.console.money_items import BUDGET_EXCEEDED, exceeded_words, raise_action
from ace_project.core.people import Role, needs
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution import pauses, selectors, services
from evolution.figures import traces_named
from evolution.models import EvolutionRun, ExecutionTrace, Generator, Trigger
from playbooks.models import Delta
from playbooks.operations import describe
from playbooks.selectors import agent_by_id

MOST_DELTAS = 100
MOST_PAUSED = 3
# The stages of a run that learns, and of one that reads a script, in order (evolution.pipeline).
LEARNING = (
    *("select traces", "reflect", "generate deltas"),
    *("judge and apply", "look after the playbook"),
)
# After a fallback the run writes "generate deltas" behind the model's stage by itself.
ASKING = tuple("ask the model" if name == "generate deltas" else name for name in LEARNING)
SCRIPTED = ("read script", "judge and apply")
_PLANS: Mapping[str, tuple[str, ...]] = {Generator.SCRIPTED: SCRIPTED, Generator.LLM: ASKING}
_SIDES = ("failed_traces", "succeeded_traces")
_LIST_FIELDS = (
    *("agent", "trigger", "generator", "dry_run", "requested_by", "status", "reason"),
    *("traces_selected", "deltas_generated", "deltas_applied"),
    *("created_at", "started_at", "finished_at", "agent__agent_id", "agent__simulated"),
)


@needs(Role.VIEWER)
@require_safe
def runs(request: HttpRequest) -> HttpResponse:
    """List runs, newest first, by agent and status."""
    asked = asked_of(request, "agent", "status")
    rows = EvolutionRun.objects.select_related("agent").only(*_LIST_FIELDS)
    if asked["agent"]:
        rows = rows.filter(agent__agent_id=asked["agent"])
    if asked["status"] in JobStatus.values:
        rows = rows.filter(status=asked["status"])
    statuses = [("", "Any status"), *((s.value, s.value) for s in JobStatus)]
    page = keyset.keyset_page(request, rows)
    context = {
        "page": page,
        "filters": [
            {"name": "status", "label": "Status", "value": asked["status"], "options": statuses},
            {"name": "agent", "label": "Agent, exactly", "value": asked["agent"]},
        ],
        "clear_url": request.path if any(asked.values()) else "",
        "refresh": live.every(request, any(run.status in ACTIVE for run in page.rows)),
        **_paused(),
    }
    return live.answer(request, "runs.html", "parts/runs_list.html", context)


def _paused() -> dict[str, Any]:
    """Return the pauses of single agents, the first few of them in full."""
    rows = pauses.paused_agents()
    shown = list(rows[:MOST_PAUSED])
    more = rows.count() - len(shown) if len(shown) == MOST_PAUSED else 0
    return {"paused": shown, "more_paused": more}


@needs(Role.VIEWER)
@require_safe
def run(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one run; asked by htmx, only the part that changes while it runs."""
    found = _run(pk)
    context = {
        "run": found,
        "active": found.status in ACTIVE,
        "position": selectors.queue_position(found),
        **_waiting(found),
        "stages": _stages(found),
        "deltas": _deltas(found),
        "report": _report(found.report),
        "marks": _marks(found),
        "talk": conversation(found),
        **_exceeded(found),
        "now_running": found.status == JobStatus.RUNNING,
    }
    return live.answer(request, "run.html", "parts/run_live.html", context)


def _exceeded(run: EvolutionRun) -> dict[str, Any]:
    """Return what to say and do about a run that ended at a limit."""
    if run.reason != BUDGET_EXCEEDED:
        return {}
    return {
        "exceeded": exceeded_words(run),
        "raise_limit": raise_action(run),
        "run_limit": settings.ACE_RUN_BUDGET_USD,
    }


def _waiting(run: EvolutionRun) -> dict[str, Any]:
    """Return what a run that is queued waits for besides its turn."""
    if run.status != JobStatus.QUEUED:
        return {}
    pause = pauses.pause_of(run.agent)
    soon = run.not_before if run.not_before and run.not_before > timezone.now() else None
    return {"held": pauses.told(pause) if pause else "", "retry_at": soon}


def _run(pk: int) -> EvolutionRun:
    rows: QuerySet[EvolutionRun] = EvolutionRun.objects.select_related("agent").defer("script")
    found = rows.filter(pk=pk).first()
    if found is None:
        raise Http404("there is no such run")
    return found


def _stages(run: EvolutionRun) -> list[dict[str, Any]]:
    """Return every stage, those to come included, as parts/stages.html draws them."""
    written = {str(stage.get("name")): stage for stage in run.stages if isinstance(stage, dict)}
    plan = _PLANS.get(run.generator, LEARNING)
    names = [*written, *(name for name in plan if name not in written)]
    return [_stage(run, name, written.get(name)) for name in names]


def _stage(run: EvolutionRun, name: str, stage: dict[str, Any] | None) -> dict[str, Any]:
    if stage is None:
        state, note, at = ("waiting" if run.status in ACTIVE else "skipped"), "", None
    elif "seconds" in stage:
        state, note = "done", _counts(stage)
        at = parse_datetime(str(stage.get("started_at", "")))
    else:
        state = "running" if run.status == JobStatus.RUNNING else "failed"
        note, at = "", parse_datetime(str(stage.get("started_at", "")))
    return {"name": name.capitalize(), "state": state, "note": note, "at": at}


def _counts(stage: dict[str, Any]) -> str:
    """Return a stage's counts and its time as words."""
    counts = {k: v for k, v in stage.items() if k not in ("name", "started_at", "seconds")}
    words = [f"{v:,} {_counted(k, v)}" for k, v in counts.items() if isinstance(v, int | float)]
    return ", ".join([*words, f"{float(stage['seconds']):.2f} s"])


def _counted(name: str, number: float) -> str:
    """Return what a stage counted in words, in the singular for one of it."""
    words = name.replace("_", " ")
    return words.removesuffix("s") if number == 1 else words


def _deltas(run: EvolutionRun) -> list[tuple[Delta, str]]:
    fields = ("id", "status", "confidence", "operations", "expectations", "source", "verdicts")
    rows = Delta.objects.filter(run_id=run.pk).only(*fields).order_by("id")[:MOST_DELTAS]
    return [(row, describe(row.operations, row.expectations)) for row in rows]


def _report(report: Any) -> dict[str, Any]:
    """Return what a report says, of its lists only well-formed entries."""
    found = report if isinstance(report, dict) else {}
    return {
        "notes": [note for note in found.get("notes", []) if isinstance(note, str)],
        "candidates": [_candidate(c) for c in found.get("candidates", []) if isinstance(c, dict)],
        "not_explored": [c for c in found.get("not_explored", []) if _is_counted(c)],
        "settings": found.get("settings"),
    }


def _is_counted(entry: object) -> bool:
    names = ("runs", "failed")
    return isinstance(entry, dict) and all(isinstance(entry.get(name), int) for name in names)


def _candidate(candidate: dict[str, Any]) -> dict[str, Any]:
    """Return a candidate with its counts of successes and runs taken apart."""
    raw = candidate.get("counts")
    counts: dict[str, Any] = raw if isinstance(raw, dict) else {}
    return {
        **candidate,
        "q_value": candidate.get("q_value"),
        "followed": counts.get("followed"),
        "not_followed": counts.get("not_followed"),
    }


def _marks(run: EvolutionRun) -> list[dict[str, Any]] | None:
    """Return the marks of failing runs with their traces, None where none were looked for."""
    report = run.report if isinstance(run.report, dict) else {}
    if "marks" not in report:
        return None
    marks = report["marks"]
    names = [name for mark in marks for side in _SIDES for name in mark[side]]
    rows = traces_named(run.agent, names) if names else {}
    return [_mark(mark, rows) for mark in marks]


def _mark(mark: dict[str, Any], rows: Mapping[str, ExecutionTrace]) -> dict[str, Any]:
    """Return a mark with runs and failures on both sides, and those of its traces that exist."""
    failed, succeeded = mark["failed"], mark["succeeded"]
    return {
        **mark,
        "with_it": (failed[0], failed[0] + succeeded[0]),
        "without_it": (failed[1], failed[1] + succeeded[1]),
        "traces": [rows[name] for side in _SIDES for name in mark[side] if name in rows],
    }


@needs(Role.OPERATOR)
@require_POST
def evolve(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Start a run now, however few traces are new; one under way is shown instead."""
    with refusals.missing_is_404():
        agent = agent_by_id(agent_id)
    with refusals.shown(request):
        started = services.start_run(
            agent=agent,
            trigger=Trigger.OPERATOR,
            requested_by=str(visitor.actor_of(request)),
            force=True,
        )
        if started.run:
            if not started.created:
                messages.info(request, "A run is under way already; this is it.")
            return redirect("console:run", started.run.pk)
        messages.warning(request, f"No run: {started.reason}.")
    return redirect("console:playbook", agent_id)


@needs(Role.OPERATOR)
@require_POST
def cancel(request: HttpRequest, pk: int) -> HttpResponse:
    """Cancel a run that has not ended."""
    found = _run(pk)
    with refusals.shown(request):
        services.cancel_run(run=found, by=request.user.get_username())
        messages.success(request, f"Run {pk} is cancelled. Nothing it found will be proposed.")
    return redirect("console:run", pk)


@needs(Role.OPERATOR)
@require_POST
def retry(request: HttpRequest, pk: int) -> HttpResponse:
    """Queue a new run like this one."""
    found = _run(pk)
    with refusals.shown(request):
        started = services.retry_run(run=found, by=str(visitor.actor_of(request)))
        if started.run:
            return redirect("console:run", started.run.pk)
        messages.warning(request, f"No run: {started.reason}.")
    return redirect("console:run", pk)
