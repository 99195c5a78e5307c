"""Proposing a delta: one path for whoever brings a change (architecture.md)."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from django.db import transaction
from django.utils import timezone

from ace_project.core.errors import (
    Conflict,
    Forbidden,
    InvalidInput,
    NotFound,
    PreconditionFailed,
)
from playbooks import operations as rules
from playbooks import selectors, similarity
from playbooks.actors import Actor, ActorKind
from playbooks.content import Content, ContentError
from playbooks.judges import JudgeInput, SafetyContext, Verdict, judge_delta
from playbooks.judges.council import asked_of, council_reasons, is_models_word, is_waiting, waiting
from playbooks.judges.safety import examine
from playbooks.models import OPEN, Agent, Delta, DeltaStatus, Mode, Playbook, Source
from playbooks.services.approvals import withdraw
from playbooks.services.citing import renewed
from playbooks.services.decisions import (
    audit_delta,
    author_of,
    close,
    decide_again,
    decide_now,
    decision_of,
)
from playbooks.services.publish import locked_playbook
from playbooks.signals import delta_proposed, delta_renewed

# A generator repeats itself; agents and operators mean what they send.
FOLDING = (Source.STATISTICAL, Source.LLM, Source.TRAINING)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of a proposal: the delta as stored, and the live version after it."""

    delta: Delta
    version: int
    repeated: bool = False

    @property
    def applied(self) -> bool:
        """Return whether the delta's change is live."""
        return self.delta.status == DeltaStatus.APPLIED


@transaction.atomic
def propose_delta(
    *,
    agent: Agent,
    operations: Sequence[dict[str, Any]] | None = None,
    changes: dict[str, Any] | None = None,
    confidence: float,
    source: Source,
    author: Actor,
    reasoning: str = "",
    evidence: dict[str, Any] | None = None,
    verdicts: Iterable[Verdict] = (),
    client_delta_id: str | None = None,
    base_version: int | None = None,
    if_match: str | None = None,
    raw_confidence: float | None = None,
    run_id: int | None = None,
    model: str = "",
    may_apply: bool = True,
    record_only: bool = False,
    safety: SafetyContext | None = None,
    replaces: UUID | None = None,
) -> Outcome:
    """Judge a change, keep every verdict, and apply or queue it by the agent's mode.

    `may_apply=False` leaves it to a person; `record_only` decides as `dry_run`; `replaces` ends an
    open delta of the same author. Raises InvalidInput, NotFound, PreconditionFailed (`if_match`).
    """
    safety = _examined(operations, safety)
    playbook = locked_playbook(agent.playbook.pk)
    if earlier := _earlier(playbook, client_delta_id):
        return earlier
    _check_preconditions(playbook, confidence, if_match)
    delta = Delta(
        playbook=playbook,
        client_delta_id=client_delta_id,
        base_version=base_version or playbook.version,
        confidence=confidence,
        raw_confidence=confidence if raw_confidence is None else raw_confidence,
        reasoning=reasoning,
        evidence=evidence or {},
        source=source,
        author=str(author),
        run_id=run_id,
        model=model,
        may_apply=may_apply and replaces is None,
        replaces=replaces,
    )
    delta.operations = _read_operations(_base(delta), operations, changes)
    mode = Mode.DRY_RUN if record_only else Mode(playbook.agent.mode)
    return _bring_in(delta, mode, [v.to_json() for v in verdicts], safety)


def _end_replaced(delta: Delta) -> None:
    """End what a delta replaces, unless a judge refused the delta; it waits for a person.

    A person has the first in hand, so no judge's pass takes the second from them.
    """
    by = author_of(delta)
    before = _taken_back(delta.playbook, delta.replaces, by)
    if before is not None and delta.status in OPEN:
        close(before, DeltaStatus.REJECTED, by, f"replaced by delta {delta.pk}", timezone.now())


def _taken_back(playbook: Playbook, replaces: UUID | None, author: Actor) -> Delta | None:
    """Return the delta that another of the same author takes the place of, locked.

    Raises NotFound where the playbook has none of that name, Forbidden for somebody else's,
    Conflict for one that is decided.
    """
    if replaces is None:
        return None
    found = playbook.deltas.select_for_update().filter(delta_id=replaces).first()
    if found is None:
        raise NotFound(f"there is no delta {replaces}")
    if found.author != str(author):
        raise Forbidden("only its author replaces a delta")
    if found.status not in OPEN:
        raise Conflict(f"delta {found.pk} is decided already: propose a new one")
    found.playbook = playbook
    return found


