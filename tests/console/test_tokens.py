"""Tokens: listed, issued and shown once, revoked at once; those that serve all are an admin's."""

import re
import time
import uuid
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ace_project.console.scopes import ALLOWS
from ace_project.core import tokens
from ace_project.core.models import ApiToken
from playbooks.models import Agent, AuditEvent

LIST = "/tokens/"
PAGE = "/agents/airline/tokens/"
FIELDS = {"scopes": ["traces:write"], "days": "30", "name": "production"}


def issue(operator: Client, url: str = PAGE, **fields: Any) -> str:
    """Issue a token through the page; return its text."""
    page = operator.post(url, {**FIELDS, **fields}).content.decode()
    found = re.search(r'id="issued"[^>]*>([^<]+)<', page)
    assert found
    return found[1]


def revoke(client: Client, row: ApiToken, **fields: str) -> Any:
    return client.post(f"/tokens/{row.jti}/revoke/", fields)


def last_event() -> AuditEvent:
    event = AuditEvent.objects.order_by("-pk").first()
    assert event is not None
    return event


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, agent: Agent) -> None:
    for url in (LIST, PAGE, f"/tokens/{uuid.UUID(int=1)}/revoke/"):
        assert client.get(url).status_code == 302


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_others_than_operators_see_an_agents_tokens_and_change_none(
    signed_in: Callable[..., Client], agent: Agent, role: str
) -> None:
    _, row = tokens.issue("airline")
    visitor = signed_in(role)
    assert visitor.get(PAGE).status_code == 200
    assert visitor.get(LIST).status_code == 403
    assert visitor.post(PAGE, FIELDS).status_code == 403
    assert revoke(visitor, row).status_code == 403
    assert ApiToken.objects.filter(revoked_at=None).count() == 1


