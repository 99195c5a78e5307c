"""Stream a file of recorded runs in."""

from argparse import ArgumentParser, ArgumentTypeError
from collections import Counter
from pathlib import Path
from typing import Any

from django.core.management.base import CommandError
from django.utils import timezone

from ace_project.core.commands import AceCommand
from ace_project.core.errors import InvalidInput
from evolution import services
from evolution.importers import Format, Found, read_traces
from evolution.ingest import TraceRow, row_of
from evolution.models import Origin
from evolution.services.traces import new_trace_id
from playbooks import services as playbooks
from playbooks.actors import Actor, ActorKind
from playbooks.models import is_agent_id

_BATCH_ROWS = 500
_BATCH_CHARACTERS = 4_000_000
_SHOWN_REJECTIONS = 1000


def agent_id(value: str) -> str:
    """Return `value` if it can name an agent."""
    if not is_agent_id(value):
        raise ArgumentTypeError(f"{value!r} is not an agent_id: letters, digits, '.', '_', '-'")
    return value


class Command(AceCommand):
    help = (
        "Stream recorded runs in: the normalised JSON lines, ACE's own traces a line each, or\n"
        "tau-bench results; plain or gzip. The agent is made if it is new. What is there already\n"
        "stays as it is. A malformed record is reported with its line and the rest goes in."
    )
    example = "import_traces runs.jsonl.gz --agent sql-agent"

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("file", type=Path, metavar="FILE")
        parser.add_argument("--format", choices=[*Format], default=Format.AUTO)
        parser.add_argument("--agent", type=agent_id, metavar="ID", help="overrides the file's")

    def carry_out(self, **options: Any) -> None:
        """Read the file to its end and say what became of each record."""
        path: Path = options["file"]
        load = _Load()
        rejected = 0
        try:
            for item in read_traces(path, Format(options["format"]), options["agent"]):
                problem = load.take(item) if isinstance(item, Found) else item.message
                if problem:
                    rejected += 1
                    self._report(item.line, problem, rejected)
        except OSError as error:
            raise CommandError(f"{path}: {error.strerror or error}") from error
        load.flush()
        self._summary(path, load, rejected)

    def _report(self, line: int, problem: str, count: int) -> None:
        if count <= _SHOWN_REJECTIONS:
            self.stderr.write(f"line {line}: {problem}")
        elif count == _SHOWN_REJECTIONS + 1:
            self.stderr.write("further rejections are counted, not shown")

    def _summary(self, path: Path, load: "_Load", rejected: int) -> None:
        there = load.seen.total() - load.new.total()
        self.stdout.write(
            f"{path.name}: {load.new.total()} accepted, {there} already there, {rejected} rejected"
        )
        for name, count in sorted(load.seen.items()):
            self.stdout.write(f"  agent {name}: {count} traces, {load.new[name]} of them new")
        if not load.seen:
            raise CommandError(f"{path} holds no trace that could be taken")


class _Load:
    """Rows on their way into the database, a batch of one agent's at a time."""

    def __init__(self) -> None:
        self.seen: Counter[str] = Counter()
        self.new: Counter[str] = Counter()
        self._rows: dict[str, list[TraceRow]] = {}
        self._characters = 0
        self._waiting = 0
        self._now = timezone.now()

    def take(self, found: Found) -> str | None:
        """Accept a trace; return why not, where it cannot be."""
        name = found.trace.agent_id
        if not is_agent_id(name):
            return f"{name!r} cannot name an agent"
        try:
            row = row_of(found.trace, now=self._now, new_id=new_trace_id, origin=Origin.IMPORTED)
        except InvalidInput as error:
            return "; ".join(f"{e['pointer']} {e['message']}" for e in error.errors)
        self._rows.setdefault(name, []).append(row)
        self._characters += len(row.steps) + len(row.metadata)
        self._waiting += 1
        if self._waiting >= _BATCH_ROWS or self._characters >= _BATCH_CHARACTERS:
            self.flush()
        return None

    def flush(self) -> None:
        """Write what waits; each agent's rows are one transaction."""
        for name, rows in self._rows.items():
            if name not in self.seen:
                author = Actor(ActorKind.SERVICE, "import_traces")
                playbooks.get_or_create_agent(agent_id=name, author=author)
            self.new[name] += services.record_rows(rows={name: rows}).new
            self.seen[name] += len(rows)
        self._rows, self._characters, self._waiting = {}, 0, 0
