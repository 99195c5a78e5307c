"""The audit log: searchable, to take away as a file, and verifiable link by link."""

import csv
import json
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlencode

from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, StreamingHttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from ace_project.console import keyset
from ace_project.console.asked import asked as asked_of
from ace_project.core.people import Role, needs
from playbooks import audit as chains
from playbooks.models import Agent, AuditEvent

# The system's chain has an empty name; an address needs one.
SYSTEM = "system"
MOST_CHAINS = 1_000
COLUMNS = ("created_at", "chain", "number", "event", "actor", "subject", "data", "previous", "hash")
# A spreadsheet runs a cell that begins with one of these.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@needs(Role.VIEWER)
@require_safe
def log(request: HttpRequest) -> HttpResponse:
    """List events, newest first, by chain, event and actor; `?verify=1` recomputes the hashes."""
    asked = _asked(request)
    page = keyset.keyset_page(request, _events(asked))
    context = {
        "page": page,
        "events": [(row, row.event.replace("_", " ").capitalize()) for row in page.rows],
        "asked": asked,
        "filters": _filters(asked),
        "clear_url": request.path if any(asked.values()) else "",
        "export_query": urlencode({k: v for k, v in asked.items() if v}),
        "verified": _verified(asked["chain"]) if "verify" in request.GET else None,
    }
    return render(request, "audit.html", context)


def _asked(request: HttpRequest) -> dict[str, str]:
    return asked_of(request, "chain", "event", "actor")


def _events(asked: dict[str, str]) -> QuerySet[AuditEvent]:
    rows = AuditEvent.objects.all()
    if asked["chain"]:
        rows = rows.filter(chain=_chain(asked["chain"]))
    if asked["event"]:
        rows = rows.filter(event=asked["event"])
    if asked["actor"]:
        rows = rows.filter(actor__icontains=asked["actor"])
    return rows


def _chain(name: str) -> str:
    return chains.SYSTEM if name == SYSTEM else name


def _filters(asked: dict[str, str]) -> list[dict[str, Any]]:
    names = AuditEvent.objects.order_by("event").values_list("event", flat=True).distinct()
    events = [("", "Any event"), *((name, name.replace("_", " ")) for name in names)]
    return [
        {"name": "event", "label": "Event", "value": asked["event"], "options": events},
        {"name": "chain", "label": "Agent, or system", "value": asked["chain"]},
        {"name": "actor", "label": "Actor", "value": asked["actor"]},
    ]


def _verified(chain: str) -> dict[str, Any]:
    """Recompute one chain, or every one (at most MOST_CHAINS); say the first broken links."""
    agents = Agent.objects.select_related("playbook").order_by("agent_id")
    if chain:
        agents = agents.filter(agent_id=_chain(chain))
    checked = list(agents[:MOST_CHAINS])
    names = [_chain(chain)] if chain else [chains.SYSTEM, *(agent.agent_id for agent in checked)]
    broken = [chains.verify_versions(agent) for agent in checked]
    broken += [chains.verify_events(name) for name in names]
    found = [f"{link.chain}, {link.link}: {link.problem}" for link in broken if link]
    return {"chains": len(names), "playbooks": len(checked), "problems": found[:10]}


class _Echo:
    """A file that gives back each line instead of keeping it."""

    def write(self, line: str) -> str:
        """Return the line that csv made."""
        return line


@needs(Role.VIEWER)
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the events of the filters as CSV, oldest first."""
    rows = _events(_asked(request)).order_by("pk")
    response = StreamingHttpResponse(_lines(rows), content_type="text/csv; charset=utf-8")
    response["Content-Disposition"] = 'attachment; filename="audit.csv"'
    return response


def _lines(rows: QuerySet[AuditEvent]) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in rows.iterator(chunk_size=1000):
        yield writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])


def _cell(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text
