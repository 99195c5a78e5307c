"""JSON Pointers (RFC 6901) into content, and changes at them that leave the old content alone."""

import re
from enum import Enum
from typing import Final

from playbooks.content import JSON, escape

_BAD_ESCAPE = re.compile(r"~(?![01])")
_INDEX = re.compile(r"0|[1-9][0-9]{0,9}")


class Missing(Enum):
    """The sign that there is nothing at a path; None is a value."""

    MISSING = "missing"


MISSING: Final = Missing.MISSING


class NotApplicable(Exception):
    """An operation that the content met does not allow; the message says why."""


def split(path: str) -> list[str]:
    """Return the tokens of a JSON Pointer; raises ValueError where it is not one."""
    if path and not path.startswith("/"):
        raise ValueError("a JSON Pointer starts with /")
    if _BAD_ESCAPE.search(path):
        raise ValueError("in a JSON Pointer ~ is written ~0")
    return [token.replace("~1", "/").replace("~0", "~") for token in path.split("/")[1:]]


def join(tokens: list[str]) -> str:
    """Return the JSON Pointer of `tokens`."""
    return "".join(f"/{escape(token)}" for token in tokens)


def place(items: list[JSON], token: str) -> int:
    """Return the index a token means in a list; `-` and the length mean behind the last.

    Raises NotApplicable for what is no index or past the end.
    """
    if token == "-":
        return len(items)
    if not _INDEX.fullmatch(token) or int(token) > len(items):
        raise NotApplicable(f"{token!r:.40} is no place in a list of {len(items)}")
    return int(token)


def get(node: JSON, tokens: list[str]) -> JSON | Missing:
    """Return the value at a path, or MISSING."""
    for token in tokens:
        if isinstance(node, dict) and token in node:
            node = node[token]
        elif isinstance(node, list) and _INDEX.fullmatch(token) and int(token) < len(node):
            node = node[int(token)]
        else:
            return MISSING
    return node


def put(node: JSON | Missing, tokens: list[str], value: JSON) -> JSON:
    """Return `node` with `value` at a path; objects on the way that are missing are made."""
    if not tokens:
        return value
    token, rest = tokens[0], tokens[1:]
    if node is MISSING:
        return {token: put(MISSING, rest, value)}
    if isinstance(node, dict):
        return {**node, token: put(node.get(token, MISSING), rest, value)}
    if isinstance(node, list):
        index = place(node, token)
        child: JSON | Missing = node[index] if index < len(node) else MISSING
        return [*node[:index], put(child, rest, value), *node[index + 1 :]]
    raise NotApplicable(f"there is no {token!r:.40} in a plain value")


def drop(node: JSON, tokens: list[str]) -> JSON:
    """Return `node` without what stands at an existing path of at least one token."""
    token, rest = tokens[0], tokens[1:]
    if isinstance(node, dict):
        if rest:
            return {**node, token: drop(node[token], rest)}
        return {key: item for key, item in node.items() if key != token}
    if isinstance(node, list):
        index = int(token)
        kept = [drop(node[index], rest)] if rest else []
        return [*node[:index], *kept, *node[index + 1 :]]
    raise NotApplicable(f"there is no {token!r:.40} in a plain value")


def depth(value: JSON) -> int:
    """Return how many containers are nested in a value."""
    if isinstance(value, dict):
        return 1 + max((depth(item) for item in value.values()), default=0)
    if isinstance(value, list):
        return 1 + max((depth(item) for item in value), default=0)
    return 0
