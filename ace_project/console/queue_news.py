"""What is new in the review queue: a count, so that rows do not jump under somebody's pointer."""

from typing import Any

from django.http import HttpRequest, HttpResponse

from ace_project.console import live
from ace_project.console.keyset import whole_number
from ace_project.console.waiting import Filters
from playbooks.models import Delta

# More than these are not counted: "99+".
MOST_COUNTED = 99
EVERY_SECONDS = 10


def watch(request: HttpRequest, filters: Filters) -> dict[str, Any]:
    """Return what parts/queue_news.html asks with; nothing on the older pages of a queue."""
    if "before" in request.GET or "after" in request.GET:
        return {}
    newest = Delta.objects.order_by("-pk").values_list("pk", flat=True).first() or 0
    here = filters.query()
    mark = "&" if here else "?"
    return {
        "news_url": f"{request.path}{here}{mark}seen={newest}",
        "news_here": f"{request.path}{here}",
        "news_every": EVERY_SECONDS,
    }


def is_asked(request: HttpRequest) -> bool:
    """Return whether htmx asks only what is new, or (`?count=1`) how many wait in all."""
    asked = "seen" in request.GET or "count" in request.GET
    return asked and live.is_asked_for_part(request)


def answer(request: HttpRequest, filters: Filters) -> HttpResponse:
    """Return how many deltas that the filters choose came in since the page was made.

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
        "news_url": request.get_full_path(),
        "news_here": f"{request.path}{filters.query()}",
        "news_every": EVERY_SECONDS,
    }
    part = "parts/queue_news.html"
    return live.answer(request, part, part, context)
