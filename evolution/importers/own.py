"""ACE's own traces, a line each: the body of POST traces."""

import hashlib
from typing import Any

from pydantic_core import to_json


def trace_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the record as it stands, named after its content where it has no trace_id."""
    return {**record, "trace_id": record.get("trace_id") or f"import-{fingerprint(record)}"}


def fingerprint(record: object) -> str:
    """Return 16 hex digits that stand for a record, so that a second import finds the first."""
    return hashlib.sha256(to_json(record)).hexdigest()[:16]
