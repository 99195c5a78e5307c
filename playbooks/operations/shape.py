"""The shape of operations: strict reading of what came from outside."""

import re
from collections.abc import Callable
from typing import Any, TypeAlias

from playbooks.content import (
    MAX_BULLET,
    MAX_BYTES,
    MAX_DEPTH,
    ContentError,
    canonical,
    check_bullets,
    check_text,
    escape,
    normal_text,
    normalise,
)
from playbooks.operations import pointer as paths

Operation: TypeAlias = dict[str, Any]
Check: TypeAlias = Callable[[object, str], Any]

MAX_OPERATIONS = 200
MAX_POSITION = 1_000_000
_BULLET_ID = re.compile(r"[a-z0-9-]{1,64}-[0-9a-f]{16}")


class OperationError(ValueError):
    """Operations that cannot be taken; `errors` holds every `{pointer, message}` found."""

    def __init__(self, pointer: str, message: str) -> None:
        self.errors = [{"pointer": pointer, "message": message}]
        super().__init__(pointer, message)

    @property
    def pointer(self) -> str:
        """Return the JSON Pointer of the first error, relative to what was read."""
        return self.errors[0]["pointer"]

    @property
    def message(self) -> str:
        """Return the first error's message."""
        return self.errors[0]["message"]

    def __str__(self) -> str:
        return "; ".join(f"{e['pointer'] or 'operations'}: {e['message']}" for e in self.errors)

    @classmethod
    def collected(cls, errors: list[dict[str, str]]) -> "OperationError":
        """Return one error that carries all of `errors` (at least one)."""
        error = cls(errors[0]["pointer"], errors[0]["message"])
        error.errors = errors
        return error


def parse_operations(raw: object) -> list[Operation]:
    """Return operations read strictly: 1 to 200, known keys only, texts and values storable.

    Raises OperationError with every error; pointers are relative to `raw` (`/0/text`).
    """
    if not isinstance(raw, list):
        raise OperationError("", "must be a list of operations")
    if not 1 <= len(raw) <= MAX_OPERATIONS:
        raise OperationError("", f"must hold 1 to {MAX_OPERATIONS} operations, not {len(raw)}")
    errors: list[dict[str, str]] = []
    found = [_read(item, f"/{index}", errors) for index, item in enumerate(raw)]
    if errors:
        raise OperationError.collected(errors)
    if len(canonical([*found])) > MAX_BYTES:
        raise OperationError("", f"come to more than {MAX_BYTES:,} bytes together")
    return found


def _read(item: object, pointer: str, errors: list[dict[str, str]]) -> Operation:
    if not isinstance(item, dict):
        errors.append({"pointer": pointer, "message": "must be an object"})
        return {}
    name = item.get("op")
    fields = _FIELDS.get(name) if isinstance(name, str) else None
    if fields is None:
        errors.append({"pointer": f"{pointer}/op", "message": f"must be {', '.join(_FIELDS)}"})
        return {}
    for key in item:
        if key != "op" and key not in fields:
            where = f"{pointer}/{escape(str(key))}"
            errors.append({"pointer": where, "message": f"{name} has no such field"})
    read: Operation = {"op": name}
    for key, check in fields.items():
        _read_field(item, key, check, f"{pointer}/{key}", read, errors)
    if name == "set" and not errors:
        _check_target(read, pointer, errors)
    return read


def _read_field(
    item: dict[Any, Any],
    key: str,
    check: Check,
    pointer: str,
    read: Operation,
    errors: list[dict[str, str]],
) -> None:
    if key not in item:
        if not (key == "position" and item["op"] == "add"):
            errors.append({"pointer": pointer, "message": "is needed"})
        return
    try:
        read[key] = check(item[key], pointer)
    except ContentError as error:
        errors.append({"pointer": error.pointer, "message": error.message})


def _check_target(operation: Operation, pointer: str, errors: list[dict[str, str]]) -> None:
    """Collect errors of a set whose value does not fit its place."""
    tokens, value = paths.split(operation["path"]), operation["value"]
    try:
        if not tokens and not isinstance(value, dict):
            raise ContentError(f"{pointer}/value", "the whole content must be an object")
        if len(tokens) == 1:
            check_bullets(value, f"{pointer}/value")
    except ContentError as error:
        errors.append({"pointer": error.pointer, "message": error.message})


def _string(value: object, pointer: str) -> str:
    if not isinstance(value, str):
        raise ContentError(pointer, "must be a string")
    check_text(value, pointer)
    return value


def _text(value: object, pointer: str) -> str:
    text = _string(value, pointer)
    if not normal_text(text):
        raise ContentError(pointer, "may not be empty")
    if len(text) > MAX_BULLET:
        raise ContentError(pointer, f"a bullet of more than {MAX_BULLET:,} characters")
    return text


def _position(value: object, pointer: str) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= MAX_POSITION:
        raise ContentError(pointer, f"must be an integer from 0 to {MAX_POSITION:,}")
    return value


def _bullet_id(value: object, pointer: str) -> str:
    if not isinstance(value, str) or not _BULLET_ID.fullmatch(value):
        raise ContentError(pointer, "must be a bullet's id: its section's slug, -, 16 hex digits")
    return value


def _bullet_ids(value: object, pointer: str) -> list[str]:
    if not isinstance(value, list) or not 2 <= len(value) <= MAX_OPERATIONS:
        raise ContentError(pointer, f"must be a list of 2 to {MAX_OPERATIONS} bullet ids")
    ids = [_bullet_id(item, f"{pointer}/{index}") for index, item in enumerate(value)]
    if len(set(ids)) < len(ids):
        raise ContentError(pointer, "names a bullet twice")
    return ids


def _path(value: object, pointer: str) -> str:
    path = _string(value, pointer)
    try:
        tokens = paths.split(path)
    except ValueError as error:
        raise ContentError(pointer, str(error)) from error
    if len(tokens) > MAX_DEPTH:
        raise ContentError(pointer, f"nested deeper than {MAX_DEPTH}")
    return path


def _inner_path(value: object, pointer: str) -> str:
    path = _path(value, pointer)
    if not path:
        raise ContentError(pointer, "the whole content cannot be unset")
    return path


_FIELDS: dict[str, dict[str, Check]] = {
    "add": {"section": _text, "text": _text, "position": _position},
    "move": {"bullet_id": _bullet_id, "position": _position},
    "update": {"bullet_id": _bullet_id, "text": _text},
    "remove": {"bullet_id": _bullet_id},
    "merge": {"bullet_ids": _bullet_ids, "text": _text},
    "set": {"path": _path, "value": normalise},
    "unset": {"path": _inner_path},
}
