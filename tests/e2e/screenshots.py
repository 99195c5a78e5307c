"""Pictures of every page: `python -m tests.e2e.screenshots DIR [--only NAME]... [--check]`.

A scratch database is filled with tests/world, a real server serves it, and each page is drawn in
light, in dark and on a phone, first as an empty installation shows it. With `--check` what
tests/e2e/checks.py finds is printed, and the command fails where there is anything.
"""

import argparse
import os
import sys
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import django

from tests.e2e import checks
from tests.e2e.looks import LOOKS

CHROMIUM = os.environ.get("ACE_TEST_CHROMIUM", "/usr/bin/chromium")


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument(
        "--only", action="append", default=[], help="what a page's name begins with"
    )
    parser.add_argument("--variant", action="append", choices=LOOKS, default=[])
    parser.add_argument("--check", action="store_true", help="also look for what is wrong")
    return parser.parse_args()


@contextmanager
def _scratch_database() -> Iterator[None]:
    """Point Django at a migrated database on a throw-away server."""
    from django.core.management import call_command
    from django.db import connection

    from ace_project.core.embedded_postgres import temporary_server

    with temporary_server() as address:
        connection.settings_dict.update(address.django())
        call_command("migrate", verbosity=0)
        yield
        connection.close()


class Pictures:
    """Draws pages into a folder and keeps what is wrong with them."""

    def __init__(self, asked: argparse.Namespace, browser: Any, base_url: str) -> None:
        self.asked, self.browser, self.base_url = asked, browser, base_url
        self.findings: list[str] = []
        # Layers that every page has, once they were looked at.
        self.everywhere: set[str] = set()

    def draw(self, pages: Iterable[Any]) -> None:
        """Draw pages in every variant that was asked for."""
        from tests.e2e.walker import Walker

        chosen = [p for p in pages if p.name.startswith(tuple(self.asked.only or [""]))]
        for variant in self.asked.variant or LOOKS:
            self.everywhere.clear()
            walker = Walker(self.browser, self.base_url, **LOOKS[variant])
            for context in walker.contexts if self.asked.check else ():
                checks.bring_axe(context)
            for page, shown in walker.walk(chosen):
                self._one(f"{page.name}.{variant}", shown, variant)
                self.findings += [f"{page.name}.{variant}: {c}" for c in walker.complaints]
                walker.complaints.clear()
            walker.close()

    def _one(self, name: str, page: Any, variant: str) -> None:
        self._picture(name, page)
        if not self.asked.check:
            return
        found = checks.axe_findings(page) + checks.overflow_findings(page)
        if variant == "phone":
            found += checks.target_findings(page)
        for layer in checks.opened_layers(page, self.everywhere):
            self.everywhere |= {layer} & {"keys", "more"}
            page.screenshot(path=self.asked.folder / f"{name}.layer-{layer}.png")
            found += [f"{layer}: {line}" for line in checks.axe_findings(page)]
        page.reload()
        found += checks.focus_findings(page)
        self.findings += [f"{name}: {line}" for line in found]

    def _picture(self, name: str, page: Any) -> None:
        """Draw a page in a window as high as itself, so that what is fixed stands at its end."""
        window = page.viewport_size
        height = page.evaluate("document.documentElement.scrollHeight")
        page.set_viewport_size({**window, "height": max(height, window["height"])})
        page.screenshot(path=self.asked.folder / f"{name}.png")
        page.set_viewport_size(window)


def main() -> int:
    """Draw everything; 1 where a check found something."""
    from playwright.sync_api import sync_playwright

    from tests.e2e.pages import every_page, pages_without_samples
    from tests.servers import web_server
    from tests.world import make_people, make_world

    asked = _arguments()
    asked.folder.mkdir(parents=True, exist_ok=True)
    with (
        _scratch_database(),
        tempfile.TemporaryDirectory() as folder,
        web_server(Path(folder)) as port,
        sync_playwright() as playwright,
    ):
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        pictures = Pictures(asked, browser, f"http://127.0.0.1:{port}")
        make_people()
        pictures.draw(pages_without_samples())
        pictures.draw(every_page(make_world()))
        browser.close()
    for line in pictures.findings:
        print(line)
    return 1 if pictures.findings else 0


if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "ace_project.settings.test")
    # Playwright keeps an event loop in this thread, which Django takes for asynchronous code.
    os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"] = "true"
    django.setup()
    sys.exit(main())