def preview_delta(
    *,
    agent: Agent,
    operations: Sequence[dict[str, Any]],
    confidence: float,
    source: Source,
    author: Actor,
    base_version: int,
    reasoning: str = "",
    evidence: dict[str, Any] | None = None,
) -> Delta:
    """Judge a change as `propose_delta` would, and keep nothing: the delta is not stored.

    Raises InvalidInput for malformed operations, NotFound for a base version that never was.
    """
    delta = Delta(
        playbook=agent.playbook,
        base_version=base_version,
        confidence=confidence,
        raw_confidence=confidence,
        reasoning=reasoning,
        evidence=evidence or {},
        source=source,
        author=str(author),
        may_apply=False,
    )
    delta.operations = _read_operations(_base(delta), operations, None)
    _judge(delta, (), Mode(agent.mode), _examined(operations, None))
    return delta


def _bring_in(
    delta: Delta, mode: Mode, others: Iterable[dict[str, Any]], safety: SafetyContext | None
) -> Outcome:
    """Judge, keep and decide a new delta of a locked playbook, and tell the apps above of it."""
    playbook = delta.playbook
    delta.created_at, delta.status = timezone.now(), DeltaStatus.PENDING_REVIEW
    _judge(delta, others, mode, safety)
    delta.save(force_insert=True)
    decide_now(delta, playbook, mode, now=delta.created_at, news="delta_proposed")
    _end_replaced(delta)
    delta_proposed.send(sender=Delta, delta=delta)
    return _after_council(delta, playbook)


def _after_council(delta: Delta, playbook: Playbook) -> Outcome:
    """Return what became of a delta; who heard of it may have decided it meanwhile."""
    if asked_of(delta.verdicts) is not None:
        delta = selectors.deltas_for_lists().get(pk=delta.pk)
        playbook = delta.playbook
    return Outcome(delta, playbook.version)


def _earlier(playbook: Playbook, client_delta_id: str | None) -> Outcome | None:
    """Return what became of the delta that the client gave this name before."""
    if client_delta_id is None:
        return None
    found = playbook.deltas.filter(client_delta_id=client_delta_id).first()
    if found is None:
        return None
    return Outcome(found, found.applied_version or playbook.version, repeated=True)


def _base(delta: Delta) -> Content:
    return selectors.snapshot(delta.playbook.pk, delta.base_version).content


def _examined(
    operations: Sequence[dict[str, Any]] | None, safety: SafetyContext | None
) -> SafetyContext | None:
    # Reading the texts closely takes longest, so it comes before the lock.
    try:
        return examine(rules.parse_operations(operations or []), safety)
    except rules.OperationError:
        return safety  # Reported once the playbook is locked.


def _judge(
    delta: Delta,
    others: Iterable[dict[str, Any]],
    mode: Mode,
    safety: SafetyContext | None = None,
) -> None:
    """Fold a generator's near-duplicates, note what the rest saw, and keep every verdict on it.

    What is the council's waits for it, unless the decision is clear without.
    """
    head = selectors.head(delta.playbook).content
    notes: list[dict[str, Any]] = []
    if delta.source in FOLDING:
        delta.operations, notes = similarity.fold(delta.operations, head)
    delta.expectations = rules.expectations(_base(delta), delta.operations)
    own = judge_delta(_judge_input(delta, head, delta.playbook.agent, safety))
    delta.verdicts = [*(v.to_json() for v in [*own, *_fold_verdicts(notes)]), *others]
    if delta.operations and decision_of(delta, mode) in ("apply", "pending_review"):
        reasons = council_reasons(delta.operations, head, delta.source, delta.evidence)
        if reasons:
            delta.verdicts.append(waiting(_listed(reasons), reasons).to_json())


def _listed(reasons: Sequence[str]) -> str:
    return "it " + ", ".join(reasons[:-1]) + (" and " if reasons[1:] else "") + reasons[-1]


