"""JSON from outside: strict where JSON leaves a choice, bounded, and clean enough to be stored."""

import json
import re
from typing import Any

_MAX_DEPTH = 64
_SURROGATE = re.compile("[\ud800-\udfff]")
_THOUGHTS = re.compile(r"\A\s*<think>.*?</think>", re.DOTALL)
# No line break among the blanks: with a long run of them each split would be tried.
_FENCE = re.compile(r"```(?:json)?[^\S\n]*\n(.*?)```", re.DOTALL)


def clean_text(text: str) -> str:
    """Return `text` as PostgreSQL and UTF-8 can hold it: NUL and lone surrogates replaced."""
    return _SURROGATE.sub("\ufffd", text.replace("\x00", "\ufffd"))


def parse(raw: str | bytes) -> Any:
    """Return the document in `raw`; raises ValueError for what is not one, clear JSON document.

    That is also a key given twice, NaN and the infinities, and more than 64 levels. NUL and
    lone surrogates in its texts are replaced.
    """
    try:
        text = raw.decode("utf-8") if isinstance(raw, bytes) else raw
        document = json.loads(
            text, object_pairs_hook=_once, parse_constant=_no_constant, parse_float=_finite
        )
    except RecursionError:
        raise ValueError("it is nested too deeply") from None
    return clean(document)


def find(text: str) -> Any:
    """Return the JSON object or list that `text` is or holds, None where there is none.

    Models without structured output put it between fences, or words before and after it.
    """
    rest = _THOUGHTS.sub("", text).strip()
    fenced = [found.strip() for found in _FENCE.findall(rest)]
    inner = rest[rest.find("{") : rest.rfind("}") + 1]
    for candidate in (rest, *fenced[:1], inner):
        try:
            value = parse(candidate)
        except ValueError:
            continue
        if isinstance(value, dict | list):
            return value
    return None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    document = dict(pairs)
    if len(document) != len(pairs):
        raise ValueError("it gives a key twice")
    return document


def _no_constant(name: str) -> Any:
    raise ValueError(f"{name} is no number of JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise ValueError("it holds a number beyond all bounds")
    return number


def clean(value: Any, depth: int = 0) -> Any:
    """Return `value` with its texts as `clean_text` has them; ValueError if nested too deeply."""
    if depth > _MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, list):
        return [clean(item, depth + 1) for item in value]
    if isinstance(value, dict):
        return {clean_text(key): clean(item, depth + 1) for key, item in value.items()}
    return value
