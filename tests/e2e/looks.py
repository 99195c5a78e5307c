"""How people look at the console: at a desk in light or dark, on a phone, without a script."""

from collections.abc import Callable
from typing import Any

DESK = {"viewport": {"width": 1440, "height": 900}}
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True}
PLAIN = {"java_script_enabled": False}
LOOKS: dict[str, dict[str, Any]] = {
    "light": {**DESK, "color_scheme": "light"},
    "dark": {**DESK, "color_scheme": "dark"},
    "phone": {**PHONE, "color_scheme": "light"},
}


class Look:
    """One of LOOKS, and how a person goes about in it: by mouse at a desk, by touch on a phone."""

    def __init__(self, name: str, visit: Callable[..., Any]) -> None:
        self.name, self.visit = name, visit
        self.pages: list[Any] = []

    def enter(self, role: str = "reviewer", **options: Any) -> Any:
        """Return the page of a person who is signed in and sees the overview."""
        page = self.visit(role=role, **LOOKS[self.name], **options)
        self.pages.append(page)
        page.goto("/")
        theme = "dark" if self.name == "dark" else "light"
        assert page.evaluate("document.documentElement.dataset.bsTheme") == theme
        return page

    def press(self, target: Any) -> None:
        """Click, or tap."""
        if self.name == "phone":
            target.tap()
        else:
            target.click()

    def go_to(self, page: Any, place: str) -> None:
        """Go to a part of the console by the navigation, which on a phone holds a few of them."""
        navigation = page.get_by_role("navigation", name="Main")
        link = navigation.get_by_role("link", name=place)
        if not link.count():
            self.press(navigation.get_by_role("button", name="More"))
            link = page.locator("#more").get_by_role("link", name=place)
        self.press(link)
        page.get_by_role("navigation", name="Breadcrumb").get_by_text(place).wait_for()
