"""The queue of deltas: which are shown, in which order, and which stand next to one."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from django.core.exceptions import BadRequest
from django.db.models import Count, Exists, OuterRef, QuerySet
from django.http import QueryDict
from django.urls import reverse

from ace_project.console import orders
from ace_project.console.orders import BY_AGE, ORDERS, Order
from ace_project.console.proposal import sections_of
from playbooks.models import (
    DECIDED,
    OPEN,
    WAITING,
    Agent,
    Delta,
    DeltaStatus,
    Playbook,
    Review,
    Risk,
    Source,
)
from playbooks.selectors import deltas_for_lists
from playbooks.services import guarded_names

TABS = {
    "": ("Waiting", WAITING),
    "conflict": ("In conflict", (DeltaStatus.CONFLICT,)),
    "changes_requested": ("Changes requested", (DeltaStatus.CHANGES_REQUESTED,)),
    "decided": ("Decided", DECIDED),
}
# The tabs whose deltas can still be decided.
TO_DECIDE = ("", "conflict", "changes_requested")
RISKS = {
    Risk.CLEAR.value: "Passed every judge",
    Risk.WARN.value: "With a warning",
    Risk.BLOCK.value: "Held by a judge",
}
# Up to here deltas are counted; beyond it a count says "1,000+" and costs no more.
COUNTED_TO = 1000
KINDS = {"no": ("Real agents", False), "yes": ("Simulated", True)}


@dataclass(frozen=True, slots=True)
class Filters:
    """What the address of a queue chooses; every field is the empty string for no choice."""

    status: str = ""
    agent: str = ""
    source: str = ""
    risk: str = ""
    simulated: str = ""
    sort: str = ""

    @property
    def order(self) -> Order:
        """The order chosen."""
        return orders_of(self.status)[self.sort]

    @property
    def is_narrowed(self) -> bool:
        """Whether anything but the tab was chosen."""
        return bool(self.agent or self.source or self.risk or self.simulated)

    def on(self, tab: str) -> "Filters":
        """Return the same choices on another tab, in its usual order where it has not this one."""
        return replace(self, status=tab, sort=self.sort if self.sort in orders_of(tab) else "")

    def query(self, **changed: str) -> str:
        """Return the address' query of these filters, `?...` or empty, with some changed."""
        values = {name: getattr(self, name) for name in self.__slots__} | changed
        chosen = urlencode({name: value for name, value in values.items() if value})
        return f"?{chosen}" if chosen else ""

    def address(self) -> str:
        """Return the address of the queue with these filters."""
        return reverse("console:review") + self.query()

    def select(self) -> QuerySet[Delta]:
        """Return the deltas chosen, ready for a list."""
        rows = deltas_for_lists().filter(status__in=TABS[self.status][1])
        if self.agent:
            # The key alone lets an index of the queue give the rows in their order.
            playbook = Playbook.objects.filter(agent__agent_id=self.agent).values_list("pk")
            rows = rows.filter(playbook_id=next(iter(playbook), (0,))[0])
        if self.source:
            rows = rows.filter(source=self.source)
        if self.risk:
            rows = rows.filter(risk=self.risk)
        if self.simulated:
            rows = rows.filter(playbook__agent__simulated=KINDS[self.simulated][1])
        return rows


def read_filters(query: QueryDict) -> Filters:
    """Return the filters of an address; raises BadRequest for a choice that does not exist."""
    status = query.get("status", "")
    known: dict[str, Any] = {
        "status": TABS,
        "source": Source.values,
        "risk": RISKS,
        "simulated": KINDS,
        "sort": orders_of(status),
    }
    values = {name: query.get(name, "") for name in Filters.__slots__}
    for name, choices in known.items():
        if values[name] and values[name] not in choices:
            raise BadRequest(f"{name} has no such choice")
    if "\x00" in values["agent"]:
        raise BadRequest("agent is not a name")
    return Filters(**values)


def orders_of(tab: str) -> dict[str, Order]:
    """Return the orders of a tab; those of what does not wait for a reviewer are by age alone."""
    return ORDERS if tab in ("", "conflict") else BY_AGE


def neighbours(filters: Filters, delta: Delta) -> tuple[int | None, int | None]:
    """Return the deltas before and after one in the queue that the filters choose."""
    return orders.neighbours(filters.select(), filters.order, delta)


@dataclass(frozen=True, slots=True)
class Counted:
    """How many deltas there are, counted up to a bound; as a text, `7` or `1,000+`."""

    number: int
    more: bool = False

    def __str__(self) -> str:
        return f"{self.number:,}{'+' if self.more else ''}"

    def __bool__(self) -> bool:
        return self.number > 0


def count_of(statuses: tuple[DeltaStatus, ...]) -> Counted:
    """Count the deltas of these statuses, as far as is worth the reading."""
    rows = Delta.objects.filter(status__in=statuses).order_by("-pk").values("pk")
    found = rows[: COUNTED_TO + 1].count()
    return Counted(min(found, COUNTED_TO), found > COUNTED_TO)


def counts() -> dict[str, Counted]:
    """Return how many deltas stand under each tab; one query each."""
    return {tab: count_of(statuses) for tab, (_, statuses) in TABS.items()}


def agents_with_deltas(statuses: tuple[DeltaStatus, ...]) -> list[str]:
    """Return the agents that have deltas of these statuses, by name."""
    theirs = Delta.objects.filter(playbook=OuterRef("playbook"), status__in=statuses)
    rows = Agent.objects.filter(Exists(theirs.order_by("-pk")))
    return list(rows.order_by("agent_id").values_list("agent_id", flat=True)[:200])


def approvals(deltas: Sequence[Delta]) -> dict[int, int]:
    """Return how many approvals each open delta has that needs two; at most one query."""
    guarded = [
        delta.pk
        for delta in deltas
        if delta.status in OPEN and guarded_names(delta.playbook.agent, sections_of(delta))
    ]
    if not guarded:
        return {}
    given = Review.objects.filter(delta__in=guarded, stands=True).order_by().values_list("delta")
    return dict.fromkeys(guarded, 0) | dict(given.annotate(Count("pk")))
