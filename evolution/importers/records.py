"""Tell the kinds of recorded runs apart and turn each into a trace."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from pydantic_core import from_json, to_json

from ace_project.core.errors import InvalidInput
from evolution.importers import normalised, own, tau_bench
from evolution.importers.streams import Fault, Piece, elements, holds_an_array, lines, opened
from evolution.ingest import RecordedTrace, parse_trace

# An escaped NUL, told apart from a backslash that is itself escaped and followed by `u0000`.
_NUL = re.compile(rb"((?<!\\)(?:\\\\)*)\\u0000")


class Format(StrEnum):
    AUTO = "auto"
    JSONL = "jsonl"
    TAU_BENCH = "tau-bench"


@dataclass(frozen=True, slots=True)
class Found:
    """A trace that a file holds, and the line its record begins on."""

    line: int
    trace: RecordedTrace


@dataclass(frozen=True, slots=True)
class Rejected:
    """A record that is no trace, and why."""

    line: int
    message: str


def slug(name: str) -> str:
    """Return `name` as an agent_id: what cannot stand in one becomes a hyphen; may be empty."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "-", name).strip("-_.")[:255]


def stem(path: Path) -> str:
    """Return a file's name without what says how it is packed."""
    return re.sub(r"(\.(gz|jsonl|ndjson|json))+\Z", "", path.name)


def read_traces(path: Path, form: Format, agent_id: str | None) -> Iterator[Found | Rejected]:
    """Yield what each record of a file is, in order, with one record in memory at a time.

    `agent_id` overrides the agents that the file names. Raises OSError where it cannot be opened.
    """
    array = holds_an_array(path)
    with opened(path) as file:
        for piece in elements(file) if array else lines(file):
            if isinstance(piece, Fault):
                yield Rejected(piece.line, piece.message)
            else:
                yield _record(piece, form, agent_id, slug(stem(path)))


def _record(piece: Piece, form: Format, agent_id: str | None, fallback: str) -> Found | Rejected:
    try:
        record = from_json(piece.data)
    except ValueError as error:
        return Rejected(piece.line, f"not JSON: {error}")
    if not isinstance(record, dict):
        return Rejected(piece.line, "not a JSON object")
    try:
        body = _mapping(record, form)(record)
        body["agent_id"] = agent_id or slug(str(body.get("agent_id") or fallback))
        return Found(piece.line, parse_trace(_without_nul(to_json(body)), RecordedTrace))
    except InvalidInput as error:
        said = "; ".join(f"{e['pointer']} {e['message']}".strip() for e in error.errors[:3])
        return Rejected(piece.line, said or error.detail)


def _without_nul(body: bytes) -> bytes:
    """Put U+FFFD for NUL, which tools print and PostgreSQL cannot store."""
    return _NUL.sub(rb"\1\\ufffd", body) if b"\\u0000" in body else body


def _mapping(record: dict[str, Any], form: Format) -> Callable[[dict[str, Any]], dict[str, Any]]:
    if form is Format.TAU_BENCH or (form is Format.AUTO and tau_bench.recognises(record)):
        return tau_bench.trace_of
    return normalised.trace_of if normalised.recognises(record) else own.trace_of
