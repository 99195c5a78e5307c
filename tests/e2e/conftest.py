"""A real browser on a live server: Debian's chromium, driven by Playwright."""

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import absent
from tests.e2e.looks import LOOKS, Look
from tests.e2e.sessions import sign_in

CHROMIUM = Path(os.environ.get("ACE_TEST_CHROMIUM", "/usr/bin/chromium"))
PASSWORD = "a long password 42"
# How the browser and htmx write down an answer with an error status, or none at all.
_ANSWERS = (
    *("Failed to load resource", "Response Status Error Code"),
    *("htmx:sendError", "htmx:afterRequest"),
)


@pytest.fixture(scope="session")
def chromium() -> Iterator[Any]:
    """Return a running chromium; skips where there is none."""
    sync_api = pytest.importorskip("playwright.sync_api")
    if not CHROMIUM.exists():
        absent("browser", f"there is no {CHROMIUM}")
    # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
    with pytest.MonkeyPatch.context() as patch, sync_api.sync_playwright() as playwright:
        patch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "true")
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def _complains(said: Any) -> bool:
    """Tell an error of the page (a script, the CSP) from an answer with an error status."""
    return said.type == "error" and not said.text.startswith(_ANSWERS)


@pytest.fixture
def visit(chromium: Any, live_server: Any) -> Iterator[Callable[..., Any]]:
    """Return a maker of signed-in pages; any complaint in a page's console fails the test."""
    from django.contrib.auth import get_user_model
    from django.contrib.auth.models import Group
    from django.core.cache import cache

    # Tests that empty the tables leave the shared cache, where sign-ins per minute are counted.
    cache.clear()
    complaints: list[str] = []
    contexts = []

    def make(name: str = "ann", role: str = "reviewer", **options: Any) -> Any:
        if not get_user_model().objects.filter(username=name).exists():
            user = get_user_model().objects.create_user(name, password=PASSWORD)
            user.groups.add(Group.objects.get_or_create(name=role)[0])
        wanted = {"base_url": live_server.url, **options}
        context = chromium.new_context(**wanted)
        contexts.append(context)
        sign_in(context, name, wanted["base_url"])
        page = context.new_page()
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("console", lambda said: complaints.append(said.text) if _complains(said) else None)
        return page

    yield make
    for context in contexts:
        context.close()
    assert not complaints


@pytest.fixture(params=LOOKS)
def look(request: pytest.FixtureRequest, visit: Callable[..., Any]) -> Iterator[Look]:
    """Return a desk in light, one in dark, and a phone; no page of theirs may end up too wide."""
    from tests.e2e.checks import overflow_findings

    made = Look(request.param, visit)
    yield made
    assert not [line for page in made.pages for line in overflow_findings(page)]
