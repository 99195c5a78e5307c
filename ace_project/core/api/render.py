"""JSON in and out: exact where it matters, strict with what PostgreSQL or a reader cannot hold."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, NoReturn

import orjson
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer

from ace_project.core.errors import InvalidInput

MAX_DEPTH = 64
# orjson reads integers past 64 bits, and long fractions, as the nearest float.
_INEXACT = re.compile(rb"[0-9]{19}")


def dumps(data: Any) -> bytes:
    """Return `data` as compact UTF-8 JSON; times in ISO 8601, integers of any size."""
    try:
        return orjson.dumps(data, option=orjson.OPT_UTC_Z)
    except TypeError:
        return _dumps_big(data)


def _dumps_big(data: Any) -> bytes:
    """Render what orjson cannot: integers past 64 bits, nesting past 254."""

    def other(value: Any) -> Any:
        return orjson.loads(orjson.dumps(value, option=orjson.OPT_UTC_Z))

    text = json.dumps(
        data, ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=other
    )
    return text.encode()


def loads(body: bytes) -> Any:
    """Return the JSON value of `body`; raises InvalidInput with pointers.

    Refused: what is not JSON in UTF-8, NaN and infinities (also by overflow), nesting over 64,
    NUL characters, lone surrogates, integers of more than 4,300 digits.
    """
    if _INEXACT.search(body) or b"\\u0000" in body:
        value = _loads_exact(body)
    else:
        try:
            value = orjson.loads(body)
        except orjson.JSONDecodeError:
            # The exact reader says in which place; or it knows a form that orjson does not.
            value = _loads_exact(body)
    if not is_shallow(value):
        raise _refused(f"nested deeper than {MAX_DEPTH}")
    return value


def is_shallow(value: Any) -> bool:
    """Return whether lists and objects are nested at most 64 deep; never recurses."""
    level = [value] if isinstance(value, dict | list) else []
    for _ in range(MAX_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if type(node) is dict else node)
            if type(child) is dict or type(child) is list
        ]
        if not level:
            return True
    return not level


def _refused(message: str, pointer: str = "") -> InvalidInput:
    return InvalidInput(
        "the body is not acceptable JSON", [{"pointer": pointer, "message": message}]
    )


def _constant(name: str) -> NoReturn:
    raise _refused(f"{name} is not JSON")


def _loads_exact(body: bytes) -> Any:
    try:
        value = json.loads(body.decode("utf-8"), parse_constant=_constant)
    except UnicodeDecodeError as error:
        raise _refused(f"not UTF-8 at byte {error.start}") from error
    except json.JSONDecodeError as error:
        where = f"line {error.lineno} column {error.colno}"
        raise _refused(f"not JSON: {error.msg} at {where}") from error
    except RecursionError as error:
        raise _refused(f"nested deeper than {MAX_DEPTH}") from error
    except ValueError as error:
        raise _refused("an integer of more than 4,300 digits") from error
    if not is_shallow(value):
        raise _refused(f"nested deeper than {MAX_DEPTH}")
    errors = list(_unstorable(value, ""))
    if errors:
        raise InvalidInput("the body holds what cannot be kept", errors[:20])
    return value


def _unstorable(value: Any, pointer: str) -> Iterator[Mapping[str, str]]:
    """Yield `{pointer, message}` for each string or number that JSON or PostgreSQL cannot hold."""
    if isinstance(value, str):
        message = _text_fault(value)
        if message:
            yield {"pointer": pointer, "message": message}
    elif isinstance(value, float) and value in (float("inf"), float("-inf")):
        yield {"pointer": pointer, "message": "too large for a number"}
    elif isinstance(value, list):
        for index, item in enumerate(value):
            yield from _unstorable(item, f"{pointer}/{index}")
    elif isinstance(value, dict):
        for key, item in value.items():
            fault = _text_fault(key)
            if fault:
                yield {"pointer": pointer, "message": f"a key {fault}"}
                continue
            token = key.replace("~", "~0").replace("/", "~1")
            yield from _unstorable(item, f"{pointer}/{token}")


def _text_fault(text: str) -> str:
    if "\x00" in text:
        return "contains a NUL character"
    try:
        text.encode()
    except UnicodeEncodeError:
        return "contains a lone surrogate"
    return ""


class StrictJSONParser(BaseParser):
    """The one body kind of the API; `loads` says what is refused."""

    media_type = "application/json"

    def parse(self, stream: Any, media_type: str | None = None, parser_context: Any = None) -> Any:
        """Return the value of a request's body."""
        return loads(stream.read())


class JSONRenderer(BaseRenderer):
    """Compact UTF-8 JSON."""

    media_type = "application/json"
    format = "json"
    charset = None
    render_style = "binary"

    def render(
        self, data: Any, accepted_media_type: str | None = None, renderer_context: Any = None
    ) -> bytes:
        """Return the bytes of an answer; nothing at all for None (204)."""
        return b"" if data is None else dumps(data)
