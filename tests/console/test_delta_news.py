"""A delta's page that stays open: what it is told of what others do meanwhile."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from playbooks import services
from playbooks.actors import Actor, person
from playbooks.models import Agent, Delta, DeltaStatus

pytestmark = pytest.mark.django_db
PART = {"HX-Request": "true"}
BOB = person("bob")


class Open:
    """A page that stays open, and what it asks for."""

    def __init__(self, client: Client, delta: Delta, query: str = "") -> None:
        self.client = client
        shown = client.get(f"/review/{delta.pk}/{query}")
        self.url, self.seen = shown.context["news_url"], shown.context["seen"]

    def ask(self, **headers: str) -> Any:
        """Ask as htmx does."""
        return self.client.get(self.url, headers=PART | headers)

    def told(self) -> str:
        """Return the part."""
        return str(self.ask().content.decode())


@pytest.fixture
def ann(signed_in: Callable[..., Client]) -> Client:
    return signed_in("reviewer", "ann")


def _reword(delta: Delta, by: Actor = BOB, text: str = "Quote the whole fare.") -> Delta:
    wanted = [{**delta.operations[0], "text": text}]
    return services.edit_and_approve(delta=delta, operations=wanted, by=by)


def test_while_nothing_happens_the_answer_is_304(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    page = Open(ann, propose())
    first = page.ask()
    assert 'data-live="5"' in first.content.decode()
    assert "data-news" not in first.content.decode()
    again = page.ask(**{"If-None-Match": first.headers["ETag"]})
    assert (again.status_code, again.content) == (304, b"")


def test_it_says_who_decided_what_and_leads_on(ann: Client, propose: Callable[..., Delta]) -> None:
    delta, other = propose(), propose("Check every segment.")
    page = Open(ann, delta, "?source=scripted")
    services.reject_delta(delta=delta, by=BOB, reason="We <b>have</b> it.")
    told = page.told()
    assert 'data-news="stale"' in told
    assert ">bob<" in told and "rejected" in told and "<time" in told
    assert "We &lt;b&gt;have&lt;/b&gt; it." in told
    assert f'href="/review/{other.pk}/?source=scripted"' in told
    assert f'href="/review/{delta.pk}/?source=scripted"' in told


def test_an_approval_names_the_version_it_made(ann: Client, propose: Callable[..., Delta]) -> None:
    delta = propose()
    page = Open(ann, delta)
    services.approve_delta(delta=delta, by=BOB)
    told = page.told()
    assert "approved, v2 is live" in told
    assert "Back to the queue" in told


def test_an_edit_leads_to_the_delta_that_took_its_place(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = Open(ann, delta, "?edit=1")
    edited = _reword(delta)
    told = page.told()
    assert f'href="/review/{edited.pk}/"' in told
    assert "What you typed stays" in told
    assert (
        f"Open delta {edited.pk} in its place" in ann.get(f"/review/{delta.pk}/").content.decode()
    )


def test_a_comment_comes_into_the_discussion_and_the_bar_stays(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = Open(ann, delta)
    for text in ("See 12.", "And <i>13</i>."):
        services.comment_on_delta(delta=delta, text=text, by=BOB)
    told = page.told()
    assert 'data-news="said"' in told
    assert "commented (and 1 more)" in told
    assert 'id="talk" hx-swap-oob="true"' in told
    assert "See 12." in told and "And &lt;i&gt;13&lt;/i&gt;." in told


def test_a_version_that_went_live_is_told_and_one_in_the_way_ends_the_bar(
    ann: Client, agent: Agent, propose: Callable[..., Delta]
) -> None:
    change = {"op": "update", "bullet_id": _bullet(agent), "text": "Check the date twice."}
    apart, touching = propose("Check every segment."), propose(operations=[change])
    pages = Open(ann, apart), Open(ann, touching)
    first = propose(operations=[{**change, "text": "Check the date first."}])
    services.approve_delta(delta=first, by=BOB)
    moved, stale = pages[0].told(), pages[1].told()
    assert 'data-news="moved"' in moved and "made v2 live" in moved and ">bob<" in moved
    assert "It still fits, and would make v3 now." in moved
    assert 'data-news="stale"' in stale and "made v2 live" in stale


def _bullet(agent: Agent) -> str:
    return str(agent.playbook.bullets.get(text="Check the booking date.").bullet_id)


def test_an_edit_under_way_is_not_ended_by_what_leaves_the_delta_open(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = Open(ann, delta, "?edit=1")
    services.request_changes(delta=delta, by=BOB, reason="Shorter.")
    told = page.told()
    assert 'data-news="said"' in told and "asked for changes" in told


def test_a_decision_of_the_machinery_is_told_as_one(
    ann: Client, agent: Agent, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = Open(ann, delta)
    Delta.objects.filter(pk=delta.pk).update(
        status=DeltaStatus.RECORDED, decided_by="automatic:", decision_reason="dry run"
    )
    told = page.told()
    assert "Automatic" in told and "decided: recorded" in told


def test_a_decided_delta_says_that_it_was_opened_again(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    services.reject_delta(delta=delta, by=BOB, reason="no")
    page = Open(ann, delta)
    assert 'data-live="15"' in page.told()
    services.undo_decision(delta=delta, by=BOB)
    told = page.told()
    assert "took it back" in told
    assert "Show it anew" in told


def _renew(delta: Delta) -> None:
    """Change what a delta proposes, as newer evidence does."""
    Delta.objects.filter(pk=delta.pk).update(
        operations=[{**delta.operations[0], "text": "Something else."}]
    )


def test_other_operations_end_the_bar_also_of_an_edit(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    pages = Open(ann, delta), Open(ann, delta, "?edit=1")
    _renew(delta)
    for page in pages:
        assert 'data-news="stale"' in page.told()
        assert "Newer evidence changed what it proposes" in page.told()


def test_nobody_approves_operations_that_their_page_did_not_show(
    ann: Client, propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = Open(ann, delta)
    _renew(delta)
    answer = ann.post(f"/review/{delta.pk}/", {"do": "approve", "seen": page.seen})
    assert answer.status_code == 409
    assert "Newer evidence changed what it proposes" in answer.content.decode()
    assert Delta.objects.get(pk=delta.pk).status == DeltaStatus.PENDING_REVIEW
    now = Open(ann, delta)
    ann.post(f"/review/{delta.pk}/", {"do": "approve", "seen": now.seen})
    assert Delta.objects.get(pk=delta.pk).status == DeltaStatus.APPLIED


@pytest.mark.parametrize("seen", ["", "1.2.3", "a.b.c.d.e", "-1.0.0.0.0", "9" * 99])
def test_what_no_page_asks_with_is_bad_input(
    ann: Client, propose: Callable[..., Delta], seen: str
) -> None:
    url = f"/review/{propose().pk}/?seen={seen}"
    assert ann.get(url, headers=PART).status_code == 400
    assert ann.get(url).status_code == 200


def test_asking_costs_few_queries(
    ann: Client, propose: Callable[..., Delta], django_assert_max_num_queries: Any
) -> None:
    page = Open(ann, propose())
    with django_assert_max_num_queries(8):
        page.ask()
