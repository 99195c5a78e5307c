"""A change as one plain sentence, for a row of a list and a version's reason."""

import json
from collections.abc import Sequence
from typing import Any

from playbooks.content import JSON, bullet_id, normal_text
from playbooks.operations.shape import Operation

MAX_QUOTE = 120
_COUNTED = {
    "add": ("add {} lesson", "s"),
    "move": ("move {}", ""),
    "update": ("reword {}", ""),
    "remove": ("remove {}", ""),
    "merge": ("merge {} group", "s"),
    "set": ("set {} value", "s"),
    "unset": ("unset {} value", "s"),
}


def describe(operations: Sequence[Operation], expectations: Sequence[JSON] = ()) -> str:
    """Return a change as one sentence; with the delta's expectations, bullets by their text."""
    if not operations:
        return "Change nothing"
    if len(operations) == 1:
        saw = expectations[0] if expectations else None
        return _one(operations[0], saw if isinstance(saw, dict) else {})
    if _is_kept_once(operations):
        return f"Keep {_quote(operations[1]['text'])} once in {operations[1]['section']}"
    counts: dict[str, int] = {}
    for operation in operations:
        counts[operation["op"]] = counts.get(operation["op"], 0) + 1
    parts = [_count(name, count) for name, count in counts.items()]
    last = f" and {parts[-1]}" if len(parts) > 1 else parts[-1]
    sentence = ", ".join(parts[:-1]) + last
    return sentence[0].upper() + sentence[1:] + _where(operations)


def _is_kept_once(operations: Sequence[Operation]) -> bool:
    """Tell whether a lesson is taken out wherever it stands, and put back in one place."""
    first, second = operations[0], operations[1]
    if len(operations) != 2 or (first["op"], second["op"]) != ("remove", "add"):
        return False
    return first["bullet_id"] == bullet_id(second["section"], second["text"])


def _count(name: str, count: int) -> str:
    words, plural = _COUNTED[name]
    return words.format(count) + (plural if count > 1 else "")


def _where(operations: Sequence[Operation]) -> str:
    """Return ` in <section>` where every operation is an add to the same one."""
    sections = {operation.get("section") for operation in operations}
    return f" to {sections.pop()}" if len(sections) == 1 and None not in sections else ""


def _one(operation: Operation, saw: dict[str, Any]) -> str:
    match operation["op"]:
        case "add":
            return f"Add {_quote(operation['text'])} to {operation['section']}"
        case "update":
            return f"Reword {_bullet(operation, saw)} to {_quote(operation['text'])}"
        case "remove":
            return f"Remove {_bullet(operation, saw)}"
        case "move":
            return f"Move {_bullet(operation, saw)} to place {operation['position'] + 1}"
        case "merge":
            return f"Merge {len(operation['bullet_ids'])} lessons into {_quote(operation['text'])}"
        case "set":
            return f"Set {operation['path'] or 'everything'} to {_value(operation['value'])}"
    return f"Unset {operation['path']}"


def _bullet(operation: Operation, saw: dict[str, Any]) -> str:
    name: str = operation["bullet_id"]
    bullet = saw.get("bullets", {}).get(name)
    return _quote(bullet["text"]) if bullet else name


def _value(value: JSON) -> str:
    if isinstance(value, str):
        return _quote(value)
    return _short(json.dumps(value, ensure_ascii=False))


def _quote(text: str) -> str:
    return f"“{_short(normal_text(text))}”"


def _short(text: str) -> str:
    return text if len(text) <= MAX_QUOTE else text[: MAX_QUOTE - 1] + "…"
