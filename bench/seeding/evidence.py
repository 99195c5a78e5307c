"""What speaks for made-up deltas, and what judges said of them."""

import random
from typing import Any

from bench.seeding import words
from playbooks.models import DeltaStatus, Source

_FOR = 10
_HELD = (DeltaStatus.PENDING_REVIEW, DeltaStatus.CHANGES_REQUESTED, DeltaStatus.REJECTED)


def evidence_of(rng: random.Random, source: Source, names: list[str]) -> dict[str, Any]:
    """Return the evidence of a delta that cites traces of these names."""
    if source in (Source.OPERATOR, Source.SCRIPTED, Source.AGENT):
        return {}
    followed, others = _counts(rng), _counts(rng)
    lift = round(followed[0] / followed[1] - others[0] / others[1], 4)
    half = round(rng.uniform(0.02, 0.15), 4)
    found = {
        "kind": str(source),
        "lift": lift,
        "interval": [round(lift - half, 4), round(lift + half, 4)],
        "p_value": round(rng.uniform(0.0001, 0.2), 5),
        "q_value": round(rng.uniform(0.001, 0.3), 5),
        "counts": {"followed": followed, "not_followed": others},
        "groups": rng.randrange(5, 60),
        "for": names[:_FOR],
        "against": names[_FOR:],
        "for_total": rng.randrange(10, 400),
        "against_total": rng.randrange(4, 200),
    }
    if source == Source.LLM:
        found["citations"] = [
            {"trace_id": name, "ok": rng.random() < 0.9, "why": words.error(rng)}
            for name in names[:_FOR]
        ]
        found["calibrated"] = round(rng.uniform(0.3, 0.9), 3)
        found["weights"] = {"citations": 0.9, "statistics": 1.0, "privacy": 1.0}
    return found


def _counts(rng: random.Random) -> list[int]:
    runs = rng.randrange(20, 400)
    return [rng.randrange(runs), runs]


def verdicts_of(rng: random.Random, status: DeltaStatus) -> list[dict[str, Any]]:
    """Return one verdict of each judge; of a delta that was held back one blocks."""
    held = rng.choice(words.JUDGES[4:]) if status in _HELD and rng.random() < 0.6 else ""
    held = "schema" if status == DeltaStatus.FAILED else held
    return [
        {
            "judge": judge,
            "outcome": _outcome(rng, judge, held),
            "reason": words.task(rng),
            "data": {},
        }
        for judge in words.JUDGES
    ]


def _outcome(rng: random.Random, judge: str, held: str) -> str:
    if judge == held:
        return "block"
    return "warn" if rng.random() < 0.06 else "pass"
