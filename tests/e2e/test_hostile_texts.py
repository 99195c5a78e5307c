"""Texts of others are text on every page: whatever they hold, in whatever field."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any
from urllib.parse import quote

import pytest
from django.contrib.auth import get_user_model
from django.urls import reverse

from evolution.models import ExecutionTrace, LlmExchange
from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent, Bullet, Delta
from tests.e2e import checks
from tests.e2e.looks import PHONE
from tests.e2e.pages import Page, every_page
from tests.e2e.walker import Walker
from tests.hostile.poisoning import HOSTILE, hostile_name, poison
from tests.world import World, make_people, make_world

# Which lines run is measured by other tests: noting it takes long where there are so many pages.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.no_cover,
    pytest.mark.django_db(transaction=True),
]

# Where each of the pages takes words from the address.
ASKED = ("/search/?q=", "/traces/?q=", "/audit/?actor=", "/playbooks/?q=", "/agents/?q=")

# A file's name ends at a slash for Django, which also takes the escapes of HTML out of it.
_FILE = (
    "<img data-hostile onerror=hostile() src=x> &lt;b data-hostile&gt; {{7*7}} "
    "\u202eturned\u202c zero\u200bwidth \u05e9\u05dc\u05d5\u05dd.json"
)

_HEARD = "window.hostile = () => { window.heard = true; };"

# Inputs show what they hold as it is, apart from all else: there it is edited.
_FINDINGS = r"""() => {
  const hidden = /[\u202a-\u202e\u200b-\u200f\u2066-\u2069]/;
  const leftward = /[\u0590-\u08ff]/;
  const found = [];
  if (window.heard) found.push("a script ran");
  const brief = (e) => e.outerHTML.slice(0, 160);
  for (const e of document.querySelectorAll("[data-hostile]")) found.push(`element: ${brief(e)}`);
  if (hidden.test(document.title)) found.push(`hidden in the title: ${document.title}`);
  for (const e of document.querySelectorAll("[title], [aria-label], [alt]")) {
    const said = ["title", "aria-label", "alt"].map((name) => e.getAttribute(name) ?? "").join(" ");
    if (hidden.test(said)) found.push(`hidden in an attribute: ${brief(e)}`);
  }
  const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  const alone = (node) => {
    for (let e = node.parentElement; e; e = e.parentElement) {
      const style = getComputedStyle(e);
      const apart = style.display === "inline" && /isolate|plaintext/.test(style.unicodeBidi);
      if (apart || e.matches("bdi, .ace-words")) return true;
      if (style.display !== "inline" && style.display !== "contents")
        return e.textContent.trim() === node.data.trim();
    }
    return true;
  };
  while (texts.nextNode()) {
    const node = texts.currentNode;
    if (node.parentElement.closest("pre, textarea, script, style, option")) continue;
    const where = brief(node.parentElement);
    if (hidden.test(node.data)) found.push(`hidden in a text: ${where}`);
    else if (leftward.test(node.data) && !alone(node)) found.push(`turns its neighbours: ${where}`);
  }
  return [...new Set(found)].slice(0, 8);
}"""


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return a small world in which every text is hostile."""
    make_people()
    made = make_world(each=24, today=48, iterations=8, runs=200)
    renamed = poison()
    samples = {
        part: {name: renamed.get(value, value) for name, value in known.items()}
        for part, known in made.samples.items()
    }
    return replace(made, samples=samples)


@pytest.fixture
def walker(chromium: Any, live_server: Any, world: World) -> Iterator[Walker]:
    """Return a walker on a phone, which fails where a page's console complains."""
    names = [hostile_name(name) for name in ("zoe", "eve")]
    made = Walker(chromium, live_server.url, names=names, **PHONE)
    for page in made.pages:
        page.on("dialog", lambda dialog: made.complaints.append(f"dialog: {dialog.message}"))
        page.add_init_script(_HEARD)
    yield made
    made.close()
    assert not made.complaints


def data_pages() -> Iterator[Page]:
    """Yield the admin's list of some models, and the first row; all are drawn by the same code."""
    for model in (Agent, Bullet, Delta, ExecutionTrace, LlmExchange, get_user_model()):
        name = model._meta.label_lower.replace(".", "_")
        yield Page(f"admin-{name}", reverse(f"admin:{name}_changelist"))
        row = model._default_manager.order_by("pk").first()
        if row is not None:
            yield Page(f"admin-{name}-row", reverse(f"admin:{name}_change", args=[row.pk]))


def test_nothing_that_others_wrote_is_more_than_text_on_any_page(
    walker: Walker, world: World
) -> None:
    asked = [Page(f"asked-{path}", path + quote(HOSTILE)) for path in ASKED]
    found = []
    for page, shown in walker.walk([*every_page(world), *asked, *data_pages()]):
        lines = shown.evaluate(_FINDINGS) + checks.overflow_findings(shown)
        found += [f"{page.name}: {line}" for line in lines]
    assert not found, "\n".join(found)


def test_the_names_of_an_imported_file_and_of_who_imports_it_are_only_text(
    visit: Callable[..., Any], transactional_db: None
) -> None:
    services.create_agent(agent_id="airline", author=AUTOMATIC)
    page = visit(hostile_name("bob"), **PHONE)
    page.add_init_script(_HEARD)
    page.goto("/playbooks/airline/transfer/")
    given = {"name": _FILE, "mimeType": "application/json", "buffer": b'{"s": ["Be brief."]}'}
    page.get_by_label("File, JSON").set_input_files(given)
    page.get_by_role("button", name="Show what it would change").click()
    page.get_by_role("heading", name="Import <img data-hostile").wait_for()
    found = page.evaluate(_FINDINGS) + checks.overflow_findings(page)
    page.get_by_role("button", name="Propose 1 change").click()
    page.get_by_text("Import of <img data-hostile").first.wait_for()
    assert Delta.objects.get().author == f"person:{hostile_name('bob')}"
    assert not found + page.evaluate(_FINDINGS) + checks.overflow_findings(page)
