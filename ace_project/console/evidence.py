"""A delta's evidence as the pages show it: whoever sent it, only what is well-formed is read."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Any

from evolution.intervals import Share


@dataclass(frozen=True, slots=True)
class Contrast:
    """Success with and without the lesson, like compared with like; rates are shares."""

    followed: Share
    not_followed: Share
    rate: float | None
    other_rate: float | None
    lift: float | None
    groups: int | None
    p_value: float | None


# What evolution.citations says of a trace that the prompt never showed.
NEVER_SHOWN = "no trace of that name was shown"
MOST_CITED = 40
_FACTORS = {
    "citations": "share of citations that hold",
    "statistics": "agreement with what was measured",
    "privacy": "no private data in the lesson",
}


@dataclass(frozen=True, slots=True)
class Citation:
    """One trace that a model cited, and whether it shows what is claimed."""

    trace_id: str
    ok: bool
    why: str

    @property
    def is_invented(self) -> bool:
        """Whether no such trace was shown to the model."""
        return not self.ok and self.why == NEVER_SHOWN


@dataclass(frozen=True, slots=True)
class Told:
    """What the measurements say of a model's lesson; rates as counts, `at_odds` with another."""

    followed: Share
    not_followed: Share
    lift: float | None
    q_value: float | None
    contradicted: bool
    at_odds: bool


@dataclass(frozen=True, slots=True)
class Evidence:
    """What speaks for a delta; None and empty where nothing (or nonsense) was sent."""

    kind: str = ""
    lift: float | None = None
    low: float | None = None
    high: float | None = None
    overall: Contrast | None = None
    within: Contrast | None = None
    between: Contrast | None = None
    supporting: tuple[str, ...] = ()
    opposing: tuple[str, ...] = ()
    supporting_total: int = 0
    opposing_total: int = 0
    q_value: float | None = None
    exploratory: bool = False
    is_within: bool = False
    doubts: tuple[str, ...] = ()
    candidates: int | None = None
    horizon: int | None = None
    more_runs: int | None = None
    # Of a model's delta: its citations, its calibrated confidence and what that was multiplied by.
    citations: tuple[Citation, ...] = ()
    calibrated: float | None = None
    factors: tuple[tuple[str, float], ...] = ()
    measured: Told | None = None

    @property
    def has_effect(self) -> bool:
        """Whether there is an estimate together with its interval."""
        return self.lift is not None and self.low is not None and self.high is not None

    @property
    def is_none(self) -> bool:
        """Whether there is neither an estimate nor a run or a trace that speaks either way."""
        counted = self.overall or self.supporting_total or self.opposing_total or self.citations
        return not (self.has_effect or counted)


def read_evidence(raw: Any) -> Evidence:
    """Return what is well-formed of a delta's `evidence`."""
    if not isinstance(raw, Mapping):
        return Evidence()
    low, high = _pair_of_numbers(raw.get("interval"))
    supporting, opposing = _texts(raw.get("for")), _texts(raw.get("against"))
    return Evidence(
        kind=raw["kind"][:40] if isinstance(raw.get("kind"), str) else "",
        lift=_number(raw.get("lift")),
        low=low,
        high=high,
        overall=_contrast(raw),
        within=_contrast(raw.get("within")),
        between=_contrast(raw.get("between")),
        supporting=supporting,
        opposing=opposing,
        supporting_total=max(_count(raw.get("for_total")) or 0, len(supporting)),
        opposing_total=max(_count(raw.get("against_total")) or 0, len(opposing)),
        q_value=_number(raw.get("q_value")),
        exploratory=raw.get("exploratory") is True,
        is_within=raw.get("within_group") is True,
        doubts=_texts(raw.get("doubts")),
        candidates=_count(raw.get("candidates")),
        horizon=_count(raw.get("horizon")),
        more_runs=_count(raw.get("more_runs")),
        citations=_citations(raw.get("citations")),
        calibrated=_number(raw.get("calibrated")),
        factors=_factors(raw.get("weights")),
        measured=_told(raw.get("statistical")),
    )


def _citations(raw: Any) -> tuple[Citation, ...]:
    items = raw[:MOST_CITED] if isinstance(raw, list) else []
    return tuple(
        Citation(item["trace_id"][:255], item.get("ok") is True, str(item.get("why", ""))[:400])
        for item in items
        if isinstance(item, Mapping) and isinstance(item.get("trace_id"), str)
    )


def _factors(raw: Any) -> tuple[tuple[str, float], ...]:
    found = ((name, _number(raw.get(name))) for name in _FACTORS) if _is_map(raw) else ()
    return tuple((_FACTORS[name], value) for name, value in found if value is not None)


def _is_map(raw: Any) -> bool:
    return isinstance(raw, Mapping)


def _told(raw: Any) -> Told | None:
    contrast = _contrast(raw)
    if contrast is None:
        return None
    return Told(
        followed=contrast.followed,
        not_followed=contrast.not_followed,
        lift=contrast.lift,
        q_value=_number(raw.get("q_value")),
        contradicted=raw.get("contradicted") is True,
        at_odds=raw.get("at_odds") is True,
    )


def _contrast(raw: Any) -> Contrast | None:
    if not isinstance(raw, Mapping) or not isinstance(raw.get("counts"), Mapping):
        return None
    followed = _share(raw["counts"].get("followed"))
    not_followed = _share(raw["counts"].get("not_followed"))
    if followed is None or not_followed is None:
        return None
    rates = raw.get("rates")
    stratified = rates if isinstance(rates, Mapping) else {}
    return Contrast(
        followed=followed,
        not_followed=not_followed,
        rate=_number(stratified.get("followed")),
        other_rate=_number(stratified.get("not_followed")),
        lift=_number(raw.get("lift")),
        groups=_count(raw.get("groups")),
        p_value=_number(raw.get("p_value")),
    )


def _share(raw: Any) -> Share | None:
    """Read `[successes, runs]`."""
    if not isinstance(raw, list) or len(raw) != 2:
        return None
    successes, runs = _count(raw[0]), _count(raw[1])
    if successes is None or runs is None or successes > runs:
        return None
    return Share(successes, runs)


def _number(raw: Any) -> float | None:
    if isinstance(raw, bool) or not isinstance(raw, int | float):
        return None
    value = float(raw) if abs(raw) < 1e6 else None
    return value if value is not None and isfinite(value) else None


def _count(raw: Any) -> int | None:
    if isinstance(raw, bool) or not isinstance(raw, int) or not 0 <= raw < 10**9:
        return None
    return raw


def _pair_of_numbers(raw: Any) -> tuple[float | None, float | None]:
    if not isinstance(raw, list) or len(raw) != 2:
        return None, None
    low, high = _number(raw[0]), _number(raw[1])
    if low is None or high is None or low > high:
        return None, None
    return low, high


def _texts(raw: Any) -> tuple[str, ...]:
    if not isinstance(raw, list):
        return ()
    return tuple(item[:255] for item in raw if isinstance(item, str))
