"""What may leave a playbook, with what speaks for it: merges of twins, removals of what is stale,
harmful or too much for the token budget. Pure; nothing here is applied without a person.
"""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np

from evolution.bullet_effects import NOTHING, Effect
from evolution.lessons import parse
from evolution.stats import Bools, Ints
from playbooks.content import Bullet, section_slug
from playbooks.differences import difference
from playbooks.tokens import estimate_tokens
from playbooks.twins import Index, Pair, linked

# Near-duplicates: twins at this cosine or above, on the average of a cluster.
MERGE = 0.7
_LOOKED_AT = 0.5  # pairs from here on are looked at, to show what is near the threshold
# Not used in so many runs in a row that could have used it.
STALE_AFTER = 500
# Nothing measured speaks for or against: what is offered for want of use or of room.
UNDECIDED = 0.5
MOST_SURE = 0.95
_FRAME_TOKENS = 3  # quotes and a comma around a bullet
_WORDIEST = 2.0  # times the median length: longer texts of a cluster ramble


@dataclass(frozen=True, slots=True)
class Standing:
    """A bullet of the playbook and what is known of it."""

    bullet: Bullet
    effect: Effect = NOTHING
    used: int = 0  # runs that used it, ever
    # Runs among the newest that could have used it, and how many of them came after its last use.
    able: int = 0
    idle: int = 0

    @property
    def name(self) -> str:
        """Return the bullet's id."""
        return self.bullet.bullet_id

    @property
    def tokens(self) -> int:
        """Return how many tokens go when the bullet goes, at most."""
        return estimate_tokens(self.bullet.text) + _FRAME_TOKENS

    @property
    def is_constraint(self) -> bool:
        """Whether it is a rule: those are not there to be used often."""
        return section_slug(self.bullet.section) == "constraints"


@dataclass(frozen=True, slots=True)
class Offer:
    """A change that a person may want: `seen` is how many runs its evidence rests on."""

    kind: str
    names: tuple[str, ...]
    operations: list[dict[str, Any]]
    reasoning: str
    confidence: float
    evidence: dict[str, Any]
    seen: int = 0
    tokens: int = 0


@dataclass(frozen=True, slots=True)
class Near:
    """A pair of bullets near the threshold: offered as one lesson, or why not."""

    first: str
    second: str
    cosine: float
    offered: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Twins:
    """The near-duplicates of a playbook: offers, and every pair that was looked at."""

    offers: list[Offer] = field(default_factory=list)
    pairs: list[Near] = field(default_factory=list)


def able_runs(bullet: Bullet, introduced: int, versions: Ints, kinds: Sequence[str]) -> Bools:
    """Return which of N runs could have used a bullet: it stood there, for their task type.

    `versions` (N,) are the runs' playbook versions, 0 where unknown; `kinds` their task types.
    """
    stood = (versions > 0) & (versions >= introduced)
    lesson = parse(bullet.text)
    if lesson is None or lesson.task_type is None:
        return np.asarray(stood, dtype=bool)
    return np.asarray(stood & (np.array(kinds) == lesson.task_type), dtype=bool)


def idle_since(used: Bools, able: Bools) -> int:
    """Return how many runs (oldest first) could have used it after the last that did."""
    last = np.flatnonzero(used)
    return int(able[last[-1] + 1 :].sum() if last.size else able.sum())


def merges(
    standing: Sequence[Standing], apart: Callable[[str, str], bool] = lambda a, b: False
) -> Twins:
    """Offer to merge each cluster of near-duplicates into one of its own texts.

    Pairs that one telling word tells apart, or that `apart` names, are never merged.
    """
    texts = [known.bullet.text for known in standing]
    found = Index(texts).pairs(_LOOKED_AT)
    reasons = {(i, j): _reason(standing[i], standing[j], apart) for i, j, _ in found}
    groups = linked(len(texts), found, (MERGE, MERGE), lambda i, j: reasons[i, j])
    home = {i: number for number, group in enumerate(groups) for i in group}
    cosines = {(i, j): cosine for i, j, cosine in found}
    offers = [_merge([standing[i] for i in group], _within(group, cosines)) for group in groups]
    pairs = [_near(standing, pair, home, reasons[pair[0], pair[1]]) for pair in found]
    offers.sort(key=lambda offer: -offer.confidence)
    return Twins(offers, pairs)


