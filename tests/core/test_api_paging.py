"""Keyset pages with opaque cursors."""

import pytest
from django.test import RequestFactory

from ace_project.core import tokens
from ace_project.core.api.paging import DEFAULT_LIMIT, cursor_to, limit_of, page, page_of
from ace_project.core.errors import InvalidInput
from ace_project.core.models import ApiToken, WorkerBeat


def ask(**query: object):
    return RequestFactory().get("/", query)


def names(request, by="-id"):
    return page(request, WorkerBeat.objects.all(), name="beats", by=by, render=lambda r: r.name)


@pytest.fixture
def beats(db):
    WorkerBeat.objects.bulk_create([WorkerBeat(name=f"w{i}") for i in range(7)])


@pytest.mark.parametrize("by", ["-id", "id", "name", "-name"])
def test_following_next_gives_every_row_once_in_order(beats, by):
    seen, found = [], names(ask(limit=3), by)
    while True:
        seen += found["results"]
        if found["next"] is None:
            break
        found = names(ask(limit=3, cursor=found["next"]), by)
    expected = [f"w{i}" for i in range(7)]
    assert seen == (expected[::-1] if by.startswith("-") else expected)


def test_a_row_that_comes_in_between_shifts_nothing(beats):
    first = names(ask(limit=3))
    WorkerBeat.objects.create(name="new")
    second = names(ask(limit=3, cursor=first["next"]))
    assert second["results"] == ["w3", "w2", "w1"]


def test_a_page_is_one_statement(beats, django_assert_num_queries):
    with django_assert_num_queries(1):
        names(ask(limit=3))


def test_the_last_page_has_no_next(beats):
    assert names(ask(limit=7))["next"] is None
    assert names(ask(limit=6))["next"] is not None


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "", "1.5", "٣", "9" * 50])
def test_a_limit_outside_1_to_200_is_refused(limit):
    with pytest.raises(InvalidInput) as caught:
        limit_of(ask(limit=limit))
    assert caught.value.errors[0]["pointer"] == "?limit"


def test_without_a_limit_a_page_has_a_hundred():
    assert limit_of(ask()) == DEFAULT_LIMIT == 100


@pytest.mark.parametrize("cursor", ["", "x", "a:b", "Mg:AAAA", "\x00", "é" * 300])
def test_a_cursor_of_nobody_s_making_is_refused(cursor):
    with pytest.raises(InvalidInput) as caught:
        names(ask(cursor=cursor))
    assert caught.value.errors[0]["pointer"] == "?cursor"


def test_a_cursor_of_another_list_is_refused():
    with pytest.raises(InvalidInput):
        names(ask(cursor=cursor_to("other", 3)))


def test_a_sequence_is_paged_by_its_places():
    first, more = page_of(ask(limit=2), "abc", name="s", offset=0, beside=1)
    assert (first, more) == ("ab", cursor_to("s", [1, 2]))
    assert page_of(ask(limit=2), "abc", name="s", offset=2, beside=1) == ("c", None)


def test_keys_that_are_no_numbers_make_cursors_too(db):
    for number in range(3):
        tokens.issue(f"bot{number}")
    rows = ApiToken.objects.all()
    first = page(ask(limit=2), rows, name="t", by="agent_id", render=lambda row: row.agent_id)
    rest = ask(limit=2, cursor=first["next"])
    assert page(rest, rows, name="t", by="agent_id", render=lambda row: row.agent_id) == {
        "results": ["bot2"],
        "next": None,
    }
