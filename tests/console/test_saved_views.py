"""Filters saved by a name: a person's own, reached by an address that anyone can open."""

from collections.abc import Callable

import pytest
from django.test import Client

from ace_project.console.models import SavedView
from ace_project.console.saved_views import MOST_VIEWS

pytestmark = pytest.mark.django_db
URL = "/review/views/"


def _save(client: Client, name: str, query: str = "source=llm&risk=warn") -> str:
    form = {"do": "save", "name": name, "query": query}
    return client.post(URL, form, follow=True).content.decode()


def test_a_view_is_saved_shown_as_a_tab_and_opened_by_its_address(
    signed_in: Callable[..., Client],
) -> None:
    client = signed_in("viewer")
    page = _save(client, " Models,  with doubts ")
    assert "Saved as “Models, with doubts”." in page
    assert 'href="/review/?source=llm&amp;risk=warn" aria-current="page">Models' in page
    assert client.get("/review/?source=llm&risk=warn").status_code == 200


def test_the_same_name_replaces_the_view(signed_in: Callable[..., Client]) -> None:
    client = signed_in("viewer")
    _save(client, "mine")
    assert "Replaced the view" in _save(client, "mine", "source=agent")
    assert [(v.name, v.query) for v in SavedView.objects.all()] == [("mine", "source=agent")]


def test_a_view_is_renamed_and_deleted(signed_in: Callable[..., Client]) -> None:
    client = signed_in("viewer")
    _save(client, "mine")
    _save(client, "other", "")
    pk = SavedView.objects.get(name="mine").pk
    client.post(URL, {"do": "rename", "view": pk, "name": "ours"})
    assert SavedView.objects.filter(name="ours").exists()
    form = {"do": "rename", "view": pk, "name": "other"}
    assert "already" in client.post(URL, form, follow=True).content.decode()
    client.post(URL, {"do": "delete", "view": pk})
    assert list(SavedView.objects.values_list("name", flat=True)) == ["other"]


def test_nobody_touches_anothers_views(signed_in: Callable[..., Client]) -> None:
    ann, bob = signed_in("viewer", "ann"), signed_in("viewer", "bob")
    _save(ann, "mine")
    pk = SavedView.objects.get().pk
    for verb in ("rename", "delete"):
        form = {"do": verb, "view": pk, "name": "taken"}
        assert "You have no such view." in bob.post(URL, form, follow=True).content.decode()
    assert SavedView.objects.get().name == "mine"
    assert "mine" not in bob.get("/review/").content.decode()


@pytest.mark.parametrize("name", ["", "x" * 61, "a\u202eb"])
def test_a_name_that_cannot_be_read_is_refused(signed_in: Callable[..., Client], name: str) -> None:
    assert "A name has 1 to 60 characters" in _save(signed_in("viewer"), name)
    assert not SavedView.objects.exists()


def test_there_is_a_bound_and_only_what_an_address_can_hold_is_saved(
    signed_in: Callable[..., Client],
) -> None:
    client = signed_in("viewer")
    for number in range(MOST_VIEWS):
        _save(client, f"view {number}")
    assert "delete one first" in _save(client, "one more")
    assert client.post(URL, {"do": "save", "name": "x", "query": "risk=none"}).status_code == 400
    assert client.post(URL, {"do": "share"}).status_code == 400
    assert client.get(URL).status_code == 405


def test_a_stranger_saves_nothing(client: Client) -> None:
    assert "/sign-in/" in client.post(URL, {"do": "save", "name": "x"}).headers["Location"]


def test_the_filters_of_a_queue_are_not_what_the_search_was_asked(
    signed_in: Callable[..., Client],
) -> None:
    page = signed_in("viewer").get("/review/?source=llm").content.decode()
    assert 'name="query" value="source=llm"' in page
    assert 'type="search" maxlength="200" value=""' in page
