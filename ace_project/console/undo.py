"""Ten seconds to take a decision back: offered by every page, carried out by `undo_decision`."""

import math
import time
from collections.abc import Sequence
from typing import Any

from django.contrib import messages
from django.db.models import Max
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from ace_project.console.visitor import actor_of
from ace_project.core.errors import AceError
from ace_project.core.people import Role, needs
from playbooks.models import Delta, Review
from playbooks.services import undo_decision

SECONDS = 10
# The press at the last second still has to travel.
_GRACE = 2
_KEY = "undo"


def offer(
    request: HttpRequest, deltas: Sequence[Delta], text: str, *, back: str, note: str = ""
) -> None:
    """Remember what was just decided, so that the next pages offer to take it back.

    `back` is where taking it back leads. Deltas are undone in reverse order.
    """
    reviews = Review.objects.filter(delta__in=deltas).order_by().values_list("delta")
    last = dict(reviews.annotate(Max("pk")))
    request.session[_KEY] = {
        "deltas": [[delta.pk, last.get(delta.pk)] for delta in deltas],
        "text": text,
        "note": note,
        "back": back,
        "until": time.time() + SECONDS,
    }


def withdraw(request: HttpRequest) -> None:
    """Offer nothing any more: the decision was taken back elsewhere."""
    request.session.pop(_KEY, None)


def offered(request: HttpRequest) -> dict[str, Any] | None:
    """Return what base.html's toast shows, or None when there is nothing to take back."""
    kept = request.session.get(_KEY)
    left = math.ceil(kept["until"] - time.time()) if kept else 0
    if kept is None or left <= 0:
        return None
    return {
        "text": kept["text"],
        "note": kept["note"],
        "url": reverse("console:undo"),
        "seconds_left": min(left, SECONDS),
        "seconds": SECONDS,
    }


@require_POST
@needs(Role.REVIEWER)
def undo(request: HttpRequest) -> HttpResponse:
    """Take back this person's last decision."""
    kept = request.session.pop(_KEY, None)
    if kept is None or time.time() > kept["until"] + _GRACE:
        messages.warning(request, "Too late to undo that here. The delta's page still can.")
        return redirect("console:review")
    failures = [
        failure
        for pk, word in reversed(kept["deltas"])
        if (failure := _take_back(request, pk, word))
    ]
    for failure in failures:
        messages.error(request, failure)
    done = len(kept["deltas"]) - len(failures)
    if done:
        messages.success(request, "Taken back." if done == 1 else f"{done} decisions taken back.")
    return redirect(kept["back"])


def _take_back(request: HttpRequest, pk: int, word: int | None) -> str | None:
    """Undo one decision; return why it could not be, or None."""
    delta = Delta.objects.filter(pk=pk).first()
    if delta is None:
        return f"Delta {pk} is gone."
    if _last_word(pk) != word:
        return f"Delta {pk} was decided again since: open it to see by whom."
    try:
        undo_decision(delta=delta, by=actor_of(request), reopen=True)
    except AceError as error:
        return f"Delta {pk} stays as it is: {error.detail}."
    return None


def _last_word(pk: int) -> int | None:
    """Return the newest decision on a delta: whatever anyone decides since is a newer one."""
    return Review.objects.filter(delta=pk).order_by("-pk").values_list("pk", flat=True).first()
