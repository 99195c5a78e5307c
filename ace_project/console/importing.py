"""A file that is to be brought in: read, and spelled as operations on what is live."""

import json
import re
from collections.abc import Mapping
from typing import Any

from ace_project.core.errors import InvalidInput
from playbooks import operations as rules
from playbooks import paper_format
from playbooks.content import (
    MAX_BYTES,
    Content,
    ContentError,
    bullet_ids,
    bullet_texts,
    escape,
    normalise_content,
    same,
)

_ALIAS_ID = re.compile(r"[A-Za-z0-9_.-]{1,200}")
_COUNTS = ("helpful", "harmful", "above", "below")


def read_playbook(file: Any) -> tuple[Content, dict[str, Any]]:
    """Return content and aliases of an uploaded file, JSON or text; raises InvalidInput."""
    if file.size > MAX_BYTES:
        raise InvalidInput(f"the file is larger than {MAX_BYTES:,} bytes")
    try:
        text = file.read().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InvalidInput("the file is not UTF-8 text") from error
    content, aliases = _parsed(text)
    try:
        return normalise_content(content), aliases
    except ContentError as error:
        raise InvalidInput(f"the playbook cannot be kept: {error}") from error


def _parsed(text: str) -> tuple[Any, dict[str, Any]]:
    try:
        if text.lstrip().startswith("{"):
            return json.loads(text), {}
        found = paper_format.parse_paper(text)
    except (ValueError, RecursionError) as error:
        raise InvalidInput(f"neither JSON nor the ACE paper's text form: {error}") from error
    return found.content, found.aliases


def added_to(live: Content, file: Content) -> Content:
    """Return what is live with what only the file has: sections, and bullets behind the others."""
    wanted = dict(live)
    for section in file:
        texts, here = bullet_texts(file, section), bullet_texts(live, section)
        if section not in live:
            wanted[section] = file[section]
        elif texts is not None and here is not None:
            known = set(bullet_ids(section, here))
            names = bullet_ids(section, texts)
            fresh = [t for t, name in zip(texts, names, strict=True) if name not in known]
            wanted[section] = [*here, *fresh]
    return wanted


def operations_to(live: Content, wanted: Content) -> list[dict[str, Any]]:
    """Return the operations that lead from what is live to what is wanted.

    There may be only so many in one delta: of a section that changes much more, the whole list is
    set at once.
    """
    by_section: dict[str, list[dict[str, Any]]] = {}
    for section in wanted:
        if section not in live or not same(live[section], wanted[section]):
            by_section[section] = _to_section(live, section, wanted)
    for section in live:
        if section not in wanted:
            by_section[section] = [{"op": "unset", "path": f"/{escape(section)}"}]
    while sum(map(len, by_section.values())) > rules.MAX_OPERATIONS:
        largest = max(by_section, key=lambda name: len(by_section[name]))
        if len(by_section[largest]) < 2:
            return [{"op": "set", "path": "", "value": wanted}]
        by_section[largest] = [_whole(largest, wanted)]
    return [operation for found in by_section.values() for operation in found]


def _to_section(live: Content, section: str, wanted: Content) -> list[dict[str, Any]]:
    # A backslash before a dot has no spelling of its own in a dotted path.
    if "\\" in section:
        return [_whole(section, wanted)]
    key = section.replace(".", "\\.")
    try:
        return rules.changes_to_operations(live, {key: wanted[section]})
    except rules.OperationError as error:
        raise InvalidInput(f"{section} cannot be brought in: {error}") from error


def _whole(section: str, wanted: Content) -> dict[str, Any]:
    return {"op": "set", "path": f"/{escape(section)}", "value": wanted[section]}


def read_aliases(text: str) -> dict[str, Any]:
    """Return the aliases that a form carries; empty where they are not what a file could hold."""
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    if not isinstance(found, dict) or not all(isinstance(v, list) for v in found.values()):
        return {}
    whole = all(alias is None or _is_alias(alias) for v in found.values() for alias in v)
    return found if whole else {}


def _is_alias(alias: Any) -> bool:
    if not isinstance(alias, Mapping) or not set(alias) <= {"id", *_COUNTS}:
        return False
    name = alias.get("id")
    counts = [alias[key] for key in _COUNTS if key in alias]
    return (
        isinstance(name, str)
        and _ALIAS_ID.fullmatch(name) is not None
        and all(type(count) is int and 0 <= count < 10**12 for count in counts)
    )
