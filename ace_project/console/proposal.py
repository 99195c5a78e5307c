"""What a delta changes, section by section, against the content it meets."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ace_project.console.people import name_of
from ace_project.console.templatetags.trail import as_text
from playbooks import operations as rules
from playbooks.content import Content, normal_text
from playbooks.models import Bullet, Delta
from playbooks.selectors import successors


@dataclass(frozen=True, slots=True)
class Change:
    """One operation with the text it meets (`before`), and its conflict where it has one."""

    index: int
    operation: dict[str, Any]
    before: Any
    note: str
    conflict: dict[str, Any] | None
    # What an editor may put in place of the operation's text; None where there is nothing to type.
    editable: str | None


@dataclass(frozen=True, slots=True)
class SectionChanges:
    """The operations of one section, in their order."""

    name: str
    changes: list[Change]


def headline(delta: Delta) -> str:
    """Return the change as one sentence: a single added lesson is its own."""
    if len(delta.operations) == 1 and delta.operations[0]["op"] == "add":
        return normal_text(delta.operations[0]["text"])
    return rules.describe(delta.operations, delta.expectations)


def sections_of(delta: Delta) -> list[str]:
    """Return the sections that a delta touches, in order."""
    pairs = zip(delta.operations, delta.expectations, strict=True)
    return list(dict.fromkeys(_section(operation, _as_dict(saw)) for operation, saw in pairs))


def changes_of(delta: Delta, live: Content | None, version: int) -> list[SectionChanges]:
    """Return a delta's operations by section, against `live` (version number `version`).

    Without `live` they stand against what they met when the delta was made.
    """
    saw: Sequence[Any] = delta.expectations
    meets = saw if live is None else rules.expectations(live, delta.operations)
    conflicts = {} if live is None else _conflicts(delta, live, version)
    notes = _blame(delta, meets)
    found: dict[str, list[Change]] = {}
    for index, operation in enumerate(delta.operations):
        met, name = _as_dict(meets[index]), operation.get("bullet_id", "")
        change = Change(
            index=index,
            operation=operation,
            before=_before(operation, met),
            note=notes.get(name, ""),
            conflict=conflicts.get(index),
            editable=_editable(operation),
        )
        found.setdefault(_section(operation, _as_dict(saw[index])), []).append(change)
    return [SectionChanges(name, changes) for name, changes in found.items()]


def _as_dict(saw: Any) -> dict[str, Any]:
    return saw if isinstance(saw, dict) else {}


def _section(operation: Mapping[str, Any], saw: Mapping[str, Any]) -> str:
    if "section" in operation:
        return str(operation["section"])
    if "path" in operation:
        head = str(operation["path"]).split("/")[1:2]
        return head[0].replace("~1", "/").replace("~0", "~") if head else "the whole content"
    for bullet in saw.get("bullets", {}).values():
        if bullet:
            return str(bullet["section"])
    names = operation.get("bullet_ids") or [operation["bullet_id"]]
    return str(names[0]).rpartition("-")[0]


def _before(operation: Mapping[str, Any], met: Mapping[str, Any]) -> Any:
    if operation["op"] in ("set", "unset"):
        return met.get("value")
    texts = [bullet["text"] for bullet in met.get("bullets", {}).values() if bullet]
    if operation["op"] == "merge":
        return texts
    return texts[0] if texts else None


def _editable(operation: Mapping[str, Any]) -> str | None:
    if "text" in operation:
        return str(operation["text"])
    if operation["op"] != "set":
        return None
    return json.dumps(operation["value"], ensure_ascii=False, indent=2)


def _conflicts(delta: Delta, live: Content, version: int) -> dict[int, dict[str, Any]]:
    """Return each conflict as parts/conflict.html draws it, by the operation's index."""
    rebased = rules.rebase(delta.expectations, delta.operations, live)
    heirs = _heirs(delta, live, rebased.conflicts)
    return {c["index"]: _drawn(c, delta, version, heirs) for c in rebased.conflicts}


def _drawn(
    conflict: Mapping[str, Any], delta: Delta, version: int, heirs: Mapping[str, Bullet]
) -> dict[str, Any]:
    operation, now = conflict["operation"], conflict["now"]
    what = f"{conflict['reason'][:1].upper()}{conflict['reason'][1:]}."
    live_text = None if now is None else _side(now)
    heir = heirs.get(operation.get("bullet_id", ""))
    if heir:
        live_text = heir.text
        what = f"{name_of(heir.introduced_by)} reworded it in v{heir.introduced_version}."
    return {
        "number": conflict["index"],
        "what": what,
        "base_version": delta.base_version,
        "live_version": version,
        "base_text": _side(conflict["saw"]),
        "live_text": live_text,
        "delta_text": _wanted(operation, conflict["saw"]),
    }


def _heirs(
    delta: Delta, live: Content, conflicts: Sequence[Mapping[str, Any]]
) -> dict[str, Bullet]:
    """Return the live bullet that each vanished one was reworded into, by the old id."""
    heirs = successors(delta.playbook, [c["operation"] for c in conflicts], live)
    rows = Bullet.objects.filter(playbook=delta.playbook, bullet_id__in=heirs.values())
    by_id = {row.bullet_id: row for row in rows}
    return {old: by_id[heir] for old, heir in heirs.items() if heir in by_id}


def _side(value: Any) -> str:
    if isinstance(value, dict) and all(v is None or isinstance(v, str) for v in value.values()):
        return "\n".join(text for text in value.values() if text)
    return as_text(value)


def _wanted(operation: Mapping[str, Any], saw: Any) -> str | None:
    match operation["op"]:
        case "remove" | "unset":
            return None
        case "set":
            return as_text(operation["value"])
        case "move":
            return _side(saw)
    return str(operation["text"])


def _blame(delta: Delta, meets: Sequence[Any]) -> dict[str, str]:
    """Return who brought in each bullet that a delta changes, by its id."""
    names = {name for met in meets for name in _as_dict(met).get("bullets", {})}
    if not names:
        return {}
    rows = Bullet.objects.filter(playbook_id=delta.playbook_id, bullet_id__in=names)
    return {row.bullet_id: _origin(row) for row in rows}


def _origin(bullet: Bullet) -> str:
    text = f"from {name_of(bullet.introduced_by)} in v{bullet.introduced_version}"
    return f"used {bullet.used:,} times, {text}" if bullet.used else text
