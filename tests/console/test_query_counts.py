"""Every page asks the database a fixed number of things, however many rows there are."""

from collections.abc import Callable

import pytest
from django.core.cache import caches
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from bench import pages
from bench.seeding import seeding
from bench.seeding.shape import Shape

pytestmark = pytest.mark.django_db

# No page may ask more than this, and none asks more where there is four times as much.
MOST_QUERIES = 40
SMALL = Shape(agents=6, deltas=150, traces=300)
MORE = Shape(agents=24, deltas=600, traces=1200, first=6)


@pytest.fixture
def operator(signed_in: Callable[..., Client]) -> Client:
    return signed_in("admin")


def _shown(operator: Client) -> list[pages.Page]:
    posted = pages.only_posted(lambda path: operator.get(path).status_code)
    found = pages.pages(posted)
    assert not pages.uncovered(found, posted), "name rows for them in bench/pages.py"
    return found


def _counts(operator: Client, found: list[pages.Page]) -> dict[str, int]:
    """Return the queries of each address, nothing in the cache."""
    counts = {}
    for page in found:
        caches["local"].clear()
        with CaptureQueriesContext(connection) as asked:
            answer = operator.get(page.path)
            assert answer.status_code == 200, page
            b"".join(answer) if answer.streaming else answer.content
        counts[page.path] = len(asked)
    return counts


def test_no_page_asks_more_of_a_larger_database(operator: Client) -> None:
    seeding.seed(SMALL, lambda text: None)
    found = _shown(operator)
    before = _counts(operator, found)
    seeding.seed(MORE, lambda text: None)
    after = _counts(operator, found)
    grown = {path: (before[path], after[path]) for path in before if after[path] > before[path]}
    assert not grown
    assert {path: count for path, count in after.items() if count > MOST_QUERIES} == {}
