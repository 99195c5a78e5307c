"""The other spelling of a change: `changes`, a mapping of dotted paths to the values wanted."""

import re
from collections.abc import Sequence

from playbooks.content import (
    JSON,
    MAX_DEPTH,
    Content,
    ContentError,
    bullet_ids,
    bullet_texts,
    check_bullets,
    check_text,
    escape,
    kept_in_order,
    normal_text,
    normalise,
)
from playbooks.operations import pointer as paths
from playbooks.operations.application import Draft
from playbooks.operations.pointer import NotApplicable
from playbooks.operations.shape import MAX_OPERATIONS, Operation, OperationError

_DOT = re.compile(r"(?<!\\)\.")


def changes_to_operations(base_content: Content, changes: object) -> list[Operation]:
    r"""Return the operations that lead from `base_content` to what `changes` wants.

    A key is a top-level key or a dotted path (a literal dot is written `\.`). A list of strings
    over a list of strings, or over nothing, becomes adds, removals and moves; what is so already
    becomes nothing.
    Raises OperationError; pointers are relative to `changes` (`/goals.first`).
    """
    if not isinstance(changes, dict) or not changes:
        raise OperationError("", "must be an object with at least one change")
    draft = Draft(base_content)
    found: list[Operation] = []
    errors: list[dict[str, str]] = []
    for key, value in changes.items():
        where = f"/{escape(str(key))}"
        try:
            tokens = _tokens(key, where)
            operations = _lead_to(draft, tokens, _read(value, tokens, where))
            found += [item for item in operations if draft.perform(item).inverse]
        except ContentError as error:
            errors.append({"pointer": error.pointer, "message": error.message})
        except NotApplicable as reason:
            errors.append({"pointer": where, "message": str(reason)})
    if errors:
        raise OperationError.collected(errors)
    if len(found) > MAX_OPERATIONS:
        raise OperationError("", f"come to {len(found)} operations, more than {MAX_OPERATIONS}")
    return found


def _tokens(key: object, pointer: str) -> list[str]:
    if not isinstance(key, str):
        raise ContentError(pointer, "a path must be a string")
    check_text(key, "")
    tokens = [token.replace("\\.", ".") for token in _DOT.split(key)]
    if len(tokens) > MAX_DEPTH:
        raise ContentError(pointer, f"nested deeper than {MAX_DEPTH}")
    return tokens


def _read(value: object, tokens: list[str], pointer: str) -> JSON:
    clean = normalise(value, pointer)
    if len(tokens) == 1:
        check_bullets(clean, pointer)
    return clean


def _lead_to(draft: Draft, tokens: list[str], value: JSON) -> list[Operation]:
    """Return operations from the draft to a value at a path; a set where bullets do not do."""
    whole: Operation = {"op": "set", "path": paths.join(tokens), "value": value}
    section = tokens[0]
    old = bullet_texts(draft.content, section)
    new = bullet_texts({section: value}, section)
    if new and section not in draft.content:
        # Bullets over nothing are adds: two writers who each begin the section do not conflict.
        old = []
    if len(tokens) > 1 or old is None or new is None:
        return [whole]
    if not all(map(normal_text, new)):
        return [whole]
    before = dict(zip(bullet_ids(section, old), old, strict=True))
    after = dict(zip(bullet_ids(section, new), new, strict=True))
    if len(before) < len(old) or len(after) < len(new):
        return [whole]
    stay = kept_in_order(list(before), list(after))
    if len(before) + len(after) - 2 * len(stay) > MAX_OPERATIONS:
        return [whole]
    operations = _bullet_changes(section, list(before), after, stay)
    operations += [
        {"op": "update", "bullet_id": name, "text": text}
        for name, text in after.items()
        if before.get(name, text) != text
    ]
    return operations if len(operations) <= MAX_OPERATIONS else [whole]


def _bullet_changes(
    section: str, old: Sequence[str], new: dict[str, str], stay: set[str]
) -> list[Operation]:
    """Return removals, then adds and moves in reading order, as few as there can be.

    `stay` holds the ids of a longest common order, which stay put. Everything else is put right
    behind the bullet that comes before it in the new list; an add behind the last has no
    position, so that it commutes.
    """
    ids = list(new)
    operations: list[Operation] = [
        {"op": "remove", "bullet_id": name} for name in old if name not in new
    ]
    now = [name for name in old if name in new]
    for index, name in enumerate(ids):
        if name in stay:
            continue
        moves = name in now
        if moves:
            now.remove(name)
        position = now.index(ids[index - 1]) + 1 if index else 0
        if moves:
            operations.append({"op": "move", "bullet_id": name, "position": position})
        else:
            add: Operation = {"op": "add", "section": section, "text": new[name]}
            at_the_end = position == len(now)
            operations.append(add if at_the_end else {**add, "position": position})
        now.insert(position, name)
    return operations
