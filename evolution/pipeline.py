"""One evolution cycle, stage by stage, each written to the run's row as it happens."""

import logging
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from typing import Any

from django.conf import settings
from django.db.models import Max
from django.db.utils import InterfaceError, OperationalError
from django.utils import timezone

from ace_project.core.errors import AceError
from ace_project.core.work import leases
from ace_project.core.work.leases import JobStatus
from evolution import (
    counters,
    delta_generator,
    llm_generator,
    maintenance,
    pace,
    pauses,
    reflector,
    selectors,
)
from evolution.drafts import Draft
from evolution.free_text import Vocabulary, is_controlled, vocabulary
from evolution.ledger import BudgetExceeded
from evolution.llm import gateway
from evolution.llm_generator import Generated
from evolution.models import EvolutionRun, ExecutionTrace, Generator
from evolution.reflect import Reflection
from evolution.runs import Run
from playbooks import services as playbooks
from playbooks.actors import Actor, ActorKind
from playbooks.content import Content, canonical
from playbooks.judges.evidence import from_outside_alone
from playbooks.judges.safety import SafetyContext
from playbooks.models import Agent, Delta, DeltaStatus, Source
from playbooks.selectors import head, setting

logger = logging.getLogger(__name__)

MOST_TOOLS = 1000
SHOWN_CHARS = 4000  # of each text of a trace that a model was shown, looked at for copies


def silent(message: str) -> None:
    """Show no progress."""


class _Stages:
    """The stages of a run: named, timed, with counts; every write proves the lease."""

    def __init__(self, run: EvolutionRun, progress: Callable[[str], None]) -> None:
        self.run = run
        self.progress = progress
        self.done: list[dict[str, Any]] = []
        self.began = time.monotonic()

    def begin(self, name: str) -> None:
        """Say what happens now; raises HandedBack where evolution was paused meanwhile."""
        pauses.stop_if_paused(self.run)
        self.began = time.monotonic()
        self.progress(name)
        now = {"name": name, "started_at": timezone.now().isoformat()}
        leases.write(self.run, stages=[*self.done, now])

    def end(self, **counts: Any) -> None:
        """Say what came of the stage that began last."""
        stage = dict(self.run.stages[-1])
        stage["seconds"] = round(time.monotonic() - self.began, 3)
        self.done.append({**stage, **counts})
        leases.write(self.run, stages=self.done)


def carry_out(run: EvolutionRun, progress: Callable[[str], None] = silent) -> None:
    """Carry out a claimed run to one of its ends, or to another try after an unexpected error.

    Raises LeaseLost if another took it over, HandedBack if evolution was paused meanwhile.
    """
    with pace.measured(run):
        _to_an_end(run, progress)


def _to_an_end(run: EvolutionRun, progress: Callable[[str], None]) -> None:
    try:
        _cycle(run, _Stages(run, progress))
    except (OperationalError, InterfaceError, leases.LeaseLost):
        # Not this run's fault: its lease runs out and whoever claims it next goes on.
        raise
    except BudgetExceeded as error:
        # The traces stay pending: only a run that completed counts them as seen.
        leases.finish(run, JobStatus.FAILED, reason="budget_exceeded", error=error.detail)
    except AceError as error:
        leases.finish(run, JobStatus.FAILED, reason="refused", error=error.detail)
    except Exception as error:  # noqa: BLE001 - the worker's edge: recorded with the row it failed
        logger.exception("run %s failed", run.pk)
        leases.retry_later(run, f"{type(error).__name__}: {error}")


