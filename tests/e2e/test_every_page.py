"""Every page, as it is: for assistive technology, by keyboard, on a phone, without a script."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from tests.e2e import checks
from tests.e2e.looks import DESK, PHONE
from tests.e2e.pages import every_page, pages_without_samples
from tests.e2e.walker import Walker
from tests.world import World, make_people, make_world

# Which lines run is measured by other tests: noting it takes long where there are so many pages.
pytestmark = [
    pytest.mark.browser,
    pytest.mark.no_cover,
    pytest.mark.django_db(transaction=True),
]

Maker = Callable[..., Walker]


@pytest.fixture
def world(transactional_db: None) -> World:
    """Return a small world with people in it."""
    make_people()
    return make_world(each=24, today=96, iterations=40, runs=240)


@pytest.fixture
def walker(chromium: Any, live_server: Any) -> Iterator[Maker]:
    """Return a maker of walkers; whatever a page's console says of an error fails the test."""
    made: list[Walker] = []

    def make(**options: Any) -> Walker:
        made.append(Walker(chromium, live_server.url, **options))
        for context in made[-1].contexts:
            checks.bring_axe(context)
        return made[-1]

    yield make
    for one in made:
        one.close()
    assert not [complaint for one in made for complaint in one.complaints]


def test_every_page_and_layer_is_open_to_assistive_technology_and_the_keyboard(
    walker: Maker, world: World
) -> None:
    found, layers_seen = [], set()
    for page, shown in walker(**DESK, color_scheme="light").walk(every_page(world)):
        found += [f"{page.name}: {line}" for line in checks.axe_findings(shown)]
        found += [f"{page.name}: {line}" for line in checks.focus_findings(shown)]
        for layer in checks.opened_layers(shown, layers_seen):
            layers_seen.add(layer)
            found += [f"{page.name}, {layer}: {line}" for line in checks.axe_findings(shown)]
    assert not found, "\n".join(found)
    assert {"keys"} < layers_seen


def test_every_page_fits_a_phone_in_the_dark(walker: Maker, world: World) -> None:
    found = []
    for page, shown in walker(**PHONE, color_scheme="dark").walk(every_page(world)):
        lines = checks.axe_findings(shown, "color-contrast", "target-size")
        lines += checks.overflow_findings(shown) + checks.target_findings(shown)
        found += [f"{page.name}: {line}" for line in lines]
    assert not found, "\n".join(found)


def test_every_page_is_whole_without_a_script(walker: Maker, world: World) -> None:
    found = []
    plain = walker(**PHONE, java_script_enabled=False)
    for page, shown in plain.walk(every_page(world)):
        lines = checks.overflow_findings(shown) + checks.dead_buttons(shown)
        found += [f"{page.name}: {line}" for line in lines]
    assert not found, "\n".join(found)


def test_an_empty_installation_has_pages_too(walker: Maker, transactional_db: None) -> None:
    make_people()
    found = []
    for page, shown in walker(**DESK, color_scheme="dark").walk(pages_without_samples()):
        found += [f"{page.name}: {line}" for line in checks.axe_findings(shown)]
    assert not found, "\n".join(found)
