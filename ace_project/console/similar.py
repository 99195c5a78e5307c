"""Decisions on deltas like this one, and how they turned out."""

from dataclasses import dataclass

from rapidfuzz import fuzz, process

from ace_project.console.evidence import read_evidence
from ace_project.console.proposal import headline
from evolution.figures import success_by_version
from evolution.intervals import Difference, Share, newcombe
from playbooks.models import DECIDED, Delta, DeltaStatus

BY_SOMEBODY = (DeltaStatus.APPLIED, DeltaStatus.UNDONE, DeltaStatus.REJECTED)
# The newest decisions of the agent that are compared, and how alike one has to be (0 to 100).
LOOKED_AT = 200
ALIKE = 55
SHOWN = 3


@dataclass(frozen=True, slots=True)
class Past:
    """One past decision; `measured` is None where too few traces name the versions."""

    delta: Delta
    title: str
    predicted: float | None
    measured: Difference | None
    runs: int


def similar_decisions(delta: Delta) -> list[Past]:
    """Return the agent's decided deltas that read most like this one, the closest first."""
    # A range and the order by playbook make PostgreSQL walk that playbook's own index: with "=" it
    # takes that of all decided deltas, and reads them all for a playbook that has few.
    number = delta.playbook_id
    own = Delta.objects.filter(playbook_id__gte=number, playbook_id__lte=number)
    rows = own.filter(status__in=DECIDED).filter(status__in=BY_SOMEBODY)
    # What is compared is the change alone; the rest of two hundred rows is large.
    narrow = rows.only("operations", "expectations")
    past = list(narrow.exclude(pk=delta.pk).order_by("playbook_id", "-id")[:LOOKED_AT])
    titles = [headline(row) for row in past]
    close = process.extract(
        headline(delta), titles, scorer=fuzz.token_sort_ratio, score_cutoff=ALIKE, limit=SHOWN
    )
    if not close:
        return []
    shares = success_by_version(delta.playbook.agent)
    whole = Delta.objects.in_bulk([past[index].pk for _, _, index in close])
    return [_past(whole[past[index].pk], title, shares) for title, _, index in close]


def _past(delta: Delta, title: str, shares: dict[int, Share]) -> Past:
    after = delta.applied_version or 0
    now, before = shares.get(after, Share()), shares.get(after - 1, Share())
    return Past(
        delta=delta,
        title=title,
        predicted=read_evidence(delta.evidence).lift,
        measured=newcombe(now, before) if after else None,
        runs=now.runs,
    )
