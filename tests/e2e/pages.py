"""Every page of the product, derived from its addresses, so that none is forgotten."""

import re
from collections.abc import Iterator
from dataclasses import dataclass

from django.contrib.admindocs.views import simplify_regex
from django.urls import URLPattern, URLResolver, get_resolver
from django.urls.resolvers import RoutePattern

from tests.world import World

# Addresses for machines, and the data inspector, which has tests of its own.
NOT_OURS = ("api/", "internal/", "admin/", "favicon.ico", "healthz", "readyz", "metrics")


@dataclass(frozen=True)
class Page:
    """One page, or one view of it; `name` is that of its pictures."""

    name: str
    path: str


def _routes(
    patterns: list[URLPattern | URLResolver], before: str = ""
) -> Iterator[tuple[str, str]]:
    """Yield name and route (`traces/<pk>/`) of every address."""
    for found in patterns:
        is_route = isinstance(found.pattern, RoutePattern)
        part = str(found.pattern) if is_route else simplify_regex(str(found.pattern)).lstrip("/")
        route = before + part
        if route.startswith(NOT_OURS):
            continue
        if isinstance(found, URLResolver):
            yield from _routes(found.url_patterns, route)
        else:
            yield found.name or re.sub(r"\W+", "-", route).strip("-"), route


def _filled(route: str, samples: dict[str, dict[str, object]]) -> str:
    """Return the address of a route, filled in from the world."""
    known = samples.get("", {}) | samples.get(route.partition("/")[0], {})

    def value(match: re.Match[str]) -> str:
        assert match[1] in known, f"tests/world has no sample for {match[1]} of {route}"
        return str(known[match[1]])

    return "/" + re.sub(r"<(?:\w+:)?(\w+)>", value, route)


def every_page(world: World) -> list[Page]:
    """Return all addresses, those that only take a POST among them, and further views of them."""
    found = [
        Page(name, _filled(route, world.samples))
        for name, route in _routes(get_resolver().url_patterns)
    ]
    names = {page.name for page in found}
    assert names >= world.views.keys(), f"no page is called {world.views.keys() - names}"
    for name, views in world.views.items():
        found += [Page(f"{name}--{view}", path) for view, path in views.items()]
    return [*found, Page("not-found", "/nothing-here/")]


def pages_without_samples() -> list[Page]:
    """Return the pages that an empty installation has."""
    return [
        Page(f"{name}--empty", f"/{route}")
        for name, route in _routes(get_resolver().url_patterns)
        if "<" not in route
    ]