def test_a_token_that_serves_all_agents_is_an_admins(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator, admin = signed_in("operator"), signed_in("admin", "eve")
    assert operator.post(LIST, FIELDS).status_code == 403
    text = issue(admin, LIST)
    holder = tokens.principal(f"Bearer {text}", time.time())
    assert (holder.agent_id, holder.subject) == (None, "service:production")
    row = ApiToken.objects.get()
    assert (last_event().chain, last_event().event) == ("", "token_issued")
    assert revoke(operator, row).status_code == 403
    assert tokens.is_live(str(row.jti))
    revoke(admin, row)
    assert not tokens.is_live(str(row.jti))
    assert (last_event().chain, last_event().event) == ("", "token_revoked")


def test_other_methods_are_refused(signed_in: Callable[..., Client], agent: Agent) -> None:
    operator = signed_in("operator")
    assert operator.get(f"/tokens/{uuid.UUID(int=1)}/revoke/").status_code == 405
    assert operator.put(LIST).status_code == operator.delete(PAGE).status_code == 405


def test_what_is_not_there_is_a_404(signed_in: Callable[..., Client], db: None) -> None:
    operator = signed_in("operator")
    assert operator.get("/agents/nobody/tokens/").status_code == 404
    assert operator.post("/agents/nobody/tokens/", FIELDS).status_code == 404
    assert operator.post(f"/tokens/{uuid.UUID(int=1)}/revoke/").status_code == 404


# ---- issuing ----
def test_every_scope_is_explained() -> None:
    assert set(ALLOWS) == set(tokens.SCOPES)


def test_a_token_is_shown_once_and_works(signed_in: Callable[..., Client], agent: Agent) -> None:
    operator = signed_in("operator", "ann")
    text = issue(operator)
    holder = tokens.principal(f"Bearer {text}", time.time())
    assert (holder.agent_id, holder.scopes) == ("airline", {"traces:write"})
    assert text not in operator.get(PAGE).content.decode()
    assert ApiToken.objects.get().created_by == "person:ann"
    event = last_event()
    assert (event.chain, event.event, event.actor) == ("airline", "token_issued", "person:ann")
    assert text not in str(event.data)


def test_a_token_that_cannot_fetch_says_what_it_lacks(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    page = signed_in("operator").post(PAGE, FIELDS).content.decode()
    assert "Without playbooks:read the calls that an agent learns by are refused." in page


def test_the_answer_with_a_token_is_kept_nowhere(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator").post(PAGE, FIELDS)
    assert "no-store" in answer.headers["Cache-Control"]


@pytest.mark.parametrize(
    "fields",
    [
        {"days": "30"},
        {"scopes": ["everything"], "days": "30"},
        {"scopes": ["traces:write"], "days": "0"},
        {"scopes": ["traces:write"], "days": "x"},
    ],
)
def test_a_token_that_cannot_be_is_not_issued(
    signed_in: Callable[..., Client], agent: Agent, fields: dict[str, Any]
) -> None:
    answer = signed_in("operator").post(PAGE, fields, follow=True)
    assert "at least one scope" in answer.content.decode()
    assert not ApiToken.objects.exists()


# ---- revoking ----
def test_a_token_is_revoked_at_once_and_only_once(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator", "ann")
    issue(operator)
    row = ApiToken.objects.get()
    assert revoke(operator, row).headers["Location"] == PAGE
    assert not tokens.is_live(str(row.jti))
    assert "It was revoked already." in operator.get(revoke(operator, row).url).content.decode()
    row.refresh_from_db()
    assert row.revoked_by == "person:ann"
    assert AuditEvent.objects.filter(event="token_revoked").count() == 1


def test_revoked_from_the_list_of_all_one_is_led_back_there(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    _, row = tokens.issue("airline")
    answer = revoke(signed_in("operator"), row, then=LIST)
    assert answer.headers["Location"] == LIST


# ---- the lists ----
def test_the_list_of_all_says_whose_they_are_and_how_they_stand(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    now = timezone.now()
    tokens.issue("airline", name="mine", by="person:ann")
    tokens.issue("not-yet-here", name="early")
    tokens.issue("airline", name="old", now=now - timedelta(days=100))
    tokens.issue(None, name="crm")
    client = signed_in("operator")
    page = client.get(LIST).content.decode()
    assert 'href="/agents/airline/tokens/"' in page
    assert "comes with its first call" in page
    assert "all agents" in page
    states = {row.token.name: row.state for row in client.get(LIST).context["rows"]}
    assert states == {"mine": "live", "early": "live", "old": "expired", "crm": "live"}
    found = client.get(LIST, {"q": "airline", "state": "live"}).context["rows"]
    assert [row.token.name for row in found] == ["mine"]


def test_no_more_queries_for_many_tokens_than_for_one(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    tokens.issue("airline")
    operator.get(LIST)
    with CaptureQueriesContext(connection) as one:
        operator.get(LIST)
    for number in range(10):
        tokens.issue(f"agent-{number}")
    with CaptureQueriesContext(connection) as many:
        operator.get(LIST)
    assert len(one) == len(many) <= 10


def test_pages_hold_every_token_once(signed_in: Callable[..., Client], agent: Agent) -> None:
    for number in range(55):
        tokens.issue("airline", name=f"t{number}")
    # Some came in the same moment.
    ApiToken.objects.filter(name__in=["t3", "t4", "t5", "t6"]).update(created_at=timezone.now())
    operator = signed_in("operator")
    first = operator.get(LIST)
    second = operator.get(LIST + first.context["older_url"])
    names = [row.token.name for page in (first, second) for row in page.context["rows"]]
    assert sorted(names) == sorted(f"t{number}" for number in range(55))
    assert second.context["older_url"] == ""
    assert operator.get(LIST, {"before": "what_is_this"}).status_code == 200


def test_hostile_names_are_escaped(signed_in: Callable[..., Client], agent: Agent) -> None:
    evil = "<script>alert(1)</script>\u202e"
    tokens.issue("airline", name=evil)
    tokens.issue(evil, name=evil)
    operator = signed_in("operator")
    for url in (LIST, PAGE):
        page = operator.get(url).content.decode()
        assert "<script>alert(1)" not in page
        assert "\u202e" not in page
        assert "U+202E" in page
