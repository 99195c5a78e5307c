"""The council: hears of deltas that wait for it, deliberates by rules at once, by a model later."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import F
from django.db.utils import InterfaceError, OperationalError
from django.dispatch import receiver
from django.utils.crypto import salted_hmac

from ace_project.core.errors import AceError
from ace_project.core.work import leases, nudge
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution import hearing, pauses
from evolution.changes import Change, changes
from evolution.constitution import DEFAULT, Constitution, constitution_of
from evolution.llm import gateway
from evolution.llm.question import Question
from evolution.mandates import Cited, Matter, Standing, deliberate
from evolution.models import Deliberation, EvolutionRun, ExecutionTrace
from evolution.prompts import template
from evolution.quoting import Quoter
from playbooks import operations as rules
from playbooks import services as playbooks
from playbooks.content import Content, bullets
from playbooks.judges import Verdict
from playbooks.judges.council import (
    COUNCIL_MODEL,
    MANDATES,
    asked_of,
    citations,
    is_free_text,
    is_waiting,
    unagreed,
    waiting,
)
from playbooks.judges.evidence import TRUSTED_ORIGINS
from playbooks.models import Agent, Delta, DeltaStatus
from playbooks.redaction import Redactor
from playbooks.selectors import head
from playbooks.signals import delta_proposed, delta_renewed

logger = logging.getLogger(__name__)

# Citations looked up; more say no more.
MAX_CITED = 1000
MAX_ANSWER_TOKENS = 1200
MAX_WHY = 300
MAX_REPEATED = 4000  # characters of an unusable answer, sent back with its fault
LOOK_SECONDS = 0.2  # between two looks at what a worker has in hand


# ---- the rules, at once ----
@receiver([delta_proposed, delta_renewed])
def hear(delta: Delta, **_: Any) -> None:
    """Deliberate on a delta that waits for the council, in the transaction that brought it.

    With a model configured it waits on for the model's word, unless that could change nothing:
    a veto, or another judge's block, leaves it to a person anyway. So does a model's free text
    that no model is asked about.
    """
    asked = asked_of(delta.verdicts)
    if asked is None:
        return
    matter = matter_of(delta)
    verdicts = [replace(v, data={**v.data, "asked": asked}) for v in deliberate(matter)]
    held = [v for v in delta.verdicts if v["outcome"] == "block" and not is_waiting(v)]
    vetoed = any(verdict.outcome == "block" for verdict in verdicts)
    if not (held or vetoed) and gateway.is_configured() and _asks_model(delta):
        verdicts.append(waiting("a model has yet to speak", asked))
    elif is_free_text(delta.source, delta.evidence):
        verdicts.append(unagreed())
    playbooks.add_verdicts(delta=delta, verdicts=verdicts)


def _asks_model(delta: Delta) -> bool:
    """Let a worker ask a model about a delta, once; False where one was asked before."""
    if delta.status != DeltaStatus.PENDING_REVIEW:
        return False
    job, created = Deliberation.objects.get_or_create(delta=delta)
    if created:
        nudge.nudge(job)
    return job.status in ACTIVE


def matter_of(delta: Delta) -> Matter:
    """Return what the judges look at: the change against the live playbook."""
    live = head(delta.playbook).content
    return Matter(
        changes=changes(delta.operations, delta.expectations),
        staying=_staying(delta, live),
        constitution=_constitution(delta.playbook.agent),
        source=delta.source,
        evidence=delta.evidence,
        cited=_cited(delta),
    )


def _constitution(agent: Agent) -> Constitution:
    kind = agent.metadata.get("kind") if isinstance(agent.metadata, dict) else None
    return constitution_of(kind if isinstance(kind, str) else DEFAULT)


def _staying(delta: Delta, live: Content) -> list[Standing]:
    fitting = rules.rebase(delta.expectations, delta.operations, live).ok
    before = {bullet.bullet_id for bullet in bullets(live)}
    after = bullets(rules.apply(live, fitting).content)
    return [Standing(b.section, b.text) for b in after if b.bullet_id in before]


def _cited(delta: Delta) -> Cited:
    names = citations(delta.evidence, "for", "against")[:MAX_CITED]
    if not names:
        return Cited()
    traces = ExecutionTrace.objects.filter(agent=delta.playbook.agent, trace_id__in=names)
    rows = list(traces.values_list("trace_id", "task_group", "task_id", "origin"))
    return Cited(
        named=len(names),
        found=len(rows),
        tasks=len({group or task or name for name, group, task, _ in rows}),
        trusted=sum(origin in TRUSTED_ORIGINS for *_, origin in rows),
    )


# ---- a model, in a worker ----
def hear_now(run: EvolutionRun, progress: Callable[[str], None]) -> None:
    """Have a model asked at once about what a run brought, so that what can be decided is.

    Nobody comes back later: who does not answer now is not heard. What a worker has in hand is
    waited for, and what a pause holds back waits on.
    """
    ours = Deliberation.objects.filter(delta__run_id=run.pk, status__in=ACTIVE).order_by("pk")
    told = False
    while (job := ours.first()) and not pauses.is_paused(run.agent):
        if not told:
            progress("ask the council")
            told = True
        claimed = leases.claim(Deliberation, job.pk)
        if claimed is None:
            time.sleep(LOOK_SECONDS)
            continue
        try:
            with leases.heartbeat(claimed):
                carry_out(claimed, is_last_try=True)
        except leases.LeaseLost as lost:
            logger.info("%s", lost)


def carry_out(job: Deliberation, *, is_last_try: bool = False) -> None:
    """Ask a model about a claimed delta and add its verdicts; raises LeaseLost if taken over.

    A model's veto blocks, its pass lifts no veto of the rules. Where no model answers, the rules'
    verdicts stand, and a doubt of theirs leaves the delta to a person. A model's free text needs
    four times "pass".
    """
    delta = Delta.objects.select_related("playbook__agent").get(pk=job.delta_id)
    if delta.status != DeltaStatus.PENDING_REVIEW or asked_of(delta.verdicts) is None:
        leases.finish(job, JobStatus.COMPLETED, reason="decided_meanwhile")
        return
    try:
        _conclude(job, delta, _ask(job, delta), reason="answered")
    except (OperationalError, InterfaceError, leases.LeaseLost):
        # Not this job's fault: its lease runs out and whoever claims it next goes on.
        raise
    except (AceError, hearing.AnswerInvalid) as error:
        if _may_pass(error) and job.attempts < leases.MAX_TRIES and not is_last_try:
            leases.retry_later(job, _why(error))
        else:
            _conclude(job, delta, [_unheard(delta, _why(error))], reason="no_model")
    except Exception as error:  # noqa: BLE001 - the worker's edge: recorded with the row it failed
        logger.exception("deliberation %s failed", job.pk)
        why = f"{type(error).__name__}: {error}"
        verdicts = [_unheard(delta, "of an internal error", left_to_person=True)]
        _conclude(job, delta, verdicts, JobStatus.FAILED, reason="internal_error", error=why)


def _may_pass(error: Exception) -> bool:
    """Tell whether a later try may succeed: a refused question is refused again."""
    unavailable = isinstance(error, gateway.ModelUnavailable)
    return unavailable and not isinstance(error, gateway.AnswerRefused)


def _why(error: Exception) -> str:
    """Return why no model was heard; an endpoint's own words may repeat a key."""
    if isinstance(error, hearing.AnswerInvalid):
        return f"it answered twice what cannot be used ({error})"
    detail = error.detail if isinstance(error, AceError) else str(error)
    return Redactor().redact(detail)[:MAX_WHY]


