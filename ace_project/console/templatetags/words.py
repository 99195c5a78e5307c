"""Word diffs, made on the server."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from difflib import SequenceMatcher

from django.utils.html import format_html, format_html_join
from django.utils.safestring import SafeString

from ace_project.core.hidden import reveal

# The marks that begin or join a word are counted, lest a long run of dots take quadratic time.
_TOKEN = re.compile(r"\s+|['’.-]{0,8}\w+(?:['’.-]{1,8}\w+)*|[^\w\s]")
# Past this many token pairs a diff takes seconds and reads as noise: the whole text is replaced.
_MAX_PAIRS = 1_000_000
_ISLAND = 3  # characters


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of text that stayed (`keep`), went (`del`) or came (`ins`)."""

    kind: str
    text: str


def _opcodes(old: list[str], new: list[str]) -> Iterator[tuple[str, str]]:
    """Pairs (text gone, text come); equal where nothing changed."""
    if len(old) * len(new) > _MAX_PAIRS:
        yield "".join(old), "".join(new)
        return
    matcher = SequenceMatcher(None, old, new, autojunk=False)
    for _tag, i1, i2, j1, j2 in matcher.get_opcodes():
        yield "".join(old[i1:i2]), "".join(new[j1:j2])


def _is_island(gone: str, come: str) -> bool:
    """A kept space, comma or short word, too little to read on its own between two changes."""
    return gone == come and len(gone.strip()) <= _ISLAND and "\n" not in gone


def _join_changes(pairs: Iterator[tuple[str, str]]) -> list[tuple[str, str]]:
    """Fold the islands between two changes into both, so that a phrase reads as one change."""
    joined: list[tuple[str, str]] = []
    for gone, come in pairs:
        after_island = len(joined) > 1 and gone != come and _is_island(*joined[-1])
        if after_island and joined[-2][0] != joined[-2][1]:
            island = joined.pop()[0]
            old, new = joined.pop()
            joined.append((old + island + gone, new + island + come))
        else:
            joined.append((gone, come))
    return joined


def word_diff(before: str, after: str) -> list[Segment]:
    """The words that stayed, went and came, in reading order.

    Removing the inserted segments leaves the old words, removing the deleted ones the new words.
    """
    segments: list[Segment] = []
    for gone, come in _join_changes(_opcodes(_TOKEN.findall(before), _TOKEN.findall(after))):
        if gone == come:
            segments.append(Segment("keep", gone))
            continue
        if gone:
            segments.append(Segment("del", gone))
        if come:
            segments.append(Segment("ins", come))
    return segments


def _segment_html(segment: Segment, previous: Segment | None) -> SafeString:
    if segment.kind == "keep":
        return reveal(segment.text)
    text = segment.text
    bare = text.strip() or text
    head = text[: len(text) - len(text.lstrip())] if bare != text else ""
    tail = text[len(head) + len(bare) :]
    gap = " " if previous and previous.kind == "del" and not head and segment.kind == "ins" else ""
    return format_html(
        "{}{}<{}>{}</{}>{}", gap, head, segment.kind, reveal(bare), segment.kind, tail
    )


def word_diff_html(before: str, after: str) -> SafeString:
    """The diff as `<del>` and `<ins>`, escaped, hidden characters shown."""
    segments = word_diff(before, after)
    previous: list[Segment | None] = [None, *segments]
    return format_html_join(
        "", "{}", ((_segment_html(s, p),) for s, p in zip(segments, previous, strict=False))
    )
