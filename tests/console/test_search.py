"""One search field over agents, deltas, bullets, trainings and traces."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evolution.models import ExecutionTrace
from playbooks.models import Agent, Delta
from tests.training_rows import make_job

URL = "/search/"


def found(client: Client, query: str) -> dict[str, int]:
    """Return how many hits of each kind the words have."""
    context = client.get(URL, {"q": query}).context
    kinds = ("agents", "deltas", "bullets", "trainings", "traces")
    return {kind: len(context[kind]) for kind in kinds if context[kind]}


def test_a_stranger_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(URL).status_code == 302


def test_other_methods_are_refused(signed_in: Callable[..., Client]) -> None:
    assert signed_in("viewer").post(URL).status_code == 405


def test_without_words_there_is_only_the_field(signed_in: Callable[..., Client]) -> None:
    answer = signed_in("viewer").get(URL, {"q": " \x00 "})
    assert "agents" not in answer.context
    assert 'id="words"' in answer.content.decode()


@pytest.mark.parametrize(
    ("query", "hits"),
    [
        ("AIRLINE", {"agents": 1}),
        ("booking date", {"bullets": 1}),
        ("Quote the", {"deltas": 1}),
        ("because of fares", {"deltas": 1}),
        ("fare not", {"traces": 1}),
        ("t-77", {"traces": 1}),
        ("lessons help", {"trainings": 1}),
        ("%", {}),
        ("'; drop table", {}),
    ],
)
def test_words_are_found_where_they_stand(
    signed_in: Callable[..., Client],
    agent: Agent,
    propose: Callable[..., Delta],
    query: str,
    hits: dict[str, int],
) -> None:
    propose("Quote the fare.", reasoning="Because of fares")
    make_job(agent, title="Which lessons help")
    ExecutionTrace.objects.create(
        agent=agent,
        trace_id="t-77",
        success=False,
        error_message="Fare not there",
        captured_at=timezone.now(),
    )
    assert found(signed_in("viewer"), query) == hits


def test_a_delta_is_found_by_its_number_and_its_id(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta, viewer = propose(client_delta_id="mine"), signed_in("viewer")
    for query in (str(delta.pk), str(delta.delta_id), "mine"):
        page = viewer.get(URL, {"q": query})
        assert [row.pk for row, _ in page.context["deltas"]] == [delta.pk]


def test_a_search_is_a_fixed_number_of_queries(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    viewer = signed_in("viewer")
    propose("Quote fare 0.")
    viewer.get(URL, {"q": "fare"})
    with CaptureQueriesContext(connection) as one:
        viewer.get(URL, {"q": "fare"})
    for number in range(1, 6):
        propose(f"Quote another fare, the {number}.")
    with CaptureQueriesContext(connection) as many:
        viewer.get(URL, {"q": "fare"})
    assert len(one) == len(many) <= 16


def test_what_is_not_found_leads_on_and_no_other_page_fills_the_field(
    signed_in: Callable[..., Client],
) -> None:
    viewer = signed_in("viewer")
    page = viewer.get(URL, {"q": "nowhere"}).content.decode()
    assert "Browse the traces" in page
    assert page.count('value="nowhere"') == 2
    assert (
        'maxlength="200" value="status'
        not in viewer.get("/review/?status=decided").content.decode()
    )


def test_the_words_searched_for_are_escaped(signed_in: Callable[..., Client]) -> None:
    page = signed_in("viewer").get(URL, {"q": "<script>alert(1)</script>"}).content.decode()
    assert "<script>alert(1)" not in page
