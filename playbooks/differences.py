"""What makes two texts in like words different advice: a number, a name, a "not", an opposite.

A cosine cannot see it: one word turns advice around, and the more words two texts share the less
that one weighs. Here the words of both are aligned, and what was exchanged is looked at.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from rapidfuzz import fuzz
from rapidfuzz.distance import Indel

from playbooks.content import normal_text

# What is exchanged in a stretch of at most so many words is a detail; more is another wording.
_SHORT = 6
# Texts with at most so many exchanges are one text with words swapped, not two wordings.
_FEW = 2
_SPELLING = 75  # of 100: how alike two spellings of one word are
_MARKED = re.compile(r"[\d_./:#@$%&*=<>{}\[\]\\]|[a-z][A-Z]|[A-Z]{2}")
_ENUMERATOR = re.compile(r"\(?\d+[.)]")
_RANGE = re.compile(r"(\d{1,6})[-–](\d{1,6})")
_LONGEST_RANGE = 100
# Two sentences that have this share of their words in common, in order, say it about one thing.
_COUNTERPART = 0.6
_SENTENCE = re.compile(r"(?<=[.!?;])\s+")
_SPLIT = re.compile(r"[\s/]+")
_EDGE = ".,;:!?()[]{}\"'`“”‘’"
# The controlled language differs by one tool name from lesson to lesson.
FORMULA = re.compile(
    r"(?:in .+ tasks, )?(?:before \S+, call \S+|never repeat an identical \S+|never call \S+"
    r"|do not finish before \S+|after error .+ from \S+, call \S+ before trying \S+ again)",
    re.IGNORECASE,
)
_NEGATION_WORDS = """
    no not never none nothing neither nor without cannot except unless avoid stop skip only
    instead rather unable forbid forbidden refuse
"""
_NEGATIONS = frozenset(_NEGATION_WORDS.split())
_OPPOSITES = [
    (frozenset(one.split()), frozenset(other.split()))
    for one, other in (
        ("least fewest minimum min lowest smallest worst", "most maximum max highest largest best"),
        ("oldest earliest first", "newest latest recent last"),
        ("less fewer below under", "more above over"),
        ("before until", "after once"),
        ("ascending increase increasing", "descending decrease decreasing"),
        ("include including allow enable enabled", "exclude excluding deny disable disabled"),
        ("open opened start begin", "close closed end finish"),
        ("add create insert", "remove delete drop"),
        ("true yes always", "false no never"),
        ("send sent outgoing", "receive received incoming"),
        ("up in on", "down out off"),
        ("all every", "some any none"),
    )
]
# Words that carry little: swapping one of these for another leaves the advice as it was.
_PLAIN_WORDS = """
    a an the this that these those it its they them their there here i you we my your our and or
    but so as by for from in into of on onto to with within at is are was were be been being has
    have had do does did will would should shall must can could may might also just very then when
    while where which who what how if than because since other another same such each all any some
    always ensure make made making sure check checked checking verify verified confirm confirmed
    use used using prefer preferred try tries tried trying remember need needs needed want get
    gets getting got before after first task tasks proper properly
