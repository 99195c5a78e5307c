"""Restrictions in plain words: whether a text forbids, permits, or is looser than it was. Pure."""

import re
from collections import Counter

from rapidfuzz import fuzz

from evolution.opposites import NEGATIVE

_RESTRICTING = re.compile(
    r"\b(?:never|not|no|nobody|none|nothing|cannot|\w+n['’]t|must|shall|only|always|every|all|each"
    r"|without|required?|requires|forbidden|prohibited|refuse|at most|at least|no more than"
    r"|up to|maximum|minimum|limit(?:ed)?)\b",
    re.IGNORECASE,
)
_ESCAPE = re.compile(
    r"\b(?:unless|except|excluding|other than|apart from|usually|normally|generally|typically"
    r"|often|mostly|sometimes|preferably|ideally|try to|consider|optional(?:ly)?"
    r"|if (?:possible|convenient|needed|necessary|you (?:want|like|can))"
    r"|(?:where|when) (?:possible|convenient|practical)|as (?:appropriate|needed)"
    r"|at (?:your|its) discretion|(?:should|may|can|could|might)(?! not\b))\b",
    re.IGNORECASE,
)
_PERMISSION = re.compile(
    r"\b(?:(?:you|the agent|agents?|it|we|one) (?:may|can|could|might)(?! ?not\b|['’]t)"
    r"|(?:is|are|be) (?:allowed|permitted|fine|ok|okay|acceptable|optional|unnecessary)"
    r"|(?:need not|no need to|not (?:needed|necessary|required)|(?:do|does) not (?:have|need) to"
    r"|don['’]t (?:have|need) to|feel free|it is safe to))",
    re.IGNORECASE,
)
_VALUE = re.compile(r"\d+(?:[.,]\d+)*|\bTrue\b|\bFalse\b")
# Under this two wordings have too little in common to be compared.
_ALIKE = 50.0


def loosened(before: str, after: str) -> str:
    """Return how a rewording loosens a restriction, as words for "it ..."; empty if it does not.

    Another number may be a tighter limit; that is for a person to tell.
    """
    gone = _words(_RESTRICTING, before) - _words(_RESTRICTING, after)
    if gone:
        return f"drops “{next(iter(gone))}”"
    escapes = _words(_ESCAPE, after) - _words(_ESCAPE, before)
    if escapes:
        return f"adds “{next(iter(escapes))}”"
    if len(NEGATIVE.findall(before)) % 2 != len(NEGATIVE.findall(after)) % 2:
        return "turns around what is said"
    values, others = _VALUE.findall(before), _VALUE.findall(after)
    if values != others:
        return f"changes {', '.join(values) or 'nothing'} to {', '.join(others) or 'nothing'}"
    if fuzz.token_set_ratio(before.casefold(), after.casefold()) < _ALIKE:
        return "says something else"
    return ""


def permits(text: str) -> str:
    """Return the words by which a text permits something; empty where it does not."""
    found = _PERMISSION.search(text)
    return found[0].strip() if found else ""


def _words(pattern: re.Pattern[str], text: str) -> Counter[str]:
    return Counter(" ".join(word.casefold().split()) for word in pattern.findall(text))
