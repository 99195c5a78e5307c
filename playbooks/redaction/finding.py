"""What a detector reports: a kind and where it stands."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

from playbooks.redaction.folding import Folded


class Finding(NamedTuple):
    """Something sensitive at `text[start:end]`."""

    kind: str
    start: int
    end: int


# Detectors read the folded text and report positions in it.
Detector = Callable[[Folded], Iterator[Finding]]


def occurrences(text: str, word: str) -> Iterator[int]:
    """Yield where `word` begins in `text`; a plain search is far quicker than a pattern."""
    at = text.find(word)
    while at >= 0:
        yield at
        at = text.find(word, at + len(word))


def starts_word(text: str, at: int) -> bool:
    """Tell whether no letter or digit stands right before a position."""
    return at == 0 or not text[at - 1].isalnum()
