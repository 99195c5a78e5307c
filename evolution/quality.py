"""What became of proposed deltas: the records that confidence is calibrated on, and the figures
of the quality page. Every read is bounded by the newest deltas and traces.

Deltas of simulated agents and of real ones never count together: `simulated` says which. Offers
of maintenance are no lessons, and how sure they are is likeness or want of use: none counts.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple

from django.db.models import Count, Max, Q, QuerySet
from django.db.models.functions import TruncMonth

from evolution.calibration import (
    MIN_RUNS,
    Bin,
    Record,
    outcome_of_applied,
    reliability_table,
)
from evolution.intervals import Share
from evolution.models import ExecutionTrace
from playbooks.content import canonical
from playbooks.judges.evidence import UPKEEP
from playbooks.models import OPEN, Agent, Decision, Delta, DeltaStatus, Review, Source
from playbooks.operations import describe

MAX_DELTAS = 5000
# Success by version is read from this many of the newest traces (rows) of all agents.
MAX_TRACES = 200_000
# A version nobody ran under tells nothing: look this many versions to either side.
NEARBY_VERSIONS = 5
HIGH_CONFIDENCE = 0.7
REMEMBERED = 500  # deltas of an agent that are not proposed a second time word by word
MAX_TOLD = 4  # operations of an earlier delta that a prompt tells
EDITED = 0.5  # a reviewer kept the idea and not the words

_DECIDED = (DeltaStatus.APPLIED, DeltaStatus.REJECTED, DeltaStatus.UNDONE)


class _Decided(NamedTuple):
    """What is read of a delta that has an end."""

    delta_id: Any
    agent_pk: int
    status: str
    raw: float
    confidence: float
    version: int | None


Shares = Mapping[tuple[int, int], Share]


def calibration_records(
    source: Source, model: str = "", *, simulated: bool = False
) -> list[Record]:
    """Return the stated numbers and outcomes (0 to 1) of a generator's newest decided deltas.

    With `model`, only that language model's. Four queries at most.
    """
    rows = _decided(source, model, simulated)
    return [Record(row.raw, value) for row, value in zip(rows, _outcomes(rows), strict=True)]


def reliability(
    source: Source, model: str = "", *, simulated: bool = False
) -> tuple[list[Bin], list[Bin]]:
    """Return the reliability tables of the numbers stated, and of the calibrated ones."""
    rows = _decided(source, model, simulated)
    outcomes = _outcomes(rows)
    stated = [Record(row.raw, value) for row, value in zip(rows, outcomes, strict=True)]
    stored = [Record(row.confidence, value) for row, value in zip(rows, outcomes, strict=True)]
    return reliability_table(stated), reliability_table(stored)


def models_of(source: Source, *, simulated: bool = False) -> list[str]:
    """Return the language models whose deltas are among the newest of a generator."""
    rows = _of_agents(simulated).filter(source=source)
    newest = rows.order_by("-id").values("model")[:MAX_DELTAS]
    return sorted({row["model"] for row in newest if row["model"]})


def _decided(source: Source, model: str, simulated: bool) -> list[_Decided]:
    rows = _of_agents(simulated).filter(source=source, status__in=_DECIDED)
    if model:
        rows = rows.filter(model=model)
    fields = (
        "delta_id",
        "playbook__agent_id",
        "status",
        "raw_confidence",
        "confidence",
        "applied_version",
    )
    return [_Decided(*row) for row in rows.order_by("-id").values_list(*fields)[:MAX_DELTAS]]


def _of_agents(simulated: bool) -> QuerySet[Delta]:
    rows = Delta.objects.filter(playbook__agent__simulated=simulated)
    # Of evidence without a kind, SQL would say neither that it is one of them nor that it is not.
    is_lesson = Q(evidence__kind__isnull=True) | ~Q(evidence__kind__in=UPKEEP)
    return rows.filter(~Q(source=Source.STATISTICAL) | is_lesson)


def _outcomes(rows: Sequence[_Decided]) -> list[float]:
    shares = _success({row.agent_pk for row in rows if row.status == DeltaStatus.APPLIED})
    edited = _edited() if any(row.status == DeltaStatus.REJECTED for row in rows) else set()
    return [_outcome(row, shares, edited) for row in rows]


def _outcome(row: _Decided, shares: Shares, edited: Collection[str]) -> float:
    if row.status == DeltaStatus.APPLIED:
        return outcome_of_applied(*around(shares, row.agent_pk, row.version))
    return EDITED if str(row.delta_id) in edited else 0.0


def _edited() -> set[str]:
    """Return the deltas that a reviewer reworded and approved."""
    kept = Delta.objects.filter(evidence__has_key="edited_from", status=DeltaStatus.APPLIED)
    named = kept.order_by("-id").values_list("evidence__edited_from", flat=True)[:MAX_DELTAS]
    return set(named)


def _success(agents: Collection[int]) -> dict[tuple[int, int], Share]:
    """Return success by agent (primary key) and playbook version, over the newest traces."""
    if not agents:
        return {}
    newest = ExecutionTrace.objects.aggregate(top=Max("id"))["top"] or 0
    rows = ExecutionTrace.objects.filter(
        agent_id__in=agents, id__gt=newest - MAX_TRACES, playbook_version__isnull=False
    )
    found = rows.values_list("agent_id", "playbook_version").annotate(
        wins=Count("pk", filter=Q(success=True)), runs=Count("pk")
    )
    return {(agent, version): Share(wins, runs) for agent, version, wins, runs in found}


def around(shares: Shares, agent_pk: int, version: int | None) -> tuple[Share | None, Share | None]:
    """Return success under the nearest versions before, and from, `version` with 30 runs each.

    Deltas of one run are applied as one version after another: nobody works under those between.
    """
    if version is None:
        return None, None
    before = (shares.get((agent_pk, version - n)) for n in range(1, NEARBY_VERSIONS + 1))
    after = (shares.get((agent_pk, version + n)) for n in range(NEARBY_VERSIONS))
    return _measured(before), _measured(after)


def _measured(shares: Any) -> Share | None:
    return next((share for share in shares if share and share.runs >= MIN_RUNS), None)


@dataclass(frozen=True, slots=True)
class Monthly:
    """The deltas of one generator and model in one month; dry runs do not count.

    `approved` is applied and not undone, of those decided; `high` is applied, of those with a
    confidence of 0.7 or above.
    """

    month: datetime
    source: str
    proposed: int
    approved: Share
    high: Share
    # The language model that wrote them, where one did.
    model: str = ""


def by_month(since: datetime, *, simulated: bool = False) -> list[Monthly]:
    """Return the figures of each month, generator and model since then, the newest first.

    One query.
    """
    rows = _of_agents(simulated).filter(created_at__gte=since)
    rows = rows.exclude(status=DeltaStatus.RECORDED)
    high = Q(confidence__gte=HIGH_CONFIDENCE)
    applied = Q(status=DeltaStatus.APPLIED)
    found = (
        rows.annotate(month=TruncMonth("created_at"))
        .values("month", "source", "model")
        .annotate(
            proposed=Count("pk"),
            decided=Count("pk", filter=Q(status__in=_DECIDED)),
            kept=Count("pk", filter=applied),
            confident=Count("pk", filter=high),
            shipped=Count("pk", filter=high & Q(applied_version__isnull=False)),
        )
        .order_by("-month", "source", "model")
    )
    return [
        Monthly(
            month=row["month"],
            source=row["source"],
            proposed=row["proposed"],
            approved=Share(row["kept"], row["decided"]),
            high=Share(row["shipped"], row["confident"]),
            model=row["model"],
        )
        for row in found
    ]


def applied_at_high_confidence(since: datetime, *, simulated: bool = False) -> Share:
    """Return how many deltas at a confidence of 0.7 or above were applied, of how many."""
    rows = _of_agents(simulated).filter(created_at__gte=since, confidence__gte=HIGH_CONFIDENCE)
    found = rows.exclude(status=DeltaStatus.RECORDED).aggregate(
        applied=Count("pk", filter=Q(applied_version__isnull=False)), all=Count("pk")
    )
    return Share(found["applied"], found["all"])


def earlier_deltas(agent: Agent, *, at_most: int = 30) -> list[str]:
    """Return what became of an agent's newest deltas, a sentence each: what, how, why, measured."""
    rows = Delta.objects.filter(playbook__agent=agent).exclude(status=DeltaStatus.RECORDED)
    newest = list(rows.order_by("-id").defer("evidence", "verdicts", "inverse")[:at_most])
    against = Review.objects.filter(delta__in=newest, decision__in=(Decision.REJECT, Decision.UNDO))
    reasons = dict(against.order_by("id").values_list("delta_id", "reason"))
    applied = any(row.status == DeltaStatus.APPLIED for row in newest)
    shares = _success({agent.pk}) if applied else {}
    return [_sentence(row, reasons.get(row.pk, ""), shares, agent.pk) for row in newest]


