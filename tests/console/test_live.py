"""Parts of pages that ask for themselves: what they are answered, and when they stop."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from evolution.models import EvolutionRun
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, Delta

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}


def _run(agent: Agent, **fields: Any) -> EvolutionRun:
    return EvolutionRun.objects.create(agent=agent, trigger="api", requested_by="x", **fields)


def test_who_is_signed_out_gets_no_sign_in_page_into_a_part(client: Client, agent: Agent) -> None:
    for url in ("/", "/review/?count=1", "/runs/", "/training/", "/agents/airline/connect/"):
        answer = client.get(url, headers=PART)
        assert (answer.status_code, answer.content) == (401, b"")
        assert client.get(url).status_code == 302


def test_a_part_is_kept_in_no_cache_and_never_taken_for_its_page(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("viewer").get("/runs/", headers=PART)
    assert answer.headers["Cache-Control"] == "no-store"
    assert "HX-Request" in answer.headers["Vary"]


def test_a_run_that_ended_asks_no_more(signed_in: Callable[..., Client], agent: Agent) -> None:
    client, run = signed_in("viewer"), _run(agent, status="running")
    url = f"/runs/{run.pk}/"
    assert "data-live" in client.get(url, headers=PART).content.decode()
    EvolutionRun.objects.update(status="completed")
    assert "data-live" not in client.get(url, headers=PART).content.decode()


@pytest.mark.parametrize("url", ["/runs/", "/training/"])
def test_a_list_is_live_on_its_first_page_alone(
    signed_in: Callable[..., Client], agent: Agent, url: str
) -> None:
    client = signed_in("viewer")
    assert 'data-live="15"' in client.get(url, headers=PART).content.decode()
    assert "data-live" not in client.get(f"{url}?before=9", headers=PART).content.decode()


def test_a_list_with_a_running_row_asks_more_often(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    _run(agent, status="running")
    assert 'data-live="3"' in signed_in("viewer").get("/runs/", headers=PART).content.decode()


def test_the_navigation_counts_what_waits(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client = signed_in("viewer")
    assert "deltas waiting" not in client.get("/review/?count=1", headers=PART).content.decode()
    propose()
    part = client.get("/review/?count=1", headers=PART).content.decode()
    assert ">1<" in part
    assert "<html" not in part
    assert "<html" in client.get("/review/?count=1").content.decode()


# ---- the queue ----
def _news_url(client: Client, query: str = "") -> str:
    return client.get(f"/review/{query}").context["news_url"]


def test_the_queue_counts_what_came_in_since_and_moves_no_row(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client = signed_in("reviewer")
    propose("Quote the fare.")
    url = _news_url(client)
    assert "new: show" not in client.get(url, headers=PART).content.decode()
    propose("Check every segment.")
    propose("Ask for the booking reference.")
    part = client.get(url, headers=PART).content.decode()
    assert "2 new: show" in part
    assert "<table" not in part
    assert 'href="/review/"' in part


def test_the_queue_counts_only_what_its_filters_choose(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client = signed_in("reviewer")
    url = _news_url(client, "?source=llm")
    propose()
    part = client.get(url, headers=PART).content.decode()
    assert "new: show" not in part
    propose("Other advice.", source="llm")
    part = client.get(url, headers=PART).content.decode()
    assert "1 new: show" in part
    assert 'href="/review/?source=llm"' in part


def test_an_older_page_of_the_queue_asks_for_no_news(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = signed_in("reviewer").get(f"/review/?before={delta.pk}").content.decode()
    assert 'id="queue-news"' not in page


def test_a_row_that_somebody_decided_is_marked_and_loses_its_tick(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, bob = signed_in("reviewer"), person("bob")
    gone, stays = propose("Quote the fare."), propose("Check every segment.")
    url = _news_url(client)
    assert "state-" not in client.get(url, headers=PART).content.decode()
    services.reject_delta(delta=gone, by=bob, reason="no")
    part = client.get(url, headers=PART).content.decode()
    assert f'id="state-{gone.pk}" hx-swap-oob="true"' in part
    assert "rejected" in part and "<time" in part and "by bob" in part
    assert f'id="tick-{gone.pk}"' in part and "data-select" not in part
    assert f"state-{stays.pk}" not in part


def test_a_row_whose_decision_was_taken_back_can_be_ticked_again(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, delta, bob = signed_in("reviewer"), propose(), person("bob")
    url = _news_url(client)
    services.request_changes(delta=delta, by=bob, reason="shorter")
    part = client.get(url, headers=PART).content.decode()
    assert "changes requested" in part and "by bob" in part
    services.undo_decision(delta=delta, by=bob)
    part = client.get(url, headers=PART).content.decode()
    assert "is-gone" not in part and "data-select" in part


def test_marks_are_for_who_decides_and_for_rows_of_the_page_alone(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    django_assert_max_num_queries: Any,
) -> None:
    client, bob = signed_in("viewer"), person("bob")
    rows = [propose(f"Lesson {number} of some.") for number in range(9)]
    url = _news_url(client)
    late = propose("A late one.")
    for row in (*rows, late):
        services.reject_delta(delta=row, by=bob, reason="no")
    with django_assert_max_num_queries(9):
        part = client.get(url, headers=PART).content.decode()
    assert part.count("is-gone") == 9
    assert f"state-{late.pk}" not in part and "tick-" not in part
    assert client.get(f"{url}.x.-1.{'9' * 30}", headers=PART).status_code == 200
    assert "shown=" not in _news_url(client, "?status=decided")
