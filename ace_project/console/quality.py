"""How well what is proposed holds up: approvals by month, and whether stated numbers mean much."""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b
from typing import Any, TypeVar

from django.conf import settings
from django.core.cache import caches
from django.db.models import Max
from django.http import HttpRequest

from evolution import quality
from evolution.calibration import Bin, calibration_error
from evolution.intervals import Share
from playbooks.models import Delta, Source

# Fewer decisions than this say nothing about calibration.
FEWEST_DECISIONS = 30
MOST_LINES = 60
_SINCE = timedelta(days=183)

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Reliability:
    """One reliability table with its title; `error` is the mean distance from the diagonal."""

    title: str
    note: str
    bins: list[Bin]
    decisions: int
    error: float | None

    @property
    def is_enough(self) -> bool:
        """Whether there are decisions enough to draw."""
        return self.decisions >= FEWEST_DECISIONS


def quality_figures(request: HttpRequest, now: datetime) -> dict[str, Any]:
    """Return what the page shows of quality; by `?generator=` and `?simulated=1`."""
    simulated = request.GET.get("simulated") == "1"
    first = (now - _SINCE).replace(day=1, hour=0, minute=0, second=0)
    state = f"{simulated}:{_newest()}"
    months = _kept(f"months:{state}", lambda: quality.by_month(first, simulated=simulated))
    choices = _choices(months)
    chosen = request.GET.get("generator", "")
    if chosen not in choices:
        chosen = next(iter(choices), "")
    source, _, model = chosen.partition(":")
    stated, stored = (
        _kept(
            f"reliability:{state}:{chosen}",
            lambda: quality.reliability(Source(source), model, simulated=simulated),
        )
        if chosen
        else ([], [])
    )
    tables = [
        _reliability("As stated", "by the generator", stated),
        _reliability("As kept", "after calibration and checks", stored),
    ]
    since_month = now.replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    return {
        "months": months[:MOST_LINES],
        "high": _sum([row.high for row in months if row.month >= since_month]),
        "high_all": _sum([row.high for row in months]),
        "generators": [(key, words) for key, words in choices.items()],
        "generator": chosen,
        "reliability": tables,
        "is_drawn": any(table.is_enough for table in tables),
        "fewest": FEWEST_DECISIONS,
        "simulated": simulated,
    }


def _newest() -> str:
    """Return what changes with every delta that is proposed or decided; read from indexes."""
    found = Delta.objects.aggregate(proposed=Max("pk"), decided=Max("decided_at"))
    decided = found["decided"]
    return f"{found['proposed']}:{decided.timestamp() if decided else ''}"


def _kept(key: str, figures: Callable[[], T]) -> T:
    """Return figures over all deltas and the newest traces, kept until either changes them.

    Deltas change the key; what traces change is seen within the cache's time.
    """
    if not settings.ACE_ENABLE_CACHE:
        return figures()
    # A model's name may hold what no key of a cache may.
    name = f"quality:{blake2b(key.encode(), digest_size=16).hexdigest()}"
    found: T | None = caches["local"].get(name)
    if found is None:
        found = figures()
        caches["local"].set(name, found, settings.ACE_CACHE_TTL_SECONDS)
    return found


def _sum(shares: Sequence[Share]) -> Share:
    return sum(shares, Share())


def _choices(months: Sequence[quality.Monthly]) -> dict[str, str]:
    """Return the generators that proposed anything: language models first, the busiest of them."""
    found: Counter[tuple[str, str]] = Counter()
    for row in months:
        found[row.source, row.model] += row.proposed
    ordered = sorted(found, key=lambda pair: (pair[0] != Source.LLM, -found[pair], pair))
    return {
        f"{source}:{model}": f"{source}, {model}" if model else source for source, model in ordered
    }


def _reliability(title: str, note: str, bins: list[Bin]) -> Reliability:
    count = sum(row.count for row in bins)
    return Reliability(title, note, bins, count, calibration_error(bins))
