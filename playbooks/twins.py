"""Lessons that say the same in like words: TF-IDF cosines of all pairs, and clusters of them.

The usual definition: words and pairs of neighbouring words, 1 + ln of their count, times the
smooth inverse document frequency, at length 1 (Salton and Buckley 1988, Term-weighting
approaches in automatic text retrieval). All pairs are sifted by dense sketches of the vectors
(signed feature hashing, Weinberger et al. 2009), block by block; what passes is computed exactly.
"""

import heapq
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]
Ints = npt.NDArray[np.int64]
Pair = tuple[int, int, float]

# From here on two texts in other words count as one lesson, and others join them while the mean
# stays at MEAN. Set on recorded lessons labelled by hand: docs/learning.md has the figures.
SAME = 0.7
MEAN = 0.6
# Pairs below this count as nothing in the mean of a cluster.
_FELT = 0.4
# Pairs kept at most, the strongest first: of 10,000 equal texts there would be 50 million.
MOST = 500_000
_WIDTH = 512  # of a sketch
_ROWS = 512  # of a block
# A sketch's cosine errs by at most about 1 / sqrt(width) one time in three: four times that.
_SLACK = 4 / np.sqrt(_WIDTH)
_GATHERED = 2_000_000  # numbers gathered at once when pairs are computed exactly
# Thai, Lao, Japanese and Chinese put no spaces between words: there every sign is one.
_SIGNS = "\u0e00-\u0eff\u3040-\u30ff\u3400-\u9fff"
_WORD = re.compile(rf"[{_SIGNS}]|[^\W{_SIGNS}]+")
_ENDING = re.compile(r"(?<=[a-z]{3})(?:ing|ed|en|es|s|e)$")


@dataclass(frozen=True, slots=True)
class _Rows:
    """Sparse rows of (N) texts: `columns` and `values` from starts[i] to starts[i + 1]."""

    starts: Ints  # (N + 1,)
    columns: npt.NDArray[np.int32]  # (nnz,)
    values: Floats  # (nnz,)


