"""Whether an answer is the one expected: the same value, or the same words however written."""

import json
import unicodedata
from typing import Any

_AROUND = " \t\r\n.,;:!?\"'`*"


def same_answer(answer: Any, expected: Any) -> bool:
    """Return whether an answer, text or any JSON value, is the one expected.

    Texts are compared without case, runs of space and punctuation around them (as the exact match
    of SQuAD, Rajpurkar et al. 2016, but articles count); where another value is expected, a text
    is read as JSON. Numbers are equal by value, and true is not 1.
    """
    if isinstance(answer, str) and isinstance(expected, str):
        return _plain(answer) == _plain(expected)
    if isinstance(answer, str):
        try:
            answer = json.loads(answer)
        except (ValueError, RecursionError):
            return False
    return _same_value(answer, expected)


def _plain(text: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", text).casefold().split()).strip(_AROUND)


def _same_value(one: Any, other: Any) -> bool:
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_same_value(one[k], other[k]) for k in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same_value, one, other))
    return isinstance(one, bool) == isinstance(other, bool) and bool(one == other)
