"""Taking operations from the version they were written against to the one now live.

An expectation is what an operation saw in its base, kept with the delta:
add without a position: null; with one, `{"after": id of the bullet before it, or null}`;
update, remove, merge, move: `{"bullets": {id: {"section", "text"} or null where missing}}`, a move
also `"after"`; set, unset: `{"value": what stood there}`, or `{"missing": true}`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from playbooks.content import JSON, Content, is_bullet_list, same
from playbooks.operations import pointer as paths
from playbooks.operations.application import Draft
from playbooks.operations.pointer import MISSING, NotApplicable
from playbooks.operations.shape import Operation


@dataclass(frozen=True, slots=True)
class Rebased:
    """`ok`: what still holds, to be applied to the head as it is here, in order.

    `conflicts`: `{"index", "operation", "reason", "saw", "now"}` for the rest; saw and now are a
    bullet's text, `{id: text}` for a merge, or a path's value, and null where there is nothing.
    """

    ok: list[Operation]
    conflicts: list[dict[str, Any]]


def expectations(base_content: Content, operations: Sequence[Operation]) -> list[JSON]:
    """Return what each operation sees in its base, the ones before it carried out."""
    draft = Draft(base_content)
    seen: list[JSON] = []
    for operation in operations:
        seen.append(_see(draft, operation))
        _try(draft, operation)
    return seen


def rebase(
    base_expectations: Sequence[JSON], operations: Sequence[Operation], head_content: Content
) -> Rebased:
    """Return what of a delta still holds on the head, and what does not.

    An add commutes; one with a position, and a move, keep their place behind the bullet that they
    stood behind. An update, removal, merge or move needs its bullets; a set or unset needs the
    value it saw, or finds its work done already. Raises ValueError where the expectations are not
    one for each operation.
    """
    return _walk(base_expectations, operations, head_content, {}, {})


def resolve(
    base_expectations: Sequence[JSON],
    operations: Sequence[Operation],
    head_content: Content,
    keep: Mapping[int, str],
    successors: Mapping[str, str] | None = None,
) -> list[Operation]:
    """Return the operations to apply to the head once a reviewer chose a side of each conflict.

    `keep` maps the index of a conflicting operation to `delta` (its text or value goes in) or
    `live` (it is left out, as is one without choice). `successors` names the bullet that a bullet
    was reworded into: the delta's text then replaces that one; without one it is added.
    """
    return _walk(base_expectations, operations, head_content, keep, successors or {}).ok


def _walk(
    base_expectations: Sequence[JSON],
    operations: Sequence[Operation],
    head_content: Content,
    keep: Mapping[int, str],
    successors: Mapping[str, str],
) -> Rebased:
    draft = Draft(head_content)
    rebased = Rebased([], [])
    emptied: set[str] = set()
    for index, (seen, operation) in enumerate(zip(base_expectations, operations, strict=True)):
        saw: dict[str, Any] = seen if isinstance(seen, dict) else {}
        now = _see(draft, operation)
        emptied |= _sections_of_removal(operation, saw)
        if _done(operation, saw, now or {}, emptied):
            continue
        wanted = _anchored(draft, operation, saw)
        reason = _misfit(operation, saw, now or {}) or _try(draft, wanted)
        if reason is None:
            rebased.ok.append(wanted)
            continue
        rebased.conflicts.append(_conflict(index, operation, reason, saw, now or {}))
        if keep.get(index) == "delta":
            forced = _forced(draft, operation, saw, successors)
            rebased.ok.extend(item for item in forced if _try(draft, item) is None)
    return rebased


def _try(draft: Draft, operation: Operation) -> str | None:
    """Carry out an operation; return why it cannot be, or None."""
    try:
        draft.perform(operation)
    except NotApplicable as reason:
        return str(reason)
    return None


def _see(draft: Draft, operation: Operation) -> dict[str, Any] | None:
    """Return the expectation of an operation that meets the draft."""
    match operation["op"]:
        case "set" | "unset":
            value = draft.value(paths.split(operation["path"]))
            return {"missing": True} if value is MISSING else {"value": value}
        case "add" if "position" not in operation:
            return None
        case "add":
            return {"after": _before(draft.ids(operation["section"]) or [], operation["position"])}
        case "merge":
            return {"bullets": {name: _bullet(draft, name) for name in operation["bullet_ids"]}}
    name = operation["bullet_id"]
    seen: dict[str, Any] = {"bullets": {name: _bullet(draft, name)}}
    if operation["op"] == "move":
        seen["after"] = _before(_others(draft, name), operation["position"])
    return seen


def _bullet(draft: Draft, name: str) -> dict[str, str] | None:
    found = draft.find(name)
    return {"section": found.section, "text": draft.text(found)} if found else None


def _others(draft: Draft, name: str) -> list[str]:
    """Return the ids among which a bullet that is moved finds its place."""
    found = draft.find(name)
    if found is None:
        return []
    ids = draft.ids(found.section) or []
    return [*ids[: found.positions[0]], *ids[found.positions[0] + 1 :]]


def _before(ids: Sequence[str], position: int) -> str | None:
    place = min(position, len(ids))
    return ids[place - 1] if place else None


def _anchored(draft: Draft, operation: Operation, saw: dict[str, Any]) -> Operation:
    """Return an add or a move with its place behind the bullet that it stood behind."""
    after = saw.get("after")
    if after is None:
        return operation
    if operation["op"] == "add":
        ids = draft.ids(operation["section"]) or []
    else:
        ids = _others(draft, operation["bullet_id"])
    if after not in ids or _before(ids, operation["position"]) == after:
        return operation
    places = [place for place, name in enumerate(ids, start=1) if name == after]
    # Of two as near, the later: more is added than removed.
    nearest = min(places, key=lambda place: (abs(place - operation["position"]), -place))
    return {**operation, "position": nearest}


def _sections_of_removal(operation: Operation, saw: dict[str, Any]) -> set[str]:
    if operation["op"] != "remove":
        return set()
    return {bullet["section"] for bullet in saw.get("bullets", {}).values() if bullet}


def _done(
    operation: Operation, saw: dict[str, Any], now: dict[str, Any], emptied: set[str]
) -> bool:
    """Tell whether nothing is left to unset.

    What it saw is gone already; or it tidies away a section that this delta empties (the inverse
    of the section's first add) and that others have filled since.
    """
    if operation["op"] != "unset" or "value" not in saw:
        return False
    if "missing" in now:
        return True
    [section, *rest] = paths.split(operation["path"])
    tidies = not rest and section in emptied and saw["value"] == []
    return tidies and now["value"] != [] and is_bullet_list(now["value"])


def _misfit(operation: Operation, saw: dict[str, Any], now: dict[str, Any]) -> str | None:
    if operation["op"] not in ("set", "unset") or same(saw, now):
        return None
    wanted = operation["op"] == "set" and {"value": operation["value"]}
    if wanted and same(wanted, now):
        return None
    return "the value has changed since"


def _conflict(
    index: int, operation: Operation, reason: str, saw: dict[str, Any], now: dict[str, Any]
) -> dict[str, Any]:
    return {
        "index": index,
        "operation": operation,
        "reason": reason,
        "saw": _shown(operation, saw),
        "now": _shown(operation, now),
    }


def _shown(operation: Operation, seen: dict[str, Any]) -> JSON:
    """Return what an operation saw as a reader wants it: a text, texts by id, or a value."""
    if operation["op"] in ("set", "unset"):
        value: JSON = seen.get("value")
        return value
    found = seen.get("bullets", {})
    texts: dict[str, JSON] = {
        name: bullet["text"] if bullet else None for name, bullet in found.items()
    }
    if operation["op"] == "merge":
        return texts
    return next(iter(texts.values()), None)


def _forced(
    draft: Draft, operation: Operation, saw: dict[str, Any], successors: Mapping[str, str]
) -> list[Operation]:
    """Return what carries out a conflicting operation on content that it did not see."""
    if operation["op"] in ("set", "unset"):
        return [operation]
    if operation["op"] not in ("update", "merge"):
        return []
    names = operation.get("bullet_ids") or [operation["bullet_id"]]
    live = [name if draft.find(name) else successors.get(name, "") for name in names]
    present = [name for name in dict.fromkeys(live) if name and draft.find(name)]
    text = operation["text"]
    if len(present) > 1:
        return [{"op": "merge", "bullet_ids": present, "text": text}]
    if present:
        return [{"op": "update", "bullet_id": present[0], "text": text}]
    sections = [bullet["section"] for bullet in saw.get("bullets", {}).values() if bullet]
    return [{"op": "add", "section": section, "text": text} for section in sections[:1]]
