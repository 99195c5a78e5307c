"""Runs in the normalised form: `{trace_id, dataset, agent, config, task_id, group, trial, success,
reward, steps: [{tool, args, error, obs, reward}], meta}`, a line each."""

from typing import Any

from pydantic_core import to_json

from ace_project.core.errors import InvalidInput
from evolution.importers.own import fingerprint
from evolution.ingest import MAX_TEXT

_MARKS = {"agent", "dataset", "config", "group", "meta", "reward"}
_MOVED = {"trace_id", "agent", "task_id", "group", "trial", "success", "steps", "meta"}


def recognises(record: dict[str, Any]) -> bool:
    """Return whether a record has keys that only this form has."""
    return not _MARKS.isdisjoint(record) and "agent_id" not in record


def trace_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a trace; what has no column of its own is kept in its metadata."""
    steps, meta = record.get("steps"), record.get("meta")
    if not isinstance(steps, list) or not isinstance(meta, dict | None):
        raise InvalidInput("steps must be a list, and meta an object or absent")
    rest = {key: value for key, value in record.items() if key not in _MOVED}
    return {
        "agent_id": record.get("agent"),
        "trace_id": record.get("trace_id") or f"import-{fingerprint(record)}",
        "task_id": text(record.get("task_id")),
        "task_group": text(record.get("group")),
        "trial": record.get("trial"),
        "success": _truth(record.get("success")),
        "metadata": {**rest, **(meta or {})},
        "steps": [_step(step, place) for place, step in enumerate(steps)],
    }


def text(value: object) -> object:
    """Return numbers, which recordings use as ids, as text."""
    return str(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _truth(value: object) -> bool:
    if value is True or value is False or value in (0, 1):
        return bool(value)
    raise InvalidInput("success must be true, false, 1 or 0")


def _step(step: object, place: int) -> dict[str, Any]:
    if not isinstance(step, dict):
        raise InvalidInput(f"step {place} is not an object")
    made = {"tool": step.get("tool"), "arguments": step.get("args", {}), "result": step.get("obs")}
    made |= {key: step[key] for key in ("seconds", "tokens", "reward") if key in step}
    error = step.get("error")
    if error is not None and error is not False:
        message = error if isinstance(error, str) else to_json(error).decode()
        made["error"] = message[:MAX_TEXT]
    return made
