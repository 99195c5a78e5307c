"""What speaks for an offer of maintenance: twins side by side, or why one lesson may leave."""

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from math import sqrt
from typing import Any

from ace_project.console.evidence import Evidence
from playbooks.judges.evidence import UPKEEP
from playbooks.models import Delta

MOST_PAIRS = 20


@dataclass(frozen=True, slots=True)
class Twin:
    """Two lessons said to be one: `text`, as often as it stands, goes where `kept` stays."""

    text: str
    kept: str
    cosine: float
    times: int

    @property
    def is_same(self) -> bool:
        """Whether they are equal word for word."""
        return self.text == self.kept


@dataclass(frozen=True, slots=True)
class Upkeep:
    """An offer's evidence. Counts are None where (nonsense or) nothing of the kind was sent."""

    kind: str
    kept: str = ""
    twins: tuple[Twin, ...] = ()
    # Pairs of two different lessons that both go: they hold a cluster together.
    links: int = 0
    lessons: int = 0
    low: float | None = None
    high: float | None = None
    saved: int | None = None
    idle: int | None = None
    used: int | None = None
    tokens: int | None = None
    playbook_tokens: int | None = None
    budget: int | None = None
    gained: float | None = None  # successes, at the cautious end of its effect

    @property
    def brief(self) -> str:
        """Return the reason in a few words, for a row of a list."""
        match self.kind:
            case "near_duplicates":
                return f"{self.lessons} alike" if self.lessons else "near-duplicates"
            case "stale":
                return "not used" if self.idle is None else f"not used in {self.idle:,} runs"
            case "over_budget":
                return "over budget"
        return "fails with it"

    @property
    def excess(self) -> int | None:
        """Return the tokens by which the playbook was over its budget."""
        if self.playbook_tokens is None or self.budget is None:
            return None
        return max(0, self.playbook_tokens - self.budget)


def read_upkeep(delta: Delta, evidence: Evidence) -> Upkeep | None:
    """Return what an offer of maintenance rests on, None for any other delta."""
    raw = delta.evidence
    if evidence.kind not in UPKEEP or not isinstance(raw, Mapping):
        return None
    counts = raw.get("counts")
    idle = counts.get("idle") if isinstance(counts, Mapping) else None
    return Upkeep(
        kind=evidence.kind,
        saved=_count(raw.get("tokens_saved")),
        idle=_count(idle),
        used=_count(raw.get("used")),
        tokens=_count(raw.get("tokens")),
        playbook_tokens=_count(raw.get("playbook_tokens")),
        budget=_count(raw.get("budget")),
        gained=_number(raw.get("gained")),
        **_likeness(raw, _texts(delta)),
    )


def _likeness(raw: Mapping[str, Any], texts: Mapping[str, str]) -> dict[str, Any]:
    """Return the kept text, and what goes beside it, the likest first."""
    name = str(raw.get("kept", ""))
    kept = texts.get(name, "")
    pairs = list(_pairs(raw.get("pairs")))
    if not kept or not pairs:
        return {}
    gone: dict[str, float] = {}
    for one, other, cosine in pairs:
        if name in (one, other):
            leaving = other if one == name else one
            gone[leaving] = max(cosine, gone.get(leaving, 0.0))
    likest = sorted(gone.items(), key=lambda item: -item[1])[:MOST_PAIRS]
    times = _times(pairs)
    return {
        "kept": kept,
        "twins": tuple(
            Twin(texts[gone], kept, cosine, times[gone] - (gone == name))
            for gone, cosine in likest
            if gone in texts
        ),
        "links": sum(one != other and name not in (one, other) for one, other, _ in pairs),
        "lessons": times.total(),
        "low": min(cosine for *_, cosine in pairs),
        "high": max(cosine for *_, cosine in pairs),
    }


def _times(pairs: list[tuple[str, str, float]]) -> Counter[str]:
    """Return how often each lesson stands; n equal ones share an id and make n(n-1)/2 pairs."""
    equal = Counter(one for one, other, _ in pairs if one == other)
    names = {name for one, other, _ in pairs for name in (one, other)}
    return Counter({name: round((1 + sqrt(1 + 8 * equal[name])) / 2) for name in names})


def _pairs(raw: Any) -> Iterator[tuple[str, str, float]]:
    for item in raw if isinstance(raw, list) else []:
        cosine = _number(item.get("cosine")) if isinstance(item, Mapping) else None
        if cosine is not None:
            yield str(item.get("a")), str(item.get("b")), min(1.0, cosine)


def _texts(delta: Delta) -> dict[str, str]:
    """Return the lessons that the delta met when it was made, by their ids."""
    found: dict[str, str] = {}
    for saw in delta.expectations:
        met = saw.get("bullets") if isinstance(saw, Mapping) else None
        for name, bullet in met.items() if isinstance(met, Mapping) else ():
            if isinstance(bullet, Mapping):
                found[name] = str(bullet.get("text", ""))
    return found


def _count(raw: Any) -> int | None:
    is_whole = isinstance(raw, int) and not isinstance(raw, bool)
    return raw if is_whole and 0 <= raw < 10**9 else None


def _number(raw: Any) -> float | None:
    is_number = isinstance(raw, int | float) and not isinstance(raw, bool)
    return float(raw) if is_number and 0 <= raw < 10**9 else None
