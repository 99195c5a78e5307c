"""One audit event as a row shows it: in words, with what it set and where its subject is."""

import re
from collections.abc import Iterable, Mapping
from datetime import date
from typing import Any

from django.urls import reverse
from django.utils.formats import date_format

from playbooks.models import Agent, AuditEvent

_DELTA = re.compile(r"delta ([0-9]{1,18})")
_VERSION = re.compile(r"version ([0-9]{1,9})")
_BUDGET = re.compile(r"(?:global|agent:([0-9]{1,18})) ([0-9]{4})-(0[1-9]|1[0-2])")
_SHORT = 160


class Entry:
    """An event with its name in words, one line of what it says, and its subject's page."""

    def __init__(self, event: AuditEvent, agents: Mapping[int, str] | None = None) -> None:
        self.event = event
        self.subject = _subject(event, agents or {})
        self.words = event.event.replace("_", " ").capitalize()
        self.said = said(event.data)
        self.url = _url(event)


def entries_of(events: Iterable[AuditEvent]) -> list[Entry]:
    """Return events as rows show them; agents whose budgets they name, in one query."""
    events = list(events)
    named = [int(m[1]) for e in events if (m := _BUDGET.fullmatch(e.subject)) and m[1]]
    rows = Agent.objects.filter(pk__in=named).values_list("pk", "agent_id") if named else []
    return [Entry(event, dict(rows)) for event in events]


def _subject(event: AuditEvent, agents: Mapping[int, str]) -> str:
    """Return what an event is about; a budget as whose it is and its month."""
    budget = _BUDGET.fullmatch(event.subject)
    if budget is None:
        return event.subject
    whose = agents.get(int(budget[1]), "an erased agent") if budget[1] else "all agents"
    return f"{whose}, {date_format(date(int(budget[2]), int(budget[3]), 1), 'M Y')}"


def said(data: dict[str, Any]) -> str:
    """Return what an event's data tells in one line: what was set, and why."""
    parts = []
    if "from" in data and "to" in data:
        parts.append(f"from {_value(data['from'])} to {_value(data['to'])}")
    reason = data.get("reason")
    if isinstance(reason, str) and reason.strip():
        parts.append(reason.strip())
    return _cut("; ".join(parts))


def _value(value: Any) -> str:
    if value is None:
        return "nothing"
    return str(value).replace("_", " ") if isinstance(value, str) else f"{value}"


def _cut(text: str) -> str:
    return text if len(text) <= _SHORT else f"{text[: _SHORT - 1]}…"


def _url(event: AuditEvent) -> str:
    """Return the page of the delta or version that an agent's event is about."""
    if not event.chain:
        return ""
    if delta := _DELTA.fullmatch(event.subject):
        return reverse("console:delta", args=[int(delta[1])])
    if version := _VERSION.fullmatch(event.subject):
        return f"{reverse('console:playbook', args=[event.chain])}?version={version[1]}"
    return ""
