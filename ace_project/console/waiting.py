"""The queue of deltas: which are shown, in which order, and which stand next to one."""

from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import Count, Q, QuerySet
from django.http import QueryDict

from playbooks.models import Agent, Delta, DeltaStatus, Source
from playbooks.selectors import deltas_for_lists

# What waits for a reviewer; changes_requested waits for its author.
WAITING = (DeltaStatus.PENDING_REVIEW, DeltaStatus.CONFLICT)
TABS = {
    "": ("Waiting", WAITING),
    "conflict": ("In conflict", (DeltaStatus.CONFLICT,)),
    "changes_requested": ("Changes requested", (DeltaStatus.CHANGES_REQUESTED,)),
    "decided": (
        "Decided",
        tuple(s for s in DeltaStatus if s not in (*WAITING, DeltaStatus.CHANGES_REQUESTED)),
    ),
}
_BLOCKED = Q(verdicts__contains=[{"outcome": "block"}])
_WARNED = Q(verdicts__contains=[{"outcome": "warn"}])
RISKS = {
    "clear": ("Passed every judge", ~_BLOCKED & ~_WARNED),
    "warn": ("With a warning", _WARNED & ~_BLOCKED),
    "block": ("Held by a judge", _BLOCKED),
}
KINDS = {"no": ("Real agents", False), "yes": ("Simulated", True)}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of a queue chooses; every field is the empty string for no choice."""

    status: str = ""
    agent: str = ""
    source: str = ""
    risk: str = ""
    simulated: str = ""

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the tab was chosen."""
        return bool(self.agent or self.source or self.risk or self.simulated)

    def query(self, **changed: str) -> str:
        """Return the address' query of these filters, `?...` or empty, with some changed."""
        values = {name: getattr(self, name) for name in self.__slots__} | changed
        chosen = urlencode({name: value for name, value in values.items() if value})
        return f"?{chosen}" if chosen else ""

    def select(self) -> QuerySet[Delta]:
        """Return the deltas chosen, ready for a list."""
        rows = deltas_for_lists().filter(status__in=TABS[self.status][1])
        if self.agent:
            rows = rows.filter(playbook__agent__agent_id=self.agent)
        if self.source:
            rows = rows.filter(source=self.source)
        if self.risk:
            rows = rows.filter(RISKS[self.risk][1])
        if self.simulated:
            rows = rows.filter(playbook__agent__simulated=KINDS[self.simulated][1])
        return rows


def read_filters(query: QueryDict) -> Filters:
    """Return the filters of an address; raises BadRequest for a choice that does not exist."""
    known: dict[str, Any] = {
        "status": TABS,
        "source": Source.values,
        "risk": RISKS,
        "simulated": KINDS,
    }
    values = {name: query.get(name, "") for name in Filters.__slots__}
    for name, choices in known.items():
        if values[name] and values[name] not in choices:
            raise BadRequest(f"{name} has no such choice")
    if "\x00" in values["agent"]:
        raise BadRequest("agent is not a name")
    return Filters(**values)


def neighbours(filters: Filters, pk: int) -> tuple[int | None, int | None]:
    """Return the deltas before and after one in the queue that the filters choose."""
    rows = filters.select()
    newer = rows.filter(pk__gt=pk).order_by("pk").values_list("pk", flat=True).first()
    older = rows.filter(pk__lt=pk).order_by("-pk").values_list("pk", flat=True).first()
    return newer, older


def counts() -> dict[str, int]:
    """Return how many deltas stand under each tab."""
    held = dict(Delta.objects.order_by().values_list("status").annotate(Count("pk")))
    return {tab: sum(held.get(s, 0) for s in statuses) for tab, (_, statuses) in TABS.items()}


def agents_with_deltas(statuses: tuple[DeltaStatus, ...]) -> list[str]:
    """Return the agents that have deltas of these statuses, by name."""
    rows = Agent.objects.filter(playbook__deltas__status__in=statuses)
    return list(rows.distinct().order_by("agent_id").values_list("agent_id", flat=True)[:200])
