"""A signed-in browser that walks pages and hears what each complains of."""

from collections.abc import Iterable, Iterator
from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client

from tests.e2e.pages import Page
from tests.world import beat

DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
METHOD_NOT_ALLOWED = 405
# Pages that say no.
RIGHT = {"not-found": 404, "sign-in-once": 403}


def _complains(said: Any) -> bool:
    """Tell an error of the page (a script, the CSP) from an answer with an error status."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


class Walker:
    """Opens pages as zoe, who may do everything, or as nobody where only nobody sees the page."""

    def __init__(self, browser: Any, base_url: str, **options: Any) -> None:
        self.complaints: list[str] = []
        self.contexts = [browser.new_context(base_url=base_url, **options) for _ in range(2)]
        signed_in, anonymous = self.contexts
        client = Client()
        client.force_login(get_user_model().objects.get(username="zoe"))
        signed_in.add_cookies(
            [
                {"name": name, "value": morsel.value, "url": base_url}
                for name, morsel in client.cookies.items()
            ]
        )
        self.pages = {context: self._page(context) for context in (signed_in, anonymous)}

    def _page(self, context: Any) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda s: self.complaints.append(s.text) if _complains(s) else None)
        return page

    def walk(self, pages: Iterable[Page]) -> Iterator[tuple[Page, Any]]:
        """Yield each page that a browser can show, opened; acts and downloads are left out."""
        for page in pages:
            beat()
            context = self._shown_to(page)
            if context is not None:
                shown = self.pages[context]
                shown.goto(page.path)
                shown.evaluate("document.fonts.ready.then(() => true)")
                yield page, shown

    def _shown_to(self, page: Page) -> Any:
        for context in self.contexts:
            answer = context.request.get(page.path, max_redirects=0)
            if 300 <= answer.status < 400:
                continue
            if answer.status == METHOD_NOT_ALLOWED or "content-disposition" in answer.headers:
                return None
            assert answer.status == RIGHT.get(page.name, 200), (
                f"{page.path} answers {answer.status}"
            )
            return context if "text/html" in answer.headers["content-type"] else None
        return None

    def close(self) -> None:
        """End both visits."""
        for context in self.contexts:
            context.close()