@transaction.atomic
def _conclude(
    job: Deliberation,
    delta: Delta,
    verdicts: Sequence[Verdict],
    status: JobStatus = JobStatus.COMPLETED,
    **fields: str,
) -> None:
    """Add the verdicts and end the job together: a second worker adds nothing twice."""
    agreed = all(verdict.outcome == "pass" for verdict in verdicts)
    if is_free_text(delta.source, delta.evidence) and not agreed:
        verdicts = [*verdicts, unagreed()]
    outcome = playbooks.add_verdicts(delta=delta, verdicts=verdicts)
    if outcome.applied:
        # A run that is still under way counts what was applied when it ends.
        ended = EvolutionRun.objects.filter(pk=delta.run_id or 0).exclude(status__in=ACTIVE)
        ended.update(deltas_applied=F("deltas_applied") + 1)
    leases.finish(job, status, **fields)


def _ask(job: Deliberation, delta: Delta) -> list[Verdict]:
    """Return a model's four verdicts; raises what `gateway.ask` raises, and AnswerInvalid.

    HandedBack is raised where evolution was paused before a call.
    """
    agent = delta.playbook.agent
    nonce = salted_hmac("evolution.council", str(delta.delta_id)).hexdigest()[:16]
    quoter = Quoter(nonce, Redactor(names=agent.private_names))
    told, used = hearing.messages(_brief(delta), quoter)
    run = EvolutionRun.objects.filter(pk=delta.run_id or 0, agent=agent).first()
    pauses.stop_if_paused(job)
    answer = gateway.ask(_question(told), run=run, agent=agent)
    try:
        verdicts = hearing.read(answer.value, quoter)
    except hearing.AnswerInvalid as fault:
        said = quoter.text(answer.text, MAX_REPEATED) or "(nothing)"
        told += [
            {"role": "assistant", "content": said},
            {"role": "user", "content": template("council_repair").fill(errors=str(fault))},
        ]
        pauses.stop_if_paused(job)
        answer = gateway.ask(_question(told), run=run, agent=agent)
        verdicts = hearing.read(answer.value, quoter)
    more = {"model": answer.model, "call": str(answer.call.pk), "prompt": used.to_json()}
    return [replace(verdict, data={**verdict.data, **more}) for verdict in verdicts]


