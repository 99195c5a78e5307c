"""Near-duplicate lessons: the same advice in almost the same words, and nothing less.

The score is rapidfuzz's ratio (normalised indel similarity, 0 to 1) of the case-folded texts. A
high score is not enough: one other tool name, number, negation or order turns advice around, and
those are single words. So texts that differ in such a word are never duplicates.
"""

import re
from collections.abc import Sequence
from typing import Any

from rapidfuzz import fuzz, process

from playbooks.content import Content, bullet_id, normal_text
from playbooks.differences import FORMULA
from playbooks.operations.application import Draft
from playbooks.operations.pointer import NotApplicable
from playbooks.operations.shape import Operation

THRESHOLD = 0.9
MAX_CLOSE = 50

# One word of these, more or less or swapped for another, and the advice is another one.
_TURNING_WORDS = """
    no not never none nothing neither nor without cannot except unless avoid stop skip only all
    any each every always some before after first last until while then instead if when
    and or min max minimum maximum more less most least above below over under up down in out on
    off true false yes enable disable enabled disabled include exclude ascending descending
    increase decrease allow deny open close start end add remove create delete
"""
_TURNING = frozenset(_TURNING_WORDS.split())
_MARKED = re.compile(r"[\d_./:#@$%&*=<>{}\[\]()\\]|[a-z][A-Z]|[A-Z]{2}")
_QUOTED = re.compile(r"`[^`]*`|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")


def near_duplicate(
    text: str, candidates: Sequence[str], threshold: float = THRESHOLD
) -> tuple[int, float] | None:
    """Return index and score (0 to 1) of the candidate most like `text`, None where none is.

    Equal texts (up to white space) score 1. Others need a score of at least `threshold`, and the
    same numbers, identifiers, quoted words, negations and other turning words in the same order.
    """
    close = process.extract(
        text,
        candidates,
        scorer=fuzz.ratio,
        processor=str.casefold,
        score_cutoff=100 * threshold,
        limit=MAX_CLOSE,
    )
    for candidate, score, index in close:
        if normal_text(candidate) == normal_text(text):
            return index, 1.0
        if _says_the_same(text, candidate):
            return index, score / 100
    return None


def _says_the_same(a: str, b: str) -> bool:
    if FORMULA.fullmatch(normal_text(a).rstrip(".")) or FORMULA.fullmatch(
        normal_text(b).rstrip(".")
    ):
        return False
    return _signature(a) == _signature(b) and not _swaps_a_word(a, b)


def _signature(text: str) -> list[str]:
    """Return what may not differ, in reading order: names, numbers, quotes, turning words."""
    marks = [quoted.strip("`'\"").casefold() for quoted in _QUOTED.findall(text)]
    for position, word in enumerate(_words(text)):
        bare = word.casefold()
        named = position > 0 and word[0].isupper()
        negated = bare.endswith(("n't", "n’t"))
        if bare in _TURNING or negated or named or _MARKED.search(word):
            marks.append("not" if negated else bare)
    return marks


def _words(text: str) -> list[str]:
    found = (word.strip(".,;:!?()[]{}\"'`“”‘’") for word in text.split())
    return [word for word in found if word]


def _swaps_a_word(a: str, b: str) -> bool:
    """Tell whether each text has a word that is not a spelling of any word of the other."""
    one = {word.casefold() for word in _words(a)}
    other = {word.casefold() for word in _words(b)}
    return _has_own(one - other, other - one) and _has_own(other - one, one - other)


def _has_own(words: set[str], others: set[str]) -> bool:
    return any(all(fuzz.ratio(word, other) < 75 for other in others) for word in words)


def fold(
    operations: Sequence[Operation], content: Content
) -> tuple[list[Operation], list[dict[str, Any]]]:
    """Return generated operations without the adds that say what their section says already.

    An add that puts back what was removed before it stays: without it a lesson would be lost. The
    notes tell, for each add left out: `{"index", "section", "text", "bullet_id", "score"}`, with
    the id of the twin. The operations before an add are taken into account.
    """
    draft = Draft(content)
    kept: list[Operation] = []
    notes: list[dict[str, Any]] = []
    for index, operation in enumerate(operations):
        is_new = _adds(operation) and not _puts_back(operation, kept)
        note = _twin(operation, draft.texts(operation["section"])) if is_new else None
        if note:
            notes.append({"index": index, **note})
            continue
        kept.append(operation)
        try:
            draft.perform(operation)
        except NotApplicable:
            continue  # The conflict judge has the word on it; a fold only looks.
    return kept, notes


def _adds(operation: Operation) -> bool:
    return operation["op"] == "add"


def _puts_back(add: Operation, before: Sequence[Operation]) -> bool:
    name = bullet_id(add["section"], add["text"])
    return any(known["op"] == "remove" and known["bullet_id"] == name for known in before)


def _twin(operation: Operation, texts: Sequence[str]) -> dict[str, Any] | None:
    found = near_duplicate(operation["text"], texts)
    if found is None:
        return None
    index, score = found
    section = operation["section"]
    return {
        "section": section,
        "text": operation["text"],
        "bullet_id": bullet_id(section, texts[index]),
        "score": round(score, 4),
    }