@transaction.atomic
def add_verdicts(*, delta: Delta, verdicts: Sequence[Verdict]) -> Outcome:
    """Add what judges outside this app found, and decide again if nobody decided meanwhile.

    They take the place of the sign that the council is waited for; to wait on, add a new one.
    """
    playbook = locked_playbook(delta.playbook_id)
    delta = playbook.deltas.select_for_update().get(pk=delta.pk)
    heard = [v for v in delta.verdicts if not is_waiting(v)]
    delta.verdicts = [*heard, *(v.to_json() for v in verdicts)]
    delta.save(update_fields=["verdicts"])
    decide_again(delta, playbook, timezone.now())
    return Outcome(delta, playbook.version)


@transaction.atomic
def renew_delta(
    *,
    delta: Delta,
    confidence: float,
    reasoning: str,
    evidence: dict[str, Any],
    run_id: int,
    may_apply: bool,
    safety: SafetyContext | None = None,
) -> Delta:
    """Give a delta that still waits newer evidence for the same change, and decide again.

    `safety` is what the safety judges may know by now. A delta that somebody decided meanwhile is
    returned as it is.
    """
    safety = _examined(delta.operations, safety)
    playbook = locked_playbook(delta.playbook_id)
    delta = playbook.deltas.select_for_update().get(pk=delta.pk)
    if delta.status != DeltaStatus.PENDING_REVIEW:
        return delta
    delta.confidence = delta.raw_confidence = confidence
    delta.evidence = renewed(delta.evidence, evidence)
    delta.reasoning, delta.run_id = reasoning, run_id
    # Who named traces for it wants it decided by a person.
    delta.playbook, delta.may_apply = playbook, may_apply and "by_hand" not in delta.evidence
    mode = Mode(playbook.agent.mode)
    # A model spoke of the same change; it is not asked again because the evidence grew.
    approved = delta.operations
    _judge(delta, [v for v in delta.verdicts if is_models_word(v)], mode, safety)
    delta.save(
        update_fields=[
            "confidence",
            "raw_confidence",
            "reasoning",
            "evidence",
            "run_id",
            "may_apply",
            "operations",
            "expectations",
            "verdicts",
        ]
    )
    if delta.operations != approved:
        withdraw(delta)
    now = timezone.now()
    audit_delta(delta, playbook, "delta_renewed", Actor(ActorKind.RUN, str(run_id)), now)
    decide_now(delta, playbook, mode, now=now)
    delta_renewed.send(sender=Delta, delta=delta)
    return _after_council(delta, playbook).delta


def _check_preconditions(playbook: Playbook, confidence: float, if_match: str | None) -> None:
    if not 0 <= confidence <= 1:
        message = "a number from 0 to 1"
        raise InvalidInput(
            "confidence is not valid", [{"pointer": "/confidence", "message": message}]
        )
    etag = selectors.pointer(playbook).etag
    if if_match is not None and if_match.strip() not in ("*", etag):
        raise PreconditionFailed(
            f"the live version is {playbook.version}", version=playbook.version, etag=etag
        )


def _read_operations(
    base: Content, operations: Sequence[dict[str, Any]] | None, changes: dict[str, Any] | None
) -> list[dict[str, Any]]:
    if (operations is None) == (changes is None):
        raise InvalidInput(
            "send either changes or operations",
            [{"pointer": "", "message": "exactly one of changes and operations is needed"}],
        )
    try:
        if operations is not None:
            return rules.parse_operations(operations)
        return rules.changes_to_operations(base, changes)
    except rules.OperationError as error:
        prefix = "/operations" if operations is not None else "/changes"
        found = [{**e, "pointer": prefix + e["pointer"]} for e in error.errors]
        raise InvalidInput("the change is not well-formed", found) from error
    except ContentError as error:
        raise InvalidInput(
            "the change holds a value that cannot be kept",
            [{"pointer": "/changes" + error.pointer, "message": error.message}],
        ) from error


def _judge_input(
    delta: Delta, head: Content, agent: Agent, safety: SafetyContext | None
) -> JudgeInput:
    return JudgeInput(
        content=head,
        operations=delta.operations,
        expectations=delta.expectations,
        confidence=delta.confidence,
        threshold=float(selectors.setting(agent, "ACE_CONFIDENCE_THRESHOLD")),
        source=delta.source,
        reasoning=delta.reasoning,
        evidence=delta.evidence,
        safety=safety or SafetyContext(),
    )


def _fold_verdicts(notes: list[dict[str, Any]]) -> list[Verdict]:
    return [
        Verdict(
            "duplication",
            "warn",
            f"says what {note['bullet_id']} already says ({note['score']:.2f} alike): folded",
            note,
        )
        for note in notes
    ]
