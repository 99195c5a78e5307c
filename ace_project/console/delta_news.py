"""What became of a delta while its page stays open, so that nobody decides on what is past."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from hashlib import blake2b
from typing import Any

from django.core.exceptions import BadRequest
from django.http import HttpRequest, HttpResponse

from ace_project.console import discussion, live
from ace_project.console.discussion import Entry
from playbooks import operations as rules
from playbooks import selectors
from playbooks.content import canonical
from playbooks.models import OPEN, Delta, PlaybookVersion

EVERY_SECONDS = 5
_SEEN = re.compile(r"(\d{1,18})\.(\d{1,18})\.(\d{1,9})\.([0-9a-f]{12})\.([0-9a-f]{12})", re.ASCII)
_PART = "parts/delta_news.html"


class Level(StrEnum):
    """How far the page still holds: all of it, all but the version it compares with, or not."""

    SAID = "said"
    MOVED = "moved"
    STALE = "stale"


@dataclass(frozen=True, slots=True)
class Seen:
    """What a page shows of a delta, short enough for an address."""

    review: int  # the newest decision
    comment: int
    version: int  # the live one
    operations: str
    state: str

    def __str__(self) -> str:
        """Return what `read` takes."""
        return f"{self.review}.{self.comment}.{self.version}.{self.operations}.{self.state}"


@dataclass(frozen=True, slots=True)
class Line:
    """One thing that happened: who did what, when, and in which words."""

    by: str
    did: str
    at: datetime | None = None
    text: str = ""


def seen_of(delta: Delta, entries: Sequence[Entry]) -> Seen:
    """Return what a page shows that is made of the delta and its discussion."""
    state = [delta.status, delta.conflicts, delta.verdicts, delta.confidence]
    return Seen(
        max((entry.pk for entry in entries if entry.did), default=0),
        max((entry.pk for entry in entries if not entry.did), default=0),
        delta.playbook.version,
        digest(delta.operations),
        digest(state),
    )


def digest(value: Any) -> str:
    """Return a short name of a JSON value, another one for another value."""
    return blake2b(canonical(value), digest_size=6).hexdigest()


def read(text: str) -> Seen:
    """Return what a page saw; raises BadRequest for what no page gave."""
    found = _SEEN.fullmatch(text)
    if found is None:
        raise BadRequest("seen is what a delta's page asks with")
    review, comment, version, operations, state = found.groups()
    return Seen(int(review), int(comment), int(version), operations, state)


def watch(url: str, delta: Delta, entries: Sequence[Entry], *, editing: bool) -> dict[str, Any]:
    """Return what parts/delta_news.html asks with; `url` is the delta's page in its queue."""
    mark = "&" if "?" in url else "?"
    edit = "edit=1&" if editing else ""
    return {
        "news_url": f"{url}{mark}{edit}seen={seen_of(delta, entries)}",
        "news_every": EVERY_SECONDS if delta.status in OPEN else live.NOW_AND_THEN,
    }


def is_asked(request: HttpRequest) -> bool:
    """Return whether htmx asks only what became of the delta."""
    return "seen" in request.GET and live.is_asked_for_part(request)


def answer(request: HttpRequest, delta: Delta, **page: str) -> HttpResponse:
    """Return what became of a delta since its page was made; `page` says where to go on."""
    seen = read(request.GET["seen"])
    since = discussion.since(delta, review=seen.review, comment=seen.comment)
    editing, is_open = "edit" in request.GET, delta.status in OPEN
    level = _level(delta, seen, since, editing=editing)
    ended = level == Level.STALE and not is_open
    context = {
        "news": level,
        "line": _line(delta, seen, since) if level else None,
        # What is new stands below as well, without a word of what is being typed there.
        "entries": discussion.discussion(delta) if since else [],
        "is_open": is_open,
        "next_version": delta.playbook.version + 1,
        "editing": editing,
        "successor": selectors.successor_of(delta) if ended else None,
        "news_url": request.get_full_path(),
        "news_every": EVERY_SECONDS if is_open else live.NOW_AND_THEN,
        **page,
    }
    return live.answer(request, _PART, _PART, context)


def _level(delta: Delta, seen: Seen, since: Sequence[Entry], *, editing: bool) -> Level | None:
    now, is_open = seen_of(delta, ()), delta.status in OPEN
    changed = seen.state != now.state or any(entry.did for entry in since)
    # An edit stands for itself, as long as the delta is open and has the same operations.
    if seen.operations != now.operations or (changed and not (is_open and editing)):
        return Level.STALE
    if is_open and not editing and seen.version != now.version:
        return Level.STALE if _conflicts(delta) else Level.MOVED
    return Level.SAID if changed or since else None


def _conflicts(delta: Delta) -> bool:
    content = selectors.head(delta.playbook).content
    return bool(rules.rebase(delta.expectations, delta.operations, content).conflicts)


def _line(delta: Delta, seen: Seen, since: Sequence[Entry]) -> Line | None:
    """Return what changed the delta, or where nothing did the newest comment."""
    decisions = [entry for entry in since if entry.did]
    if decisions:
        return _decided(delta, decisions[-1])
    changed = _changed(delta, seen)
    if changed or not since:
        return changed
    more, last = len(since) - 1, since[-1]
    return Line(
        last.by, f"commented (and {more} more)" if more else "commented", last.at, last.text
    )


def _decided(delta: Delta, last: Entry) -> Line:
    live_as = f", v{delta.applied_version} is live" if delta.status == "applied" else ""
    return Line(last.by, f"{last.did}{live_as}", last.at, last.text)


def _changed(delta: Delta, seen: Seen) -> Line | None:
    """Return what changed without a decision of anybody's."""
    now = seen_of(delta, ())
    if seen.state != now.state and delta.status not in OPEN:
        did = f"decided: {delta.get_status_display().lower()}"
        by = delta.decided_by or "automatic:"
        return Line(by, did, delta.decided_at, delta.decision_reason)
    if seen.operations != now.operations:
        return Line("", "Newer evidence changed what it proposes")
    if seen.version != now.version and delta.status in OPEN:
        return _went_live(delta)
    if seen.state != now.state:
        return Line("", "Its verdicts or its figures changed")
    return None


def _went_live(delta: Delta) -> Line:
    number = delta.playbook.version
    version = PlaybookVersion.objects.get(playbook=delta.playbook_id, number=number)
    return Line(version.author, f"made v{number} live", version.created_at)