def _cycle(run: EvolutionRun, stages: _Stages) -> None:
    if run.drafts is None:
        drafts, report = _scripted(run, stages) if run.script is not None else _learn(run, stages)
        leases.write(run, drafts=[asdict(draft) for draft in drafts], report=report)
    drafts = [Draft(**draft) for draft in run.drafts or ()]
    stages.begin("judge and apply")
    author = Actor(ActorKind.RUN, str(run.pk))
    deltas, renewed = _bring(run, author, drafts)
    brought = Delta.objects.filter(pk__in=[delta.pk for delta in [*deltas, *renewed]])
    stages.end(
        proposed=len(deltas),
        applied=brought.filter(status=DeltaStatus.APPLIED).count(),
        waiting=sum(delta.status == DeltaStatus.PENDING_REVIEW for delta in deltas),
        renewed=len(renewed),
    )
    offered = [] if run.script is not None or run.dry_run else _maintain(run, author, stages)
    leases.finish(
        run,
        JobStatus.COMPLETED,
        reason="finished",
        deltas_generated=len(deltas) + len(offered),
        # The council may have let some apply meanwhile.
        deltas_applied=brought.filter(status=DeltaStatus.APPLIED).count(),
    )


def _learn(run: EvolutionRun, stages: _Stages) -> tuple[list[Draft], dict[str, Any]]:
    stages.begin("select traces")
    newest = ExecutionTrace.objects.filter(agent=run.agent).aggregate(top=Max("id"))["top"] or 0
    limit = settings.ACE_EVOLUTION_MAX_TRACES
    runs = list(selectors.runs_to_learn_from(run.agent, newest=newest, limit=limit))
    leases.write(run, watermark=newest, traces_selected=len(runs))
    stages.end(traces=len(runs), succeeded=sum(r.success for r in runs))
    stages.begin("reflect")
    reflection = reflector.reflect_on(run, runs)
    stages.end(**reflector.account(reflection))
    content = head(run.agent.playbook).content
    outside = selectors.from_outside(run.agent, limit)
    own = [seen for seen in runs if seen.trace_id not in outside]
    report = {**reflector.report(reflection), "tools": _tools(own) or _tools(runs)}
    if run.generator == Generator.LLM:
        answered = _ask(run, stages, runs, reflection, content)
        if isinstance(answered, Generated):
            stood_up = (f.lesson for f in reflection.findings if not f.exploratory)
            known = vocabulary(own, stood_up)
            drafts = [_worded(draft, content, known) for draft in answered.drafts]
            return drafts, {**report, **answered.report}
        report["notes"] = [answered, *report["notes"]]
    stages.begin("generate deltas")
    drafts = _rooted(run.agent, delta_generator.from_reflection(reflection, content))
    stages.end(drafts=len(drafts))
    return drafts, report


def _tools(runs: Sequence[Run]) -> list[str]:
    """Return the tools that the agent has; a trace from outside may name any, and adds none.

    Where all traces are from outside they are those of these: nothing of theirs applies itself.
    """
    return sorted({step.tool for run in runs for step in run.steps})[:MOST_TOOLS]


def _worded(draft: Draft, content: Content, known: Vocabulary) -> Draft:
    """Return a model's draft with whether all of it is in the controlled language."""
    controlled = is_controlled(draft.operations or (), content, known)
    return replace(draft, evidence={**draft.evidence, "controlled": controlled})


def _rooted(agent: Agent, drafts: Sequence[Draft]) -> list[Draft]:
    """Return a reflector's drafts with where the traces that they rest on came from."""
    named = [
        {name for side in ("for", "against") for name in draft.evidence.get(side, ())}
        for draft in drafts
    ]
    known = selectors.origins_of(agent, set().union(*named))
    counts = [dict(Counter(known[name] for name in names if name in known)) for names in named]
    return [
        replace(draft, evidence={**draft.evidence, "origins": origins})
        for draft, origins in zip(drafts, counts, strict=True)
    ]


def _may_apply(draft: Draft) -> bool:
    """Return whether no person is owed: traces from outside alone never let a lesson apply."""
    return draft.may_apply and not from_outside_alone(draft.evidence)