def proposed_before(agent: Agent) -> set[bytes]:
    """Return the changes (canonical operations) that wait, were rejected or undone, the newest."""
    ended = (DeltaStatus.REJECTED, DeltaStatus.UNDONE)
    rows = Delta.objects.filter(playbook__agent=agent, status__in=(*OPEN, *ended))
    newest = rows.order_by("-id").values_list("operations", flat=True)[:REMEMBERED]
    return {canonical(operations) for operations in newest}


def _sentence(delta: Delta, reason: str, shares: Shares, agent_pk: int) -> str:
    saw = delta.expectations or [None] * len(delta.operations)
    pairs = list(zip(delta.operations, saw, strict=False))[:MAX_TOLD]
    changes = "; ".join(describe([operation], [seen]) for operation, seen in pairs)
    words = f"{delta.get_status_display().lower()}: {changes}"
    if delta.status in (DeltaStatus.REJECTED, DeltaStatus.UNDONE):
        return f"{words} (reason: {reason or delta.decision_reason or 'none given'})"
    before, after = around(shares, agent_pk, delta.applied_version)
    if delta.status == DeltaStatus.APPLIED and before and after:
        return f"{words} (success {_rate(before)} before, {_rate(after)} after)"
    return words


def _rate(share: Share) -> str:
    return f"{share.value or 0:.0%} of {share.runs}"
