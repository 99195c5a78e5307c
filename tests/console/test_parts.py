"""One set of template parts: a page uses them and does not build its own."""

import pytest

from tests.conftest import ROOT

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
PAGES = [path for path in TEMPLATES if "parts" not in path.relative_to(ROOT).parts]


@pytest.mark.parametrize(
    ("markup", "part"),
    [
        ("<dialog", "parts/confirm.html, or a part of the page's own"),
        ('class="ace-toast', "parts/toasts.html"),
        ('class="ace-op"', "{% operation %}"),
        ("<ins>", "{% words_changed %}"),
        ('class="ace-trail"', "parts/trail.html"),
        ("<svg", "{% icon %}, or a plot's part"),
        (" style=", "a class: the policy of the pages forbids it"),
    ],
)
def test_only_a_part_draws_it(markup: str, part: str) -> None:
    assert PAGES
    found = [path.name for path in PAGES if markup in path.read_text(encoding="utf-8")]
    assert not found, f"use {part}"


@pytest.mark.parametrize(
    ("markup", "part"),
    [
        ('class="ace-empty"', "empty.html"),
        ('class="ace-tile"', "{% tile %}"),
    ],
)
def test_no_other_part_draws_it_either(markup: str, part: str) -> None:
    drawn = {path.name for path in TEMPLATES if markup in path.read_text(encoding="utf-8")}
    assert drawn <= {part}
