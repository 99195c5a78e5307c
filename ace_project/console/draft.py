"""A change that a person puts together: operations on a base version, kept in the form itself."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ace_project.core.errors import InvalidInput
from playbooks import operations as rules
from playbooks import selectors
from playbooks.content import Content, ContentError, bullet_id, bullets, same
from playbooks.models import Agent, Playbook


@dataclass(frozen=True, slots=True)
class Draft:
    """Operations on version `base`, and the content that they make of it.

    `dropped` of the last ones asked for change nothing: the playbook says so already.
    """

    base: int
    before: Content
    operations: list[dict[str, Any]]
    content: Content
    dropped: int = 0

    @property
    def packed(self) -> str:
        """The operations as a form carries them."""
        return json.dumps(self.operations, ensure_ascii=False)

    def extended(self, fresh: Sequence[dict[str, Any]]) -> "Draft":
        """Return the draft with more operations; raises InvalidInput where they do not fit."""
        if not fresh:
            return self
        whole = _made(self.base, self.before, [*self.operations, *fresh])
        folded = [*self.operations]
        sections = {bullet.bullet_id: bullet.section for bullet in bullets(self.before)}
        for operation in fresh:
            folded = _folded(folded, operation, sections)
        short = _made_or_none(self.base, self.before, folded)
        found = short if short and same(short.content, whole.content) else whole
        dropped = len(self.operations) + len(fresh) - len(whole.operations)
        return replace(found, dropped=max(0, dropped))

    def without(self, index: int) -> "Draft":
        """Return the draft without one operation; raises InvalidInput where others need it."""
        left = [op for place, op in enumerate(self.operations) if place != index]
        try:
            return _made(self.base, self.before, left)
        except InvalidInput as error:
            raise InvalidInput(
                "another change stands on this one: take that one out first"
            ) from error


def begin(playbook: Playbook, number: int | None = None) -> Draft:
    """Return an empty draft on a version, the live one unless named; raises NotFound."""
    base = number or playbook.version
    content = selectors.snapshot(playbook.pk, base).content
    return Draft(base, content, [], content)


def made_of(playbook: Playbook, base: int, operations: Sequence[dict[str, Any]]) -> Draft:
    """Return the draft of these operations on a version; raises InvalidInput, NotFound."""
    empty = begin(playbook, base)
    return _made(base, empty.before, operations) if operations else empty


def read(agent: Agent, posted: Mapping[str, Any]) -> Draft:
    """Return the draft that a form carries; raises InvalidInput where it is none."""
    raw = str(posted.get("base", ""))
    base = int(raw) if raw.isascii() and raw.isdigit() and len(raw) < 10 else None
    text = str(posted.get("operations", "")).strip() or "[]"
    try:
        operations = json.loads(text)
        if operations:
            operations = rules.parse_operations(operations)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"the change so far cannot be read: {error}") from error
    return made_of(agent.playbook, base or agent.playbook.version, operations)


def _made(base: int, before: Content, operations: Sequence[dict[str, Any]]) -> Draft:
    """Return the draft of these operations; those that change nothing are left out."""
    try:
        parsed = rules.parse_operations([*operations]) if operations else []
        applied = rules.apply(before, parsed)
    except (rules.OperationError, ContentError) as error:
        raise InvalidInput(f"the change cannot be made: {error}") from error
    return Draft(base, before, applied.applied_operations, applied.content)


def _made_or_none(base: int, before: Content, operations: Sequence[dict[str, Any]]) -> Draft | None:
    try:
        return _made(base, before, operations)
    except InvalidInput:
        return None


def _folded(
    operations: list[dict[str, Any]], fresh: dict[str, Any], sections: Mapping[str, str]
) -> list[dict[str, Any]]:
    """Return the operations with a rewording or removal of what they made taken into them."""
    name = fresh.get("bullet_id")
    if fresh["op"] not in ("update", "remove") or not name:
        return [*operations, fresh]
    for place in reversed(range(len(operations))):
        made = operations[place]
        if _made_id(made, sections) != name:
            continue
        if fresh["op"] == "update":
            instead = [{**made, "text": fresh["text"]}]
        else:
            back = {"op": "remove", "bullet_id": made.get("bullet_id")}
            instead = [back] if made["op"] == "update" else []
        return [*operations[:place], *instead, *operations[place + 1 :]]
    return [*operations, fresh]


def _made_id(operation: dict[str, Any], sections: Mapping[str, str]) -> str | None:
    """Return the id of the bullet that an operation makes; `sections` are those of the base."""
    if operation["op"] == "add":
        return bullet_id(operation["section"], operation["text"])
    section = sections.get(operation["bullet_id"]) if operation["op"] == "update" else None
    return bullet_id(section, operation["text"]) if section else None
