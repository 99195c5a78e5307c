"""A signed-in browser that walks pages and hears what each complains of."""

from collections.abc import Iterable, Iterator
from typing import Any

from playwright.sync_api import Error

from tests.e2e.pages import Page
from tests.e2e.sessions import sign_in
from tests.world import beat

METHOD_NOT_ALLOWED = 405
# Pages that say no.
RIGHT = {
    "not-found": 404,
    "sign-in-once": 403,
    "invited": 403,
    # Nobody in the world has a second factor.
    "mfa_deactivate_totp": 404,
    "mfa_view_recovery_codes": 404,
    # There is no provider to ask.
    "oidc_begin": 401,
    "openid_connect_callback": 401,
}


def _complains(said: Any) -> bool:
    """Tell an error of the page (a script, the CSP) from an answer with an error status."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


class Walker:
    """Opens pages as zoe, who may do everything, or as nobody where only nobody sees the page."""

    def __init__(self, browser: Any, base_url: str, **options: Any) -> None:
        self.complaints: list[str] = []
        # What moves slowly cannot be looked at right after a key.
        still = {"reduced_motion": "reduce", **options}
        self.contexts = [browser.new_context(base_url=base_url, **still) for _ in range(2)]
        sign_in(self.contexts[0], "zoe", base_url)
        self.pages = {context: self._page(context) for context in self.contexts}

    def _page(self, context: Any) -> Any:
        page = context.new_page()
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda s: self.complaints.append(s.text) if _complains(s) else None)
        return page

    def walk(self, pages: Iterable[Page]) -> Iterator[tuple[Page, Any]]:
        """Yield each page that a browser can show, opened; acts and downloads are left out."""
        for page in pages:
            beat()
            for context in self.contexts:
                if self._shows(self.pages[context], page):
                    yield page, self.pages[context]
                    break

    def _shows(self, shown: Any, page: Page) -> bool:
        """Open a page; tell whether there is one at its address for whom it was asked as."""
        try:
            answer = shown.goto(page.path)
        except Error:
            # A browser has nothing to show for a download, and for an act that only takes a POST.
            answer = shown.request.get(page.path, max_redirects=0)
            is_download = "content-disposition" in answer.headers
            assert is_download or answer.status == METHOD_NOT_ALLOWED, page.path
            if not is_download:
                # The browser's own page of errors, which would still break into what comes next.
                shown.wait_for_url("chrome-error://**")
            return False
        if answer.request.redirected_from or "text/html" not in answer.headers["content-type"]:
            return False
        assert answer.status == RIGHT.get(page.name.removesuffix("--empty"), 200), (
            f"{page.path} answers {answer.status}"
        )
        shown.evaluate("document.fonts.ready.then(() => true)")
        return True

    def close(self) -> None:
        """End both visits."""
        for context in self.contexts:
            context.close()
