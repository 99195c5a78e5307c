"""A signed-in browser that walks pages and hears what each complains of."""

from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Any

from playwright.sync_api import Error

from tests.e2e.pages import Page
from tests.e2e.sessions import sign_in
from tests.world import beat
from tests.world.people import forget_that_codes_were_seen

METHOD_NOT_ALLOWED = 405
# Pages that say no.
RIGHT = {
    "not-found": 404,
    "sign-in-once": 403,
    "invited": 403,
    # There is no provider to ask.
    "oidc_begin": 401,
    "openid_connect_callback": 401,
}
# Pages of who has second factors, and no password.
GUARDED = (
    *("account--guarded", "account_set_password", "mfa_deactivate_totp", "mfa_edit_webauthn"),
    *("mfa_generate_recovery_codes", "mfa_reauthenticate", "mfa_reauthenticate_webauthn"),
    *("mfa_remove_webauthn", "mfa_view_recovery_codes", "mfa_view_recovery_codes--seen"),
)


def _complains(said: Any) -> bool:
    """Tell an error of the page (a script, the CSP) from an answer with an error status."""
    return said.type == "error" and not said.text.startswith("Failed to load resource")


def _is_error(frame: Any) -> bool:
    return str(frame.url).startswith("chrome-error://")


def _is_shown(answer: Any, page: Page) -> bool:
    """Tell whether this is the page itself, and no other that one is sent to instead."""
    if answer.request.redirected_from or "text/html" not in answer.headers["content-type"]:
        return False
    assert answer.status == RIGHT.get(page.name.removesuffix("--empty"), 200), (
        f"{page.path} answers {answer.status}"
    )
    return True


class Walker:
    """Opens pages as zoe, who may do everything, as eve, who has second factors, or as nobody.

    Both have just confirmed who they are. Nobody sees what a person is sent away from.
    """

    def __init__(
        self,
        browser: Any,
        base_url: str,
        *,
        names: Iterable[str] = ("zoe", "eve"),
        **options: Any,
    ) -> None:
        self.complaints: list[str] = []
        # What moves slowly cannot be looked at right after a key.
        still = {"reduced_motion": "reduce", **options}
        self.contexts = [browser.new_context(base_url=base_url, **still) for _ in range(3)]
        for context, name in zip(self.contexts, names, strict=False):
            sign_in(context, name, base_url, is_confirmed=True)
        # By page, the last answer to opening one.
        self.answers: dict[Any, Any] = {}
        # By page, how often the browser showed its own page of errors.
        self.failed: Counter[Any] = Counter()
        self.pages = [self._page(context) for context in self.contexts]

    def _page(self, context: Any) -> Any:
        page = context.new_page()
        page.on("response", lambda answer: self._note(page, answer))
        page.on("framenavigated", lambda frame: self.failed.update([page] * _is_error(frame)))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("console", lambda s: self.complaints.append(s.text) if _complains(s) else None)
        return page

    def _note(self, page: Any, answer: Any) -> None:
        if answer.request.is_navigation_request():
            self.answers[page] = answer

    def walk(self, pages: Iterable[Page]) -> Iterator[tuple[Page, Any]]:
        """Yield each page that a browser can show, opened; acts and downloads are left out."""
        for page in pages:
            beat()
            for shown in self._visitors(page):
                answer = self._open(shown, page)
                if answer is None:
                    break
                if _is_shown(answer, page):
                    shown.evaluate("document.fonts.ready.then(() => true)")
                    yield page, shown
                    break

    def _visitors(self, page: Page) -> list[Any]:
        """Return as whom a page is opened, one after the other until there is something to see."""
        zoe, eve, nobody = self.pages
        if page.name.removesuffix("--empty") not in GUARDED:
            return [zoe, nobody]
        if page.name.startswith("mfa_view_recovery_codes") and not page.name.endswith("--seen"):
            forget_that_codes_were_seen()
        return [eve]

    def _open(self, shown: Any, page: Page) -> Any:
        """Open a page and return the answer; None where a browser has nothing to show of it."""
        failed = self.failed[shown]
        try:
            return shown.goto(page.path)
        except Error:
            # A download, or an act that only takes a POST.
            answer = self.answers[shown]
            is_download = "content-disposition" in answer.headers
            assert is_download or answer.status == METHOD_NOT_ALLOWED, page.path
            if not is_download and self.failed[shown] == failed:
                # The browser's own page of errors, which would still break into what comes next.
                shown.wait_for_event("framenavigated", _is_error)
            return None

    def close(self) -> None:
        """End all visits."""
        for context in self.contexts:
            context.close()