def _question(told: list[dict[str, str]]) -> Question:
    return Question(
        messages=told,
        schema={"name": "verdicts", "schema": hearing.answer_schema()},
        purpose="council",
        max_tokens=min(MAX_ANSWER_TOKENS, settings.ACE_MAX_TOKENS_PER_REQUEST),
    )


def _brief(delta: Delta) -> hearing.Brief:
    matter = matter_of(delta)
    concerned: list[Change] = list(matter.changes)
    return hearing.Brief(
        changes=concerned,
        staying=matter.staying,
        constitution=matter.constitution,
        source=delta.source,
        evidence=delta.evidence,
        heard=_by_rules(delta),
        asked=asked_of(delta.verdicts) or [],
    )


def _by_rules(delta: Delta) -> list[dict[str, Any]]:
    return [v for v in delta.verdicts if v["judge"] in MANDATES and v["data"].get("by") == "rules"]


def _unheard(delta: Delta, why: str, *, left_to_person: bool = False) -> Verdict:
    """Return the verdict that says why no model spoke, and what follows from that."""
    left_to_person = left_to_person or is_free_text(delta.source, delta.evidence)
    doubtful = [v["judge"] for v in _by_rules(delta) if v["outcome"] not in ("pass", "abstain")]
    data = {"by": "model"}
    if left_to_person or doubtful:
        doubt = f", and {', '.join(doubtful)} had doubts" if doubtful else ""
        reason = f"no model was heard, because {why}{doubt}: a person decides"
        return Verdict(COUNCIL_MODEL, "block", reason, data)
    reason = f"no model was heard, because {why}: the verdicts of the rules stand"
    return Verdict(COUNCIL_MODEL, "abstain", reason, data)
