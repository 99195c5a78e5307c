"""Parts of pages that ask for themselves: what they are answered, and when they stop."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from evolution.models import EvolutionRun
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
