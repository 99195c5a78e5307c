"""Which audit events an address asks for: by chain, kind, actor, day and words."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest

from ace_project.console.asked import asked as asked_of
from playbooks import audit as chains
from playbooks.models import AuditEvent

# The system's chain has an empty name; an address needs one.
SYSTEM = "system"


@dataclass(frozen=True, slots=True)
class AuditFilters:
    """What an address asks for; empty is anything. Days are of UTC, the last one included."""

    q: str = ""
    event: str = ""
    chain: str = ""
    actor: str = ""
    since: str = ""
    until: str = ""

    def query(self) -> str:
        """Return the filters as the query of an address, empty or with its question mark."""
        asked = {name: value for name, value in asdict(self).items() if value}
        return f"?{urlencode(asked)}" if asked else ""

    def events(self) -> QuerySet[AuditEvent]:
        """Return the events that fit, in no order yet."""
        rows = AuditEvent.objects.all()
        if self.chain:
            rows = rows.filter(chain=chain_named(self.chain))
        if self.event:
            rows = rows.filter(event=self.event)
        if self.actor:
            rows = chains.by_actor(rows, self.actor)
        if self.q:
            rows = chains.with_words(rows, self.q)
        return chains.between(rows, _start_of(self.since, 0), _start_of(self.until, 1))

    def fields(self, names: Sequence[str]) -> list[dict[str, Any]]:
        """Return the fields of the filter form; `names` are the kinds of event."""
        events = [("", "Any event"), *((name, name.replace("_", " ")) for name in names)]
        return [
            {"name": "q", "label": "Words of an event", "value": self.q},
            {"name": "event", "label": "Event", "value": self.event, "options": events},
            {"name": "chain", "label": "Agent, or system", "value": self.chain},
            {"name": "actor", "label": "Who", "value": self.actor},
            {"name": "since", "label": "From", "value": self.since, "type": "date"},
            {"name": "until", "label": "To", "value": self.until, "type": "date"},
        ]


def read_filters(request: HttpRequest) -> AuditFilters:
    """Return the filters of an address; a day that is none asks for nothing."""
    asked = asked_of(request, "q", "event", "chain", "actor", "since", "until")
    for name in ("since", "until"):
        asked[name] = asked[name] if _day(asked[name]) else ""
    return AuditFilters(**asked)


def chain_named(name: str) -> str | None:
    """Return the chain that an address names; None where it names none."""
    if not name:
        return None
    return chains.SYSTEM if name == SYSTEM else name


def _day(text: str) -> date | None:
    try:
        found = date.fromisoformat(text)
    except ValueError:
        return None
    # The day after the last one that there is could not be asked for.
    return found if found < date.max else None


def _start_of(text: str, days_later: int) -> datetime | None:
    day = _day(text)
    if day is None:
        return None
    return datetime.combine(day + timedelta(days=days_later), time(), UTC)
