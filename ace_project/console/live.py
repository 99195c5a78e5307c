"""Pages with a part that moves: the page and its part share address, view and context."""

import re
from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.shortcuts import render
from django.utils.cache import patch_vary_headers

# Seconds between two looks at a list: while something in it moves, and while nothing does.
SOON, NOW_AND_THEN = 3, 15
# What the browser counts on by itself (how long ago), and what is masked anew in every answer.
_NO_NEWS = re.compile(rb'name="csrfmiddlewaretoken" value="[^"]*"|(?<=>)[^<>]*(?=</time>)')


def is_asked_for_part(request: HttpRequest) -> bool:
    """Return whether htmx asks: for the part of the page that moves, not for the page."""
    return "HX-Request" in request.headers


def every(request: HttpRequest, moves: bool) -> int:
    """Return every how many seconds a list asks for itself: its first page, where rows come in."""
    if "before" in request.GET or "after" in request.GET:
        return 0
    return SOON if moves else NOW_AND_THEN


def answer(request: HttpRequest, page: str, part: str, context: Mapping[str, Any]) -> HttpResponse:
    """Render a page; asked by htmx its part alone, or 304 where the browser has just that."""
    if is_asked_for_part(request):
        response = _part(request, render(request, part, dict(context)))
    else:
        response = render(request, page, dict(context))
    patch_vary_headers(response, ["HX-Request"])
    return response


def _part(request: HttpRequest, response: HttpResponse) -> HttpResponse:
    digest = blake2b(_NO_NEWS.sub(b"", response.content), digest_size=12).hexdigest()
    etag = f'W/"{digest}"'
    if request.headers.get("If-None-Match") == etag:
        response = HttpResponseNotModified()
    response.headers["ETag"] = etag
    response.headers["Cache-Control"] = "no-store"
    return response