def _reason(one: Standing, other: Standing, apart: Callable[[str, str], bool]) -> str:
    if apart(one.name, other.name):
        return "a person turned it down"
    return difference(one.bullet.text, other.bullet.text) or ""


def _within(group: Sequence[int], cosines: Mapping[tuple[int, int], float]) -> list[Pair]:
    places = {index: place for place, index in enumerate(group)}
    return [
        (places[i], places[j], cosines[i, j])
        for i in group
        for j in group
        if i < j and (i, j) in cosines
    ]


def _near(standing: Sequence[Standing], pair: Pair, home: Mapping[int, int], why: str) -> Near:
    i, j, cosine = pair
    offered = i in home and home[i] == home.get(j)
    if not offered and not why:
        why = "closer to others" if cosine >= MERGE else "below the threshold"
    return Near(standing[i].name, standing[j].name, cosine, offered, "" if offered else why)


def _merge(group: Sequence[Standing], pairs: Sequence[Pair]) -> Offer:
    kept = _kept(group)
    names = tuple(dict.fromkeys([kept.name, *(known.name for known in group)]))
    cosines = [cosine for *_, cosine in pairs]
    low, high = min(cosines), max(cosines)
    span = f"{low:.2f}" if high - low < 0.005 else f"{low:.2f} to {high:.2f}"
    return Offer(
        kind="near_duplicates",
        names=names,
        operations=_merging(kept, group),
        reasoning=(
            f"{len(group)} bullets say the same in nearly the same words (TF-IDF cosine {span})."
            f" The wording kept is one of them, {_why_kept(kept)}; nothing is reworded, and runs"
            " that name the others count for it."
            if len(names) > 1
            else f"The same bullet stands {len(group)} times in its section. It stays once, in"
            " the place of the first."
        ),
        confidence=min(MOST_SURE, low),
        evidence={
            "kind": "near_duplicates",
            "pairs": [
                {"a": group[i].name, "b": group[j].name, "cosine": round(float(cosine), 4)}
                for i, j, cosine in pairs
            ],
            "kept": kept.name,
            "tokens_saved": sum(k.tokens for k in group) - kept.tokens,
        },
        tokens=sum(known.tokens for known in group) - kept.tokens,
    )


def _clear_gain(known: Standing) -> float:
    effect = known.effect.overall
    return max(0.0, effect.low) if known.effect.is_known and effect else 0.0


def _kept(group: Sequence[Standing]) -> Standing:
    """Return the bullet that clearly helps most, or else the longest that does not ramble."""
    usual = median(len(known.bullet.text) for known in group)
    terse = [known for known in group if len(known.bullet.text) <= _WORDIEST * usual]
    return max(terse, key=lambda known: (_clear_gain(known), len(known.bullet.text)))


def _why_kept(kept: Standing) -> str:
    return "the one that clearly helped" if _clear_gain(kept) > 0 else "the one that says most"


def _merging(kept: Standing, group: Sequence[Standing]) -> list[dict[str, Any]]:
    """Return what leaves one bullet of a cluster; equal texts of a section share one id."""
    bullet, name = kept.bullet, kept.name
    times = [known.name for known in group]
    single = [other for other in dict.fromkeys(times) if other != name and times.count(other) == 1]
    names = [*dict.fromkeys([name, *times])]
    if times.count(name) > 1 and single:
        # The first named takes the text and its place, so it must stand only once.
        names = [single[0], *(other for other in names if other != single[0])]
        return [{"op": "merge", "bullet_ids": names, "text": bullet.text}]
    operations: list[dict[str, Any]] = []
    if len(names) > 1:
        operations.append({"op": "merge", "bullet_ids": names, "text": bullet.text})
    if times.count(name) > 1:
        again = {"op": "add", "section": bullet.section, "text": bullet.text}
        first = min(known.bullet.position for known in group if known.name == name)
        operations += [{"op": "remove", "bullet_id": name}, again | {"position": first}]
    return operations