class Index:
    """The vectors of some texts: which of them are like each other, or like a new one."""

    def __init__(self, texts: Sequence[str], *, loose: bool = False) -> None:
        """Read the texts; `loose` looks at stems in any order, for the same in other words.

        Only a number belongs to the word before it then: "drawer 3" is not "drawer 5".
        """
        self._loose = loose
        self._words: dict[str, int] = {}
        owners, keys = self._features([self._numbered(text) for text in texts])
        self._keys, columns = np.unique(keys, return_inverse=True)
        self._count = len(texts)
        cells, counts = np.unique(owners * len(self._keys) + columns, return_counts=True)
        rows, used = np.divmod(cells, max(1, len(self._keys)))
        self._idf = _rarity(np.bincount(used, minlength=len(self._keys)), self._count)
        values = (1 + np.log(counts)) * self._idf[used]
        lengths = np.sqrt(np.bincount(rows, weights=values**2, minlength=self._count))
        starts = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=self._count))])
        self._rows = _Rows(
            starts, used.astype(np.int32), (values / lengths[rows]).astype(np.float32)
        )

    def _numbered(self, text: str) -> list[int]:
        numbers = self._words
        return [numbers.setdefault(word, len(numbers)) for word in self._read(text)]

    def _read(self, text: str) -> list[str]:
        words = _WORD.findall(text.lower())
        return [_ENDING.sub("", word) for word in words] if self._loose else words

    def _features(self, texts: Sequence[Sequence[int]]) -> tuple[Ints, Ints]:
        """Return owner and key of every word and of every two neighbours of each text."""
        sizes = np.array([len(words) for words in texts], dtype=np.int64)
        owners = np.repeat(np.arange(len(texts)), sizes)
        words = np.array([word for numbers in texts for word in numbers], dtype=np.int64)
        pairs = owners[1:] == owners[:-1]
        if self._loose:
            digits = np.array([word[0].isdigit() for word in self._words] + [False])
            pairs &= digits[words[1:]]
        twos = ((words[:-1] + 1) << 32 | words[1:])[pairs]
        return np.concatenate([owners, owners[1:][pairs]]), np.concatenate([words, twos])

    def like(self, text: str, threshold: float) -> list[tuple[int, float]]:
        """Return the texts whose cosine with a new one is at least `threshold`, best first."""
        unknown = len(self._words)
        words = [self._words.get(word, unknown) for word in self._read(text)]
        keys, counts = np.unique(self._features([words])[1], return_counts=True)
        weights = 1 + np.log(counts)
        places = np.minimum(np.searchsorted(self._keys, keys), max(0, len(self._keys) - 1))
        known = self._keys[places] == keys if len(self._keys) else np.zeros(len(keys), bool)
        idf = np.where(known, self._idf[places] if len(self._keys) else 0, _rarity(0, self._count))
        values = weights * idf
        dense = np.zeros(len(self._keys), np.float32)
        dense[places[known]] = values[known] / (np.sqrt((values**2).sum()) or 1)
        found = _sums(dense[self._rows.columns] * self._rows.values, self._rows.starts)
        order = np.flatnonzero(found >= threshold)
        order = order[np.argsort(-found[order], kind="stable")]
        return [(int(i), float(found[i])) for i in order]

    def pairs(self, threshold: float, most: int = MOST) -> list[Pair]:
        """Return (i, j, cosine) of the pairs i < j at `threshold` or above, the strongest first.

        Cosines are exact to six digits. Of pairs within a hair of the threshold one in ten
        thousand or so may be missed; of more than `most` the strongest are returned.
        """
        found = [self._exact(left, right, threshold) for left, right in self._sifted(threshold)]
        if not found:
            return []
        left, right, cosines = (np.concatenate(part) for part in zip(*found, strict=True))
        order = np.lexsort((right, left, -cosines))[:most]
        rows = zip(left[order], right[order], cosines[order], strict=True)
        return [(int(i), int(j), float(c)) for i, j, c in rows]

    def _sifted(self, threshold: float) -> Iterator[tuple[Ints, Ints]]:
        """Yield the pairs whose sketches are alike, by blocks of rows."""
        sketches = self._sketches()
        for start in range(0, self._count, _ROWS):
            alike = sketches[start : start + _ROWS] @ sketches[start:].T
            rows, columns = np.divmod(np.flatnonzero(alike >= threshold - _SLACK), alike.shape[1])
            above = columns > rows
            if above.any():
                yield rows[above] + start, columns[above] + start

    def _sketches(self) -> Floats:
        """Return dense vectors (N, width) whose products are near the cosines."""
        rows = self._rows
        mixed = np.arange(len(self._keys), dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        mixed *= np.uint64(0xBF58476D1CE4E5B9)
        signs = np.where(mixed >> np.uint64(63), 1, -1)
        slots = ((mixed >> np.uint64(20)) % np.uint64(_WIDTH)).astype(np.int64)
        owners = np.repeat(np.arange(self._count), np.diff(rows.starts))
        flat = np.bincount(
            owners * _WIDTH + slots[rows.columns],
            weights=rows.values * signs[rows.columns],
            minlength=self._count * _WIDTH,
        )
        return flat.astype(np.float32).reshape(self._count, _WIDTH)

    def _exact(self, left: Ints, right: Ints, threshold: float) -> tuple[Ints, Ints, Floats]:
        """Return those pairs (sorted by `left`) whose cosine is at `threshold` or above."""
        rows = self._rows
        dense = np.zeros(len(self._keys), np.float32)
        cosines = np.empty(len(left), np.float32)
        bounds = np.flatnonzero(np.diff(left, prepend=-1))
        for begin, end in zip(bounds, [*bounds[1:], len(left)], strict=True):
            own = slice(rows.starts[left[begin]], rows.starts[left[begin] + 1])
            dense[rows.columns[own]] = rows.values[own]
            cosines[begin:end] = self._products(dense, right[begin:end])
            dense[rows.columns[own]] = 0
        kept = cosines >= threshold
        return left[kept], right[kept], np.minimum(cosines[kept], 1)

    def _products(self, dense: Floats, others: Ints) -> Floats:
        """Return the products (M,) of one vector with the rows `others`."""
        rows = self._rows
        sizes = rows.starts[others + 1] - rows.starts[others]
        ends = np.cumsum(sizes)
        cells = np.arange(ends[-1]) + np.repeat(rows.starts[others] - ends + sizes, sizes)
        products = dense[rows.columns[cells]] * rows.values[cells]
        return _sums(products, np.concatenate([[0], ends]))


def _rarity(texts_with: npt.ArrayLike, texts: int) -> npt.NDArray[np.float64]:
    return np.asarray(np.log((1 + texts) / (1 + np.asarray(texts_with))) + 1)


def _sums(values: Floats, starts: Ints) -> Floats:
    """Return the sums of values[starts[i]:starts[i + 1]]; an empty run sums to nothing."""
    running = np.concatenate([[0.0], np.cumsum(values, dtype=np.float64)])
    return np.asarray(running[starts[1:]] - running[starts[:-1]], dtype=np.float32)


def pairs(texts: Sequence[str], threshold: float) -> list[Pair]:
    """Return (i, j, cosine) of all pairs of texts at `threshold` or above, the strongest first."""
    return Index(texts).pairs(threshold)


def clusters(
    texts: Sequence[str],
    threshold: float = SAME,
    differ: Callable[[str, str], object] = lambda a, b: None,
) -> list[list[int]]:
    """Return the groups of two or more texts that say the same in other words, as `linked` does.

    Texts that `differ` tells apart, and that are as alike as a group's mean, never share a group.
    """
    mean = min(MEAN, threshold)
    found = Index(texts, loose=True).pairs(min(_FELT, mean))
    return linked(len(texts), found, (threshold, mean), lambda i, j: differ(texts[i], texts[j]))


def linked(
    count: int,
    found: Sequence[Pair],
    thresholds: tuple[float, float],
    differ: Callable[[int, int], object],
) -> list[list[int]]:
    """Return the groups of two or more of `count` texts, each in the order of the texts.

    Average linkage over the pairs that were found, others count as nothing alike: groups are
    joined, the closest first, while the mean cosine between them is at the second threshold, so
    that no chain of small steps joins what is far apart (Sokal and Michener 1958, UPGMA), and
    their closest pair at the first, so that some two of them do say the same.
    """
    return _Linkage(count, found, thresholds, differ).groups()


class _Linkage:
    """Groups while they are joined: members, likeness between them, what stays apart."""

    def __init__(
        self,
        count: int,
        found: Sequence[Pair],
        thresholds: tuple[float, float],
        differ: Callable[[int, int], object],
    ) -> None:
        self._closest, self._mean = thresholds
        self._members: dict[int, list[int]] = {i: [i] for i in range(count)}
        # By group and other group: the sum of cosines between them, and the highest.
        self._sums: dict[int, dict[int, tuple[float, float]]] = {i: {} for i in range(count)}
        self._apart: dict[int, set[int]] = {i: set() for i in range(count)}
        self._heap: list[tuple[float, int, int]] = []
        for i, j, cosine in found:
            if cosine >= self._mean and differ(i, j):
                self._apart[i].add(j)
                self._apart[j].add(i)
                continue
            self._sums[i][j] = self._sums[j][i] = (cosine, cosine)
            self._push(i, j)

    def groups(self) -> list[list[int]]:
        """Join what is closest until nothing close enough is left."""
        made = len(self._members)
        while self._heap:
            _, one, other = heapq.heappop(self._heap)
            if one in self._members and other in self._members:
                self._join(one, other, made)
                made += 1
        return sorted(sorted(group) for group in self._members.values() if len(group) > 1)

    def _join(self, one: int, other: int, new: int) -> None:
        self._members[new] = self._members.pop(one) + self._members.pop(other)
        self._apart[new] = self._apart.pop(one) | self._apart.pop(other)
        for group in self._apart[new]:
            self._apart.get(group, set()).add(new)
        sums = self._sums.pop(one)
        for group, (value, top) in self._sums.pop(other).items():
            known, highest = sums.get(group, (0.0, 0.0))
            sums[group] = (known + value, max(highest, top))
        self._sums[new] = {g: v for g, v in sums.items() if g in self._members}
        for group, likeness in self._sums[new].items():
            self._sums[group][new] = likeness
            self._push(new, group)

    def _push(self, one: int, other: int) -> None:
        if other in self._apart[one]:
            return
        total, highest = self._sums[one][other]
        mean = total / (len(self._members[one]) * len(self._members[other]))
        if mean >= self._mean and highest >= self._closest:
            heapq.heappush(self._heap, (-mean, one, other))
