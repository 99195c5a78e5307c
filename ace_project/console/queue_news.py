"""What is new in the review queue: a count and marks, so that rows do not jump under a pointer."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, Subquery
from django.http import HttpRequest, HttpResponse

from ace_project.console import live, waiting
from ace_project.console.keyset import PAGE_SIZE, is_key, whole_number
from ace_project.console.people import name_of
from ace_project.console.visitor import may
from ace_project.console.waiting import TABS, Filters
from ace_project.core.people import Role
from playbooks.models import Delta, DeltaStatus, Review
from playbooks.selectors import deltas_for_lists

# More than these are not counted: "99+".
MOST_COUNTED = 99
EVERY_SECONDS = 10


@dataclass(frozen=True, slots=True)
class Mark:
    """What a row says by now; `by` and `at` where somebody took its delta out of the list."""

    delta: Delta
    approvals: int | None
    by: str = ""
    at: datetime | None = None

    @property
    def gone(self) -> bool:
        """Whether the delta belongs to the list no more."""
        return bool(self.by)


def watch(request: HttpRequest, filters: Filters, rows: Sequence[Delta]) -> dict[str, Any]:
    """Return what parts/queue_news.html asks with; nothing on the older pages of a queue."""
    if "before" in request.GET or "after" in request.GET:
        return {}
    here = filters.query()
    mark = "&" if here else "?"
    newest, said = _newest()
    asked = f"{mark}seen={newest}"
    if rows and filters.status in waiting.TO_DECIDE:
        asked += f"&said={said}&shown={'.'.join(str(row.pk) for row in rows)}"
    return {
        "news_url": f"{request.path}{here}{asked}",
        "news_here": f"{request.path}{here}",
        "news_every": EVERY_SECONDS,
    }


def _newest() -> tuple[int, int]:
    """Return the newest delta and the newest decision of all, 0 where there is none."""
    said = Review.objects.order_by("-pk").values("pk")[:1]
    rows = Delta.objects.annotate(said=Subquery(said)).order_by("-pk").values_list("pk", "said")
    newest, review = rows.first() or (0, 0)
    return newest, review or 0


def is_asked(request: HttpRequest) -> bool:
    """Return whether htmx asks only what is new, or (`?count=1`) how many wait in all."""
    asked = "seen" in request.GET or "count" in request.GET
    return asked and live.is_asked_for_part(request)


def answer(request: HttpRequest, filters: Filters) -> HttpResponse:
    """Return how many deltas that the filters choose came in since, and which rows were decided.

    Where no page is named, return the count that the navigation of every page shows.
    """
    if "seen" not in request.GET:
        part = "parts/nav_count.html"
        return live.answer(request, part, part, {})
    seen = whole_number(request, "seen") or 0
    rows = filters.select().filter(pk__gt=seen).order_by("pk").values("pk")
    context = {
        "news": rows[: MOST_COUNTED + 1].count(),
        "most": MOST_COUNTED,
        "marks": _marks(request, TABS[filters.status][1]),
        "ticks": may(request, Role.REVIEWER),
        "news_url": request.get_full_path(),
        "news_here": f"{request.path}{filters.query()}",
        "news_every": EVERY_SECONDS,
    }
    part = "parts/queue_news.html"
    return live.answer(request, part, part, context)


def _marks(request: HttpRequest, statuses: Sequence[DeltaStatus]) -> list[Mark]:
    """Return the rows shown about which somebody decided since; three queries at most."""
    names = request.GET.get("shown", "").split(".")[:PAGE_SIZE]
    shown = [int(name) for name in names if is_key(name)]
    if not shown:
        return []
    said = whole_number(request, "said") or 0
    reviews = Review.objects.filter(delta__in=shown, pk__gt=said).order_by("pk")
    last = {review.delta_id: review for review in reviews}
    rows = deltas_for_lists().filter(pk__in=shown)
    changed = list(rows.filter(Q(pk__in=last) | ~Q(status__in=statuses)))
    votes = waiting.approvals(changed)
    return [_mark(row, statuses, last.get(row.pk), votes.get(row.pk)) for row in changed]


def _mark(
    row: Delta, statuses: Sequence[DeltaStatus], last: Review | None, approvals: int | None
) -> Mark:
    if row.status in statuses:
        return Mark(row, approvals)
    by = row.decided_by or (last.reviewer if last else "automatic:")
    at = row.decided_at or (last.created_at if last else None)
    return Mark(row, approvals, name_of(by), at)
