"""How long a session lives, where a person is signed in, and ending it elsewhere."""

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from allauth.usersessions.models import UserSession
from django.conf import settings
from django.contrib.auth import logout, user_logged_in
from django.dispatch import receiver
from django.http import HttpRequest
from django.http.response import HttpResponseBase
from django.utils import timezone

BEGAN = "ace.began"
SEEN = "ace.seen"
# A session is written at most so often, in seconds.
PRECISION = 60
_BROWSERS = (
    ("Edg", "Edge"), ("OPR", "Opera"), ("Firefox", "Firefox"), ("Chrome", "Chrome"),
    ("Safari", "Safari"),
)  # fmt: skip
_SYSTEMS = (
    ("Windows", "Windows"), ("Android", "Android"), ("iPhone|iPad", "iOS"), ("Mac OS", "macOS"),
    ("CrOS", "ChromeOS"), ("Linux", "Linux"),
)  # fmt: skip


class SessionLimitsMiddleware:
    """End sessions that are too old or were idle too long; remember when one was last used.

    Marks answers to somebody who has a session as theirs alone.
    """

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Answer as nobody where the session is over."""
        if settings.SESSION_COOKIE_NAME in request.COOKIES and request.user.is_authenticated:
            _limit(request, time.time())
        response = self.get_response(request)
        if settings.SESSION_COOKIE_NAME in request.COOKIES:
            # For one reader: a cache on the way that heeds no Vary would give it to others.
            response.headers.setdefault("Cache-Control", "private")
        return response


def _limit(request: HttpRequest, now: float) -> None:
    session = request.session
    # A session of an older release, or of a clock set back, begins now.
    began = min(session.setdefault(BEGAN, now), now)
    seen = min(session.setdefault(SEEN, now), now)
    too_old = now - began > settings.ACE_SESSION_HOURS * 3600
    if too_old or now - seen > settings.ACE_SESSION_IDLE_HOURS * 3600:
        logout(request)
        return
    # A page that asks for news by itself is not somebody at the keyboard.
    by_itself = request.method == "GET" and "HX-Request" in request.headers
    if now - seen >= PRECISION and not by_itself:
        session[SEEN] = now
        mine = UserSession.objects.filter(session_key=session.session_key)
        mine.update(last_seen_at=timezone.now())


@receiver(user_logged_in)
def begin(request: HttpRequest, **_: Any) -> None:
    """Let a session's time begin when somebody signs in."""
    request.session[BEGAN] = request.session[SEEN] = time.time()


@dataclass(frozen=True, slots=True)
class Place:
    """A browser in which a person is signed in."""

    pk: int
    browser: str
    address: str
    since: datetime
    seen: datetime
    is_here: bool


def places_of(request: HttpRequest) -> list[Place]:
    """Return where the visitor is signed in, this browser first, then the last used."""
    alive = UserSession.objects.purge_and_list(request.user)
    here = request.session.session_key
    places = [
        Place(
            s.pk,
            browser_of(s.user_agent),
            s.ip,
            s.created_at,
            s.last_seen_at,
            s.session_key == here,
        )
        for s in alive
    ]
    return sorted(places, key=lambda place: (not place.is_here, -place.seen.timestamp()))


def end_all_of(user: Any) -> int:
    """End every session of `user`; return how many there were."""
    found = list(UserSession.objects.filter(user=user))
    for session in found:
        session.end()
    return len(found)


def browser_of(user_agent: str) -> str:
    """Return a browser's own long name in two words: Firefox on Linux."""
    browser = _first(_BROWSERS, user_agent) or "A browser"
    system = _first(_SYSTEMS, user_agent)
    return f"{browser} on {system}" if system else browser


def _first(names: tuple[tuple[str, str], ...], user_agent: str) -> str:
    return next((name for pattern, name in names if re.search(pattern, user_agent)), "")
