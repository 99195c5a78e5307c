"""One audit event as a row shows it: in words, with what it set and where its subject is."""

import re
from typing import Any

from django.urls import reverse

from playbooks.models import AuditEvent

_DELTA = re.compile(r"delta ([0-9]{1,18})")
_VERSION = re.compile(r"version ([0-9]{1,9})")
_SHORT = 160


class Entry:
    """An event with its name in words, one line of what it says, and its subject's page."""

    def __init__(self, event: AuditEvent) -> None:
        self.event = event
        self.words = event.event.replace("_", " ").capitalize()
        self.said = said(event.data)
        self.url = _url(event)


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
