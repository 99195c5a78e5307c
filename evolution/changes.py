"""What a delta takes away and what it writes, text by text, from its operations alone."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playbooks.content import JSON, bullet_id, normal_text
from playbooks.operations import Operation
from playbooks.operations.pointer import split


@dataclass(frozen=True, slots=True)
class Change:
    """One operation as texts: `lost` stand there no more, `written` are new. A moved one is none.

    `bullet_ids` are the ids that vanish; `merged` is the one text that a merge leaves of several,
    also where it is one of them. Values that are no lessons read as `key = value`.
    """

    op: str
    section: str
    lost: tuple[str, ...] = ()
    written: tuple[str, ...] = ()
    bullet_ids: tuple[str, ...] = ()
    merged: str = ""


def changes(operations: Sequence[Operation], expectations: Sequence[JSON]) -> list[Change]:
    """Return each operation with the texts that it met in its base version."""
    pairs = zip(operations, expectations, strict=True)
    found = (_change(operation, saw if isinstance(saw, dict) else {}) for operation, saw in pairs)
    return [change for some in found for change in some]


def _change(operation: Operation, saw: Mapping[str, Any]) -> Iterator[Change]:
    op = operation["op"]
    if "path" in operation:
        yield from _at_path(operation, saw)
        return
    met = {name: bullet for name, bullet in saw.get("bullets", {}).items() if bullet}
    named = list(met) or [operation.get("bullet_id", "")]
    section = operation.get("section") or next(
        (bullet["section"] for bullet in met.values()), named[0].rpartition("-")[0]
    )
    written = (operation["text"],) if "text" in operation else ()
    lost = () if op in ("add", "move") else tuple(bullet["text"] for bullet in met.values())
    vanished = tuple(met) if op in ("remove", "merge") else ()
    merged = operation["text"] if op == "merge" else ""
    if merged:
        vanished = tuple(name for name in vanished if name != bullet_id(section, merged))
    yield Change(op, section, _without(lost, written), _without(written, lost), vanished, merged)


def _at_path(operation: Operation, saw: Mapping[str, Any]) -> Iterator[Change]:
    tokens = split(operation["path"])
    before, after = saw.get("value"), operation.get("value")
    if tokens:
        yield _replaced(operation["op"], tokens[0], tokens[-1], before, after)
        return
    # The whole content: section by section.
    old = before if isinstance(before, dict) else {}
    new = after if isinstance(after, dict) else {}
    for section in dict.fromkeys([*old, *new]):
        if old.get(section) != new.get(section):
            yield _replaced(operation["op"], section, section, old.get(section), new.get(section))


def _replaced(op: str, section: str, key: str, before: JSON, after: JSON) -> Change:
    lost, written = tuple(_lines(before, key)), tuple(_lines(after, key))
    return Change(op, section, _without(lost, written), _without(written, lost))


def _without(texts: Sequence[str], others: Sequence[str]) -> tuple[str, ...]:
    there = {normal_text(text) for text in others}
    return tuple(text for text in texts if normal_text(text) not in there)


def _lines(value: JSON, key: str) -> Iterator[str]:
    """Yield a value's texts; what is no text is said with its key."""
    if isinstance(value, list):
        for item in value:
            yield from _lines(item, key)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _lines(item, name)
    elif isinstance(value, str):
        yield value
    elif value is not None:
        yield f"{key} = {value}"
