"""The two-person rule on the pages: set by an operator, shown to everyone, kept in bulk."""

from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent, Delta, DeltaStatus

pytestmark = pytest.mark.django_db
RULE = "/agents/airline/two-person/"


@pytest.fixture
def guarded(agent: Agent) -> Agent:
    """Return the agent with strategies that need two people."""
    rule = {"agent": agent, "sections": ["strategies"], "author": AUTOMATIC}
    return services.set_two_person_sections(**rule)


def _now(delta: Delta) -> Delta:
    return Delta.objects.get(pk=delta.pk)


def _url(delta: Delta) -> str:
    return f"/review/{delta.pk}/"


# ---- the setting ----
def test_an_operator_names_the_sections_and_hears_what_holds_now(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    form = {"section": ["strategies"], "others": "constraints\r\n\r\n"}
    page = signed_in("operator").post(RULE, form, follow=True).content.decode()
    assert Agent.objects.get().two_person == ["strategies", "constraints"]
    assert "Two people approve changes of strategies, constraints from now on" in page
    assert 'value="strategies" checked' in page
    assert "One person may review here" in page


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_nobody_below_an_operator_changes_the_rule(
    signed_in: Callable[..., Client], agent: Agent, role: str
) -> None:
    assert signed_in(role).post(RULE, {"section": "strategies"}).status_code == 403
    assert Agent.objects.get().two_person == []


def test_the_rule_is_only_posted_and_for_an_agent_that_exists(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    client = signed_in("operator")
    assert client.get(RULE).status_code == 405
    assert client.post("/agents/nobody/two-person/").status_code == 404
    page = client.post(RULE, {"others": "x" * 300}, follow=True).content.decode()
    assert "A section has up to 200 characters" in page


# ---- a delta's page ----
def test_the_first_approval_says_that_it_waits_and_the_second_applies(
    signed_in: Callable[..., Client], guarded: Agent, propose: Callable[..., Delta]
) -> None:
    ann, bob, delta = signed_in("reviewer", "ann"), signed_in("reviewer", "bob"), propose()
    page = ann.get(_url(delta)).content.decode()
    assert "Keeps approval 1 of 2: strategies needs two people." in page
    assert "Approve, 1 of 2" in page
    page = ann.post(_url(delta), {"do": "approve"}, follow=True).content.decode()
    assert "1 of 2, it waits for another reviewer" in page
    again = ann.get(_url(delta)).content.decode()
    assert "1 of 2 approved." in again
    assert "Withdraw my approval" in again
    assert "Approve, 2 of 2" in bob.get(_url(delta)).content.decode()
    bob.post(_url(delta), {"do": "approve"})
    assert _now(delta).status == DeltaStatus.APPLIED


def test_a_first_approval_is_undone_within_ten_seconds_or_withdrawn_later(
    signed_in: Callable[..., Client], guarded: Agent, propose: Callable[..., Delta]
) -> None:
    ann, delta = signed_in("reviewer", "ann"), propose()
    ann.post(_url(delta), {"do": "approve"})
    ann.post("/undo/")
    assert not delta.reviews.filter(stands=True).exists()
    ann.post(_url(delta), {"do": "approve"})
    ann.post(_url(delta), {"do": "undo"})
    assert not delta.reviews.filter(stands=True).exists()
    assert _now(delta).status == DeltaStatus.PENDING_REVIEW


@pytest.mark.parametrize(
    ("change", "form"), [("active", {"active": "no"}), ("role", {"role": "viewer"})]
)
def test_who_may_not_review_any_more_is_none_of_the_two(
    signed_in: Callable[..., Client],
    guarded: Agent,
    propose: Callable[..., Delta],
    change: str,
    form: dict[str, str],
) -> None:
    ann, bob, delta = signed_in("reviewer", "ann"), signed_in("reviewer", "bob"), propose()
    ann.post(_url(delta), {"do": "approve"})
    gone = delta.reviews.get().user_id
    signed_in("admin").post(f"/people/{gone}/{change}/", form)
    assert "Approve, 1 of 2" in bob.get(_url(delta)).content.decode()
    bob.post(_url(delta), {"do": "approve"})
    assert _now(delta).status == DeltaStatus.PENDING_REVIEW


def test_one_reviewer_alone_reads_what_is_needed(
    signed_in: Callable[..., Client], guarded: Agent, propose: Callable[..., Delta]
) -> None:
    page = signed_in("reviewer", "ann").get(_url(propose())).content.decode()
    assert "Nobody else may review. It needs a second reviewer" in page


def test_an_edit_starts_from_no_approval_and_its_undo_brings_the_first_back(
    signed_in: Callable[..., Client], guarded: Agent, propose: Callable[..., Delta]
) -> None:
    ann, bob, delta = signed_in("reviewer", "ann"), signed_in("reviewer", "bob"), propose()
    ann.post(_url(delta), {"do": "approve"})
    form = {"do": "approve", "edited": "1", "take-0": "1", "text-0": "Quote each fare."}
    bob.post(_url(delta), form)
    edited = Delta.objects.latest("pk")
    assert (edited.author, edited.status) == ("person:bob", DeltaStatus.PENDING_REVIEW)
    page = bob.post("/undo/", follow=True).content.decode()
    assert "Taken back." in page
    assert "decided again" not in page
    assert _now(delta).status == DeltaStatus.PENDING_REVIEW
    assert [r.reviewer for r in delta.reviews.filter(stands=True)] == ["person:ann"]


# ---- the queue ----
def test_a_bulk_approval_keeps_to_the_rule_and_says_so(
    signed_in: Callable[..., Client], guarded: Agent, propose: Callable[..., Delta]
) -> None:
    ann = signed_in("reviewer", "ann")
    free = propose(operations=[{"op": "add", "section": "goals", "text": "Be kind."}])
    held = propose()
    form = {"do": "approve", "delta": [free.pk, held.pk]}
    page = ann.post("/review/", form, follow=True).content.decode()
    assert "Approved 2 deltas: 1 now waits for another reviewer" in page
    assert "1 of 2 approved" in page
    assert [_now(d).status for d in (free, held)] == ["applied", "pending_review"]
    ann.post("/undo/")
    assert [_now(d).status for d in (free, held)] == ["pending_review"] * 2
    assert not held.reviews.filter(stands=True).exists()


def test_rows_that_need_two_cost_one_query_together(
    signed_in: Callable[..., Client], guarded: Agent, propose: Callable[..., Delta]
) -> None:
    client, asked = signed_in("viewer"), []
    for number in range(12):
        propose(f"Lesson {number} of many.")
        if number in (1, 11):
            with CaptureQueriesContext(connection) as queries:
                page = client.get("/review/").content.decode()
            assert page.count("0 of 2 approved") == number + 1
            asked.append(len(queries))
    assert asked[0] == asked[1]
