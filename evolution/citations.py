"""Checking what a model cites: is the trace one that it was shown, and does it show that?"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evolution.delta_parser import Citation
from evolution.exhibits import Exhibit
from evolution.lessons import error_signature

# A claimed error may be a part of the text; a shorter one is in too many texts to say anything.
MIN_QUOTE = 6


@dataclass(frozen=True, slots=True)
class Checked:
    """One citation after its check; `trace_id` is None where no such trace was shown."""

    alias: str
    trace_id: str | None
    origin: str | None
    ok: bool
    why: str


def check_citations(
    citations: Sequence[Citation], exhibits: Mapping[str, Exhibit]
) -> tuple[Checked, ...]:
    """Return each citation with whether it holds, and why."""
    return tuple(_check(citation, exhibits.get(citation.alias)) for citation in citations)


def _check(citation: Citation, exhibit: Exhibit | None) -> Checked:
    if exhibit is None:
        return Checked(citation.alias, None, None, False, "no trace of that name was shown")
    faults = _faults(citation, exhibit)
    why = "; ".join(faults) or "it shows what is claimed"
    return Checked(citation.alias, exhibit.trace_id, exhibit.origin, not faults, why)


def _faults(citation: Citation, exhibit: Exhibit) -> list[str]:
    claims = (citation.tool, citation.error, citation.outcome)
    if claims == (None, None, None):
        return ["nothing is claimed that could be checked"]
    faults = []
    if citation.tool is not None and _plain(citation.tool) not in map(_plain, exhibit.tools):
        faults.append(f"it never calls {citation.tool[:100]}")
    if citation.error is not None and not _has_error(exhibit, citation.error):
        faults.append("it has no such error")
    if citation.outcome is not None and (citation.outcome == "success") != exhibit.success:
        faults.append(f"it ended in {'success' if exhibit.success else 'failure'}")
    return faults


def _plain(text: str) -> str:
    return " ".join(text.split()).rstrip("…").casefold()


def _has_error(exhibit: Exhibit, claimed: str) -> bool:
    """Tell whether an error of the trace contains the claimed text, or is of the same class."""
    quote = _plain(claimed)
    kind = error_signature(claimed).casefold()
    telling = sum(letter.isalpha() for letter in kind) >= MIN_QUOTE
    for text in exhibit.errors:
        plain = _plain(text)
        if plain == quote or (len(quote) >= MIN_QUOTE and quote in plain):
            return True
        if telling and kind == error_signature(text).casefold():
            return True
    return False


def weight(checked: Sequence[Checked]) -> float:
    """Return what a confidence is multiplied by, 0 to 1: the share of citations that hold."""
    return sum(item.ok for item in checked) / len(checked) if checked else 0.0


def evidence(checked: Sequence[Checked]) -> dict[str, Any]:
    """Return a delta's evidence as JSON values.

    `for` are the traces whose citation holds; a model is not asked what speaks against its own
    proposal, so `against` is empty. `origins` counts the traces in `for` by origin.
    """
    held = {item.trace_id: item.origin for item in checked if item.ok and item.trace_id}
    return {
        "kind": "llm",
        "citations": [
            {"trace_id": item.trace_id or item.alias, "ok": item.ok, "why": item.why}
            for item in checked
        ],
        "for": [*held],
        "against": [],
        "origins": dict(Counter(origin for origin in held.values() if origin)),
    }