def _ask(
    run: EvolutionRun,
    stages: _Stages,
    runs: Sequence[Run],
    reflection: Reflection,
    content: Content,
) -> Generated | str:
    """Return what the language model proposes, or why the reflector has to do without it."""
    stages.begin("ask the model")
    try:
        generated = llm_generator.generate(run, runs, reflection, content)
    except (gateway.NoModel, gateway.ModelUnavailable, gateway.AnswerRefused) as error:
        stages.end(drafts=0)
        return f"No language model could be asked ({error.detail}): the reflector proposed instead."
    leases.write(run, prompts=generated.report.get("prompts", []))
    stages.end(drafts=len(generated.drafts))
    return generated


def _maintain(run: EvolutionRun, author: Actor, stages: _Stages) -> list[Delta]:
    """Count the uses of bullets, and offer what is stale, harmful or said twice for a decision."""
    stages.begin("look after the playbook")
    counters.update_counters(run.agent)
    content = head(run.agent.playbook).content
    found = maintenance.look_after(run.agent, content)
    offered = [_propose(run, author, draft) for draft in found.drafts]
    stages.end(offered=len(offered), left_for_later=sum(found.left.values()))
    return offered


def _scripted(run: EvolutionRun, stages: _Stages) -> tuple[list[Draft], dict[str, Any]]:
    stages.begin("read script")
    top = ExecutionTrace.objects.filter(agent=run.agent).aggregate(top=Max("id"))["top"] or 0
    leases.write(run, watermark=top)
    drafts = delta_generator.from_script(run.script or [])
    stages.end(drafts=len(drafts))
    note = "The deltas came from a file, not from evidence."
    return drafts, {"notes": [note], "generator": Generator.SCRIPTED}


def _bring(
    run: EvolutionRun, author: Actor, drafts: list[Draft]
) -> tuple[list[Delta], list[Delta]]:
    """Propose what is new, at most as many as may be, and renew what waits with new evidence."""
    known = () if run.dry_run else reflector.waiting_deltas(run.agent)
    waiting = {canonical(delta.operations): delta for delta in known}
    change = {draft.key: canonical([*(draft.operations or ())]) for draft in drafts}
    safety = _safety(run)
    renewed = [
        playbooks.renew_delta(
            delta=waiting[change[draft.key]],
            confidence=draft.confidence,
            reasoning=draft.reasoning,
            evidence=draft.evidence,
            run_id=run.pk,
            may_apply=_may_apply(draft),
            safety=safety,
        )
        for draft in drafts
        if change[draft.key] in waiting
    ]
    fresh = [draft for draft in drafts if change[draft.key] not in waiting]
    if run.script is None:
        fresh = fresh[: int(setting(run.agent, "ACE_MAX_DELTAS_PER_EVOLUTION"))]
    return [_propose(run, author, draft, safety) for draft in fresh], renewed


def _safety(run: EvolutionRun) -> SafetyContext:
    """Return what the judges of safety may know: the agent's tools, and what a model was shown."""
    shown = run.report.get("shown", {}).values()
    extracts = selectors.extracts(run.agent, set(shown), SHOWN_CHARS) if shown else {}
    return SafetyContext(
        known_tools=frozenset(run.report.get("tools", ())),
        names=tuple(run.agent.private_names),
        trace_texts=[text for extract in extracts.values() for text in extract.texts()],
    )


def _propose(
    run: EvolutionRun, author: Actor, draft: Draft, safety: SafetyContext | None = None
) -> Delta:
    outcome = playbooks.propose_delta(
        agent=run.agent,
        operations=draft.operations,
        changes=draft.changes,
        confidence=draft.confidence,
        raw_confidence=draft.raw_confidence,
        source=Source(draft.source),
        author=author,
        reasoning=draft.reasoning,
        evidence=draft.evidence,
        # A run that is carried out a second time finds what it proposed the first time.
        client_delta_id=f"run-{run.pk}-{draft.key}",
        run_id=run.pk,
        model=draft.model,
        may_apply=_may_apply(draft),
        record_only=run.dry_run,
        safety=safety,
    )
    return outcome.delta
