"""Lessons that cannot both be obeyed: by the controlled language, or by a turned word. Pure."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz, process

from evolution.lessons import contradicts, parse

# Longer texts are not compared.
MAX_TEXT = 600
NEGATIVE = re.compile(r"\b(?:\w+n['’]t|not|never|no longer|avoid|refuse|cannot|without)\b", re.I)

# What may stand between a lesson and its opposite: both read the same without it.
_TURNING = re.compile(
    r"\b(?:do not|don['’]t|does not|must not|should not|shall not|may not|can ?not|can['’]t"
    r"|never|not|no longer|avoid|refuse to|without|always|do|must|should|shall|please|ensure to"
    r"|make sure to)\b",
    re.IGNORECASE,
)
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_WORD = re.compile(r"[\w'’-]+")
_ALIKE = 90.0  # rapidfuzz's ratio of two bare texts
_LONG_ENOUGH = 12  # characters of a bare text; shorter ones are alike by chance
_LOOKED_AT = 20


@dataclass(frozen=True, slots=True)
class Opposite:
    """What a text is at odds with: `how` as words between both; `clear` where it is beyond doubt.

    `text` is empty where only several lessons together are at odds with it.
    """

    how: str
    text: str
    clear: bool


class Opposites:
    """Lessons that a new one may contradict."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = [text for text in texts if len(text) <= MAX_TEXT]
        parsed = ((text, parse(text)) for text in self._texts)
        self._controlled = [(text, lesson) for text, lesson in parsed if lesson is not None]
        self._bare = [_bare(text) for text in self._texts]

    def of(self, text: str) -> Opposite | None:
        """Return the lesson that a text is at odds with, None where there is none."""
        lesson = parse(text)
        if lesson is None:
            return self._turned(text)
        if not contradicts(lesson, [other for _, other in self._controlled]):
            return None
        alone = (said for said, other in self._controlled if contradicts(lesson, [other]))
        other = next(alone, "")
        words = "cannot be obeyed together with" + ("" if other else " others that stand")
        return Opposite(words, other, clear=True)

    def _turned(self, text: str) -> Opposite | None:
        bare = _bare(text)
        if len(bare) < _LONG_ENOUGH:
            return None
        near = process.extract(
            bare, self._bare, scorer=fuzz.ratio, score_cutoff=_ALIKE, limit=_LOOKED_AT
        )
        others = [self._texts[index] for _, _, index in near]
        for other in others:
            if len(NEGATIVE.findall(text)) % 2 != len(NEGATIVE.findall(other)) % 2:
                return Opposite("is the opposite of", other, clear=True)
        for other in others:
            if _bare(other) == bare and _NUMBER.findall(text) != _NUMBER.findall(other):
                return Opposite("names another number than", other, clear=False)
        return None


def _bare(text: str) -> str:
    """Return a text without what turns it into its opposite, and without its numbers."""
    return " ".join(_WORD.findall(_NUMBER.sub("0", _TURNING.sub(" ", text)).casefold()))
