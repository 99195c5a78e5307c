"""Lessons that were not written but copied: long spans that stand in a trace word for word."""

import re
from collections.abc import Iterable, Sequence

from playbooks.redaction import fold

BLOCK = 20  # letters and digits
SHORT_SPAN, SHORT_SHARE = 40, 0.7
LONG_SPAN, LONG_SHARE = 60, 0.5
ANY_SPAN = 200
# A run's traces may be large; what is looked at is bounded, the newest first as they come.
MAX_TRACE_LETTERS = 20_000_000
_NOT_LETTERS = re.compile(r"[\W_]+")


def squeezed(text: str) -> str:
    """Return a text's letters and digits in lower case: layout and marks do not tell copies."""
    return _NOT_LETTERS.sub("", fold(text).low)


def longest_copies(texts: Sequence[str], traces: Iterable[str], own: str) -> list[int]:
    """Return for each squeezed text the length of its longest span that a trace holds too.

    Spans of twice `BLOCK` letters and more are always found: any such span holds a whole block of
    the trace. Blocks that `own` (the live playbook, squeezed) holds too are nobody's copy.
    """
    wanted = {text[at : at + BLOCK] for text in texts for at in range(len(text) - BLOCK + 1)}
    longest = [0] * len(texts)
    left = MAX_TRACE_LETTERS
    for trace in traces if wanted else ():
        letters = squeezed(trace[:left])
        left -= len(trace)
        starts = range(0, len(letters) - BLOCK + 1, BLOCK)
        blocks = {
            letters[at : at + BLOCK]: at for at in starts if letters[at : at + BLOCK] in wanted
        }
        blocks = {block: at for block, at in blocks.items() if block not in own}
        if blocks:
            longest = [
                max(best, _longest(text, letters, blocks))
                for best, text in zip(longest, texts, strict=True)
            ]
        if left <= 0:
            break
    return longest


def is_copy(span: int, length: int) -> bool:
    """Tell whether a text of `length` letters is copied, by its longest span in a trace."""
    return (
        span >= ANY_SPAN
        or (span >= LONG_SPAN and span >= LONG_SHARE * length)
        or (span >= SHORT_SPAN and span >= SHORT_SHARE * length)
    )


def _longest(text: str, letters: str, blocks: dict[str, int]) -> int:
    best, at = 0, 0
    while at <= len(text) - BLOCK:
        there = blocks.get(text[at : at + BLOCK])
        if there is None:
            at += 1
            continue
        before = _alike(text[:at][::-1], letters[max(0, there - 2_000) : there][::-1])
        after = _alike(text[at:], letters[there : there + len(text)])
        best = max(best, before + after)
        at += after
    return best


def _alike(one: str, other: str) -> int:
    """Return how many characters two strings begin with in common."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        if one[:middle] == other[:middle]:
            low = middle
        else:
            high = middle - 1
    return low
