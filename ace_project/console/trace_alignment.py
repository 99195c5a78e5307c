"""Two traces side by side: which calls they share, and where they part. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from evolution.trace_steps import Call

# Past what both begin with, so many steps of each are aligned: the work grows with their product.
MOST_ALIGNED = 300
# Equal calls are worth more than two calls of one tool; those more than nothing.
_SAME, _ALIKE = 3, 1


@dataclass(frozen=True, slots=True)
class Pair:
    """A step of either trace, or one of each that stand for the same.

    `kind` is `same`, `answer` (the same call, answered otherwise), `arguments` (the same tool,
    called otherwise), `left` or `right` (only one has it).
    """

    kind: str
    left: Call | None
    right: Call | None


@dataclass(frozen=True, slots=True)
class Stretch:
    """Pairs in a row: either all the same, or each with a difference."""

    is_same: bool
    pairs: list[Pair]


@dataclass(frozen=True, slots=True)
class Aligned:
    """The stretches of two traces, and how many steps of either were too many to align."""

    stretches: list[Stretch]
    first: Pair | None
    left_over: int
    right_over: int


def align(left: Sequence[Call], right: Sequence[Call]) -> Aligned:
    """Return how two traces go together, step by step."""
    common = _common(left, right)
    until = common + MOST_ALIGNED
    pairs = [_pair(a, b) for a, b in zip(left[:common], right[:common], strict=True)]
    pairs += _aligned(left[common:until], right[common:until])
    return Aligned(
        stretches=list(_stretches(pairs)),
        first=next((pair for pair in pairs if pair.kind != "same"), None),
        left_over=max(0, len(left) - until),
        right_over=max(0, len(right) - until),
    )


def _common(left: Sequence[Call], right: Sequence[Call]) -> int:
    pairs = zip(left, right, strict=False)
    return next(
        (n for n, (a, b) in enumerate(pairs) if not _is_same_call(a, b)), min(len(left), len(right))
    )


def _is_same_call(left: Call, right: Call) -> bool:
    return left.tool == right.tool and left.arguments == right.arguments


def _pair(left: Call, right: Call) -> Pair:
    if not _is_same_call(left, right):
        return Pair("arguments", left, right)
    is_same = left.answer == right.answer and left.error == right.error
    return Pair("same" if is_same else "answer", left, right)


def _worth(left: Call, right: Call) -> int:
    if left.tool != right.tool:
        return 0
    return _SAME if left.arguments == right.arguments else _ALIKE


def _aligned(left: Sequence[Call], right: Sequence[Call]) -> list[Pair]:
    """Return the alignment worth most, in the order of both (a longest common subsequence)."""
    best = _table(left, right)
    pairs, a, b = [], 0, 0
    while a < len(left) and b < len(right):
        worth = _worth(left[a], right[b])
        if worth and best[a][b] == best[a + 1][b + 1] + worth:
            pairs.append(_pair(left[a], right[b]))
            a, b = a + 1, b + 1
        elif best[a][b] == best[a + 1][b]:
            pairs.append(Pair("left", left[a], None))
            a += 1
        else:
            pairs.append(Pair("right", None, right[b]))
            b += 1
    pairs += [Pair("left", call, None) for call in left[a:]]
    return pairs + [Pair("right", None, call) for call in right[b:]]


def _table(left: Sequence[Call], right: Sequence[Call]) -> list[list[int]]:
    """Return what the rest of both is worth, from each pair of places on."""
    best = [[0] * (len(right) + 1) for _ in range(len(left) + 1)]
    for a in range(len(left) - 1, -1, -1):
        row, below = best[a], best[a + 1]
        for b in range(len(right) - 1, -1, -1):
            worth = _worth(left[a], right[b])
            both = below[b + 1] + worth if worth else 0
            row[b] = max(both, below[b], row[b + 1])
    return best


def _stretches(pairs: Sequence[Pair]) -> Iterator[Stretch]:
    here: list[Pair] = []
    for pair in pairs:
        if here and (here[-1].kind == "same") != (pair.kind == "same"):
            yield Stretch(here[0].kind == "same", here)
            here = []
        here.append(pair)
    if here:
        yield Stretch(here[0].kind == "same", here)