"""
_PLAIN = frozenset(_PLAIN_WORDS.split())


@dataclass(frozen=True, slots=True)
class _Exchange:
    """Words of one text that stand where the other has others; either side may be empty."""

    old: tuple[str, ...]
    new: tuple[str, ...]

    @property
    def is_short(self) -> bool:
        return max(len(self.old), len(self.new)) <= _SHORT


def difference(a: str, b: str) -> str | None:
    """Return what makes two texts in like words different advice, None where nothing does.

    The answer names it, as in "'2' against '3'". It errs on the side of a difference.
    """
    one, other = normal_text(a), normal_text(b)
    if one.casefold() == other.casefold():
        return None
    if FORMULA.fullmatch(one.rstrip(".")) or FORMULA.fullmatch(other.rstrip(".")):
        return "lessons in the controlled language are the same only when equal"
    mine, theirs = _words(one), _words(other)
    exchanges = _all_exchanges(one, other)
    for found in (
        _numbers(mine, theirs),
        _names(mine, theirs, exchanges),
        _opposites(mine, theirs),
        _negations(mine, theirs, exchanges),
        _order(mine, theirs),
        _swaps(mine, theirs, exchanges),
    ):
        if found:
            return found
    return None


def _words(text: str) -> list[str]:
    bare = (w.strip(_EDGE) for w in _SPLIT.split(text) if not _ENUMERATOR.fullmatch(w))
    return [word for word in bare if word]


def _all_exchanges(one: str, other: str) -> list[_Exchange]:
    """Return the exchanges in the sentences that have a counterpart; the rest is further advice."""
    ours, others = _sentences(one), _sentences(other)
    found: dict[_Exchange, None] = {}
    for words in ours:
        likeness = [Indel.normalized_similarity(words, theirs) for theirs in others]
        best = max(likeness, default=0.0)
        if best >= _COUNTERPART:
            found |= dict.fromkeys(_exchanges(words, others[likeness.index(best)]))
    return list(found)


def _sentences(text: str) -> list[list[str]]:
    parts = ([w.casefold() for w in _words(part)] for part in _SENTENCE.split(text))
    return [words for words in parts if words]


def _exchanges(mine: Sequence[str], theirs: Sequence[str]) -> list[_Exchange]:
    """Return what differs after the longest common subsequence of words is taken away."""
    found: dict[_Exchange, None] = {}
    old: list[str] = []
    new: list[str] = []
    for code in Indel.opcodes(mine, theirs):
        if code.tag == "equal":
            if old or new:
                found[_Exchange(tuple(old), tuple(new))] = None
            old, new = [], []
            continue
        old += mine[code.src_start : code.src_end] if code.tag != "insert" else []
        new += theirs[code.dest_start : code.dest_end] if code.tag != "delete" else []
    if old or new:
        found[_Exchange(tuple(old), tuple(new))] = None
    return list(found)


def _against(one: object, other: object) -> str:
    return f"{str(one)!r} against {str(other)!r}"


def _numbers(mine: Sequence[str], theirs: Sequence[str]) -> str | None:
    """Tell where a word has numbers behind it in both texts, and none of them is the same."""
    ours, others = _numbered(mine), _numbered(theirs)
    for word in ours.keys() & others.keys():
        if not ours[word] & others[word]:
            first, second = min(ours[word]), min(others[word])
            return _against(f"{word} {first}", f"{word} {second}")
    return None


def _numbered(words: Sequence[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for before, word in zip(words, words[1:], strict=False):
        if word[0].isdigit():
            found.setdefault(before.casefold(), set()).update(_meant(word))
    return found


def _meant(number: str) -> set[str]:
    """Return the number itself, or each number of a short range such as 2-4."""
    ends = _RANGE.fullmatch(number)
    if ends is None or not 0 < int(ends[2]) - int(ends[1]) < _LONGEST_RANGE:
        return {number}
    return {str(n) for n in range(int(ends[1]), int(ends[2]) + 1)}


def _is_name(word: str) -> bool:
    return bool(_MARKED.search(word)) and not word[0].isdigit()


def _names(
    mine: Sequence[str], theirs: Sequence[str], exchanges: Sequence[_Exchange]
) -> str | None:
    """Tell where a name of one text stands for what the other calls by another name."""
    ours = {w.casefold() for w in mine if _is_name(w)}
    others = {w.casefold() for w in theirs if _is_name(w)}
    for exchange in exchanges:
        old = [w for w in exchange.old if w in ours]
        new = [w for w in exchange.new if w in others]
        swapped = old and new and old != new
        single = exchange.is_short and exchange.old and exchange.new and (old or new)
        if single or (swapped and not set(old) & others and not set(new) & ours):
            return _against(" ".join(exchange.old[:3]), " ".join(exchange.new[:3]))
    return None


def _opposites(mine: Sequence[str], theirs: Sequence[str]) -> str | None:
    """Tell where one text has a word that the other has not, which has its opposite instead."""
    ours, others = {w.casefold() for w in mine}, {w.casefold() for w in theirs}
    own, foreign = ours - others, others - ours
    for one, other in _OPPOSITES:
        for left, right in ((one, other), (other, one)):
            if own & left and foreign & right and not others & left:
                return _against(min(own & left), min(foreign & right))
    return None


def _negations(
    mine: Sequence[str], theirs: Sequence[str], exchanges: Sequence[_Exchange]
) -> str | None:
    """Tell where all that a short exchange changes is that one side says no.

    Where each side has telling words of its own, they speak of different things.
    """
    ours, others = [w.casefold() for w in mine], [w.casefold() for w in theirs]
    for exchange in exchanges:
        counts = [sum(map(_negates, side)) for side in (exchange.old, exchange.new)]
        if not exchange.is_short or counts[0] == counts[1]:
            continue
        if any(_telling(exchange.old, others)) and any(_telling(exchange.new, ours)):
            continue
        side = exchange.old if counts[0] else exchange.new
        return f"only one says {next(w for w in side if _negates(w))!r}"
    return None


def _negates(word: str) -> bool:
    return word in _NEGATIONS or word.endswith(("n't", "n’t"))


def _order(mine: Sequence[str], theirs: Sequence[str]) -> str | None:
    """Tell where the same words, or the names in common, stand in another order."""
    one, other = [w.casefold() for w in mine], [w.casefold() for w in theirs]
    if one != other and sorted(one) == sorted(other):
        return "the same words in another order"
    ours = list(dict.fromkeys(w.casefold() for w in mine if _is_name(w)))
    others = list(dict.fromkeys(w.casefold() for w in theirs if _is_name(w)))
    shared = [w for w in ours if w in others]
    for left, right in zip(shared, (w for w in others if w in ours), strict=True):
        if left != right:
            return f"{left!r} before {right!r} in one only"
    return None


def _swaps(
    mine: Sequence[str], theirs: Sequence[str], exchanges: Sequence[_Exchange]
) -> str | None:
    """Tell where texts that are otherwise one have a telling word each that the other lacks."""
    if len(exchanges) > _FEW or not all(exchange.is_short for exchange in exchanges):
        return None
    ours, others = [w.casefold() for w in mine], [w.casefold() for w in theirs]
    for exchange in exchanges:
        old = next(_telling(exchange.old, others), None)
        new = next(_telling(exchange.new, ours), None)
        if old and new:
            return _against(old, new)
    return None


def _telling(words: Sequence[str], others: Sequence[str]) -> Iterator[str]:
    for word in words:
        if (
            word not in _PLAIN
            and not _negates(word)
            and not any(_is_spelling(word, other) for other in others)
        ):
            yield word


def _is_spelling(word: str, other: str) -> bool:
    if word[0].isdigit():
        return not _meant(word).isdisjoint(_meant(other))
    return fuzz.ratio(word, other) >= _SPELLING