def harmful(standing: Iterable[Standing]) -> list[Offer]:
    """Offer to remove what runs fail with: an interval wholly below zero, allowing for many."""
    found = [known for known in standing if known.effect.is_harmful]
    found.sort(key=lambda known: known.effect.overall.value if known.effect.overall else 0.0)
    return [_harmful(known) for known in _once(found)]


def _harmful(known: Standing) -> Offer:
    effect, whole = known.effect, known.effect.overall
    assert whole is not None
    assert effect.q_value is not None
    used, unused = effect.used, effect.unused
    return Offer(
        kind="harmful",
        names=(known.name,),
        operations=[{"op": "remove", "bullet_id": known.name}],
        reasoning=(
            f"Runs that used it succeeded in {used.successes:,} of {used.runs:,}, runs without it"
            f" in {unused.successes:,} of {unused.runs:,}; like tasks compared, {effect.said},"
            f" q = {effect.q_value:.2g}. That compares runs, it is no experiment."
        ),
        confidence=min(MOST_SURE, 1 - effect.q_value),
        evidence={
            "kind": "harmful",
            "lift": round(-whole.value, 4),
            "interval": [round(-whole.high, 4), round(-whole.low, 4)],
            "q_value": float(f"{effect.q_value:.4g}"),
            "counts": {
                "followed": [used.successes, used.runs],
                "not_followed": [unused.successes, unused.runs],
            },
        },
        seen=used.runs + unused.runs,
        tokens=known.tokens,
    )


def stale(standing: Iterable[Standing]) -> list[Offer]:
    """Offer to remove what the last STALE_AFTER runs that could have used it did not use."""
    found = [k for k in standing if k.idle >= STALE_AFTER and not k.is_constraint]
    found.sort(key=lambda known: -known.idle)
    return [
        Offer(
            kind="stale",
            names=(known.name,),
            operations=[{"op": "remove", "bullet_id": known.name}],
            reasoning=(
                f"None of the last {known.idle:,} runs that could have used it did; it was used"
                f" {known.used:,} time{'s' if known.used != 1 else ''} in all."
            ),
            confidence=UNDECIDED,
            evidence={"kind": "stale", "counts": {"idle": known.idle}, "used": known.used},
            seen=known.idle,
            tokens=known.tokens,
        )
        for known in _once(found)
    ]


def over_budget(
    standing: Iterable[Standing], tokens: int, budget: int, leaving: int = 0
) -> list[Offer]:
    """Offer removals until a playbook of `tokens` fits its budget, least evidence a token first.

    `leaving` tokens go by other offers. Evidence is the successes that a bullet brought at the
    cautious end of its effect, then its uses; among equals the longest goes first.
    """
    candidates = [known for known in _once(standing) if not known.is_constraint]
    candidates.sort(key=_worth)
    offers: list[Offer] = []
    for known in candidates:
        if tokens - leaving <= budget:
            break
        offers.append(_too_much(known, tokens, budget))
        leaving += known.tokens
    return offers


def _worth(known: Standing) -> tuple[float, float, int]:
    gained = _clear_gain(known) * known.effect.used.runs
    return gained / known.tokens, known.used / known.tokens, -known.tokens


def _too_much(known: Standing, tokens: int, budget: int) -> Offer:
    gained = _clear_gain(known) * known.effect.used.runs
    return Offer(
        kind="over_budget",
        names=(known.name,),
        operations=[{"op": "remove", "bullet_id": known.name}],
        reasoning=(
            f"The playbook is {tokens:,} tokens by estimate, its budget {budget:,}. This bullet of"
            f" {known.tokens:,} tokens has least evidence a token: {known.used:,} uses,"
            f" {known.effect.said}."
        ),
        confidence=UNDECIDED,
        evidence={
            "kind": "over_budget",
            "playbook_tokens": tokens,
            "budget": budget,
            "tokens": known.tokens,
            "used": known.used,
            "gained": round(gained, 2),
        },
        seen=known.used,
        tokens=known.tokens,
    )


def _once(standing: Iterable[Standing]) -> Iterator[Standing]:
    """Yield each bullet once; equal texts of a section are one bullet."""
    seen: set[str] = set()
    for known in standing:
        if known.name not in seen:
            seen.add(known.name)
            yield known
