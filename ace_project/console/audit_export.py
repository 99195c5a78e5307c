"""The audit log as a file: CSV for a spreadsheet, JSON lines for a program."""

import csv
import json
from collections.abc import Callable, Iterator
from typing import Any

from django.http import HttpRequest, StreamingHttpResponse
from django.views.decorators.http import require_safe

from ace_project.console.audit_filters import AuditFilters, read_filters
from ace_project.core.people import Role, needs
from playbooks.models import AuditEvent

COLUMNS = ("created_at", "chain", "number", "event", "actor", "subject", "data", "previous", "hash")
AT_ONCE = 5_000
# A spreadsheet runs a cell that begins with one of these, the wide forms too.
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20")


class _Echo:
    """A file that gives back each line instead of keeping it."""

    def write(self, line: str) -> str:
        """Return the line that csv made."""
        return line


@needs(Role.VIEWER)
@require_safe
def export(request: HttpRequest) -> StreamingHttpResponse:
    """Stream the events of the filters, oldest first: `?format=jsonl`, or CSV."""
    filters = read_filters(request)
    name, kind, lines = _FORMATS.get(request.GET.get("format", ""), _FORMATS["csv"])
    response = StreamingHttpResponse(lines(filters), content_type=f"{kind}; charset=utf-8")
    response["Content-Disposition"] = f'attachment; filename="{name}"'
    return response


def _rows(filters: AuditFilters) -> Iterator[AuditEvent]:
    """Read the events by their key: no cursor is held while the reader takes its time."""
    wanted, last = filters.events().order_by("pk"), 0
    while True:
        rows = list(wanted.filter(pk__gt=last)[:AT_ONCE])
        yield from rows
        if len(rows) < AT_ONCE:
            return
        last = rows[-1].pk


def _csv(filters: AuditFilters) -> Iterator[str]:
    writer = csv.writer(_Echo())
    yield writer.writerow(COLUMNS)
    for row in _rows(filters):
        yield writer.writerow([_cell(getattr(row, name)) for name in COLUMNS])


def _cell(value: Any) -> str:
    if hasattr(value, "isoformat"):
        return str(value.isoformat())
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return f"'{text}" if text.startswith(_FORMULA) else text


def _jsonl(filters: AuditFilters) -> Iterator[str]:
    for row in _rows(filters):
        event = {name: getattr(row, name) for name in COLUMNS}
        event["created_at"] = row.created_at.isoformat()
        yield json.dumps(event, ensure_ascii=False) + "\n"


_FORMATS: dict[str, tuple[str, str, Callable[[AuditFilters], Iterator[str]]]] = {
    "csv": ("audit.csv", "text/csv", _csv),
    "jsonl": ("audit.jsonl", "application/x-ndjson", _jsonl),
}
