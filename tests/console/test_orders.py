"""The orders of the review queue: page by page, forth and back, and from delta to delta."""

from collections.abc import Callable

import pytest
from django.test import Client

from ace_project.console import orders, waiting
from playbooks import services
from playbooks.actors import person
from playbooks.models import Delta, Risk

pytestmark = pytest.mark.django_db
URL = "/review/"
# Ties enough that a page ends within one.
CONFIDENCES = (0.7, 0.9, 0.7, 0.2, 0.7, 0.9, 0.7, 0.5, 0.7)
OUTCOMES = ("pass", "block", "warn", "pass", "warn", "block", "warn", "pass", "warn")
RANK = {Risk.BLOCK: 0, Risk.WARN: 1, Risk.CLEAR: 2}


@pytest.fixture
def client(signed_in: Callable[..., Client]) -> Client:
    return signed_in("reviewer")


@pytest.fixture
def queue(propose: Callable[..., Delta], monkeypatch: pytest.MonkeyPatch) -> list[Delta]:
    """Return deltas with ties in every order, on pages of four."""
    monkeypatch.setattr(orders, "PAGE_SIZE", 4)
    made = [propose(f"Lesson {n} of some.", confidence=sure) for n, sure in enumerate(CONFIDENCES)]
    for delta, outcome in zip(made, OUTCOMES, strict=True):
        verdict = {"judge": "evidence", "outcome": outcome, "reason": "so"}
        Delta.objects.filter(pk=delta.pk).update(verdicts=[verdict])
    return list(Delta.objects.order_by("pk"))


WANTED: dict[str, Callable[[Delta], tuple[float, ...]]] = {
    "": lambda delta: (-delta.pk,),
    "oldest": lambda delta: (delta.pk,),
    "sure": lambda delta: (-delta.confidence, -delta.pk),
    "unsure": lambda delta: (delta.confidence, delta.pk),
    "risk": lambda delta: (RANK[Risk(delta.risk)], -delta.pk),
}


def _shown(client: Client, url: str) -> tuple[list[int], str, str]:
    context = client.get(url).context
    page = context["page"]
    return [row.pk for row in page.rows], page.previous_url, page.next_url


def test_every_order_that_is_offered_is_tried() -> None:
    assert WANTED.keys() == orders.ORDERS.keys()


@pytest.mark.parametrize("sort", WANTED)
def test_pages_of_an_order_follow_each_other_forth_and_back(
    client: Client, queue: list[Delta], sort: str
) -> None:
    wanted = [delta.pk for delta in sorted(queue, key=WANTED[sort])]
    first, before, following = _shown(client, f"{URL}?sort={sort}&source=scripted")
    second, back, last_url = _shown(client, URL + following)
    third, _, end = _shown(client, URL + last_url)
    assert [first, second, third] == [wanted[:4], wanted[4:8], wanted[8:]]
    assert (before, end) == ("", "")
    again, at_start, forth = _shown(client, URL + back)
    assert (again, at_start) == (first, "")
    assert _shown(client, URL + forth)[0] == second


@pytest.mark.parametrize("sort", WANTED)
def test_a_delta_opened_from_an_order_leads_on_in_it(
    client: Client, queue: list[Delta], sort: str
) -> None:
    wanted = [delta.pk for delta in sorted(queue, key=WANTED[sort])]
    filters = waiting.Filters(sort=sort)
    for before, pk, after in zip([None, *wanted], wanted, [*wanted[1:], None], strict=False):
        found = waiting.neighbours(filters, Delta.objects.get(pk=pk))
        assert found == (before, after)
    answer = client.post(f"{URL}{wanted[0]}/{filters.query()}", {"do": "reject", "reason": "no"})
    assert answer.headers["Location"] == f"{URL}{wanted[1]}/{filters.query()}"


def test_a_place_that_is_gone_begins_at_the_first(client: Client, queue: list[Delta]) -> None:
    first = _shown(client, f"{URL}?sort=sure")[0]
    assert _shown(client, f"{URL}?sort=sure&before=999999")[0] == first
    assert _shown(client, f"{URL}?sort=risk&after=999999")[0]


def test_what_does_not_wait_is_ordered_by_age_alone(client: Client, queue: list[Delta]) -> None:
    for delta in queue[:3]:
        services.reject_delta(delta=delta, by=person("bob"), reason="no")
    assert client.get(f"{URL}?status=decided&sort=sure").status_code == 400
    rows, *_ = _shown(client, f"{URL}?status=decided&sort=oldest")
    assert rows == [delta.pk for delta in queue[:3]]
    tabs = {tab["name"]: tab["url"] for tab in client.get(f"{URL}?sort=sure").context["tabs"]}
    assert tabs["In conflict"] == f"{URL}?status=conflict&sort=sure"
    assert tabs["Decided"] == f"{URL}?status=decided"


def test_an_order_that_there_is_not_is_bad_input(client: Client) -> None:
    assert client.get(f"{URL}?sort=cheapest").status_code == 400


def test_the_order_is_in_the_address_and_kept_by_a_saved_view(
    client: Client, queue: list[Delta]
) -> None:
    page = client.get(f"{URL}?sort=risk&source=scripted").content.decode()
    assert '<option value="risk" selected>Worst verdict first</option>' in page
    assert f'href="{URL}?sort=risk">Clear' in page
    assert "Next</a>" in page and "Older</a>" not in page
    client.post(
        f"{URL}views/", {"do": "save", "name": "Worst", "query": "sort=risk&source=scripted"}
    )
    views = client.get(f"{URL}?source=scripted&sort=risk").context["views"]
    assert [(view.url, view.current) for view in views] == [
        (f"{URL}?source=scripted&sort=risk", True)
    ]
