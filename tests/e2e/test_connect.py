"""Onboarding in a real browser: from an empty installation to the first trace of one's own."""

from collections.abc import Callable
from typing import Any

import pytest

from ace_project.core.api.render import dumps
from evolution.models import ExecutionTrace, Origin

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_an_operator_connects_an_agent_and_sees_its_first_trace_land(
    visit: Callable[..., Any], transactional_db: None
) -> None:
    page = visit(role="operator", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("heading", name="Three steps until your first agent learns").wait_for()
    page.locator("#main").get_by_role("link", name="Create an agent").click()
    page.get_by_label("Agent id").fill("my-bot")
    page.get_by_role("button", name="Make the agent").click()
    page.wait_for_url("**/agents/my-bot/connect/")
    page.get_by_role("button", name="Issue, and show it once").click()
    page.get_by_text("Copy it now").wait_for()
    page.get_by_role("button", name="Copy: The new token").click()
    page.get_by_text("Copied", exact=True).first.wait_for(state="attached")
    token = page.evaluate("navigator.clipboard.readText()")
    assert token.count(".") == 2
    assert f"ACE_TOKEN='{token}'" in page.locator("#code-setup").inner_text()
    page.get_by_role("button", name="Send a test trace").click()
    page.get_by_text("no lesson is drawn from it").wait_for()
    assert ExecutionTrace.objects.get().origin == Origin.TEST
    assert token in page.locator("#issued").inner_text()
    body = {"agent_id": "my-bot", "trace_id": "mine", "success": True, "execution_time": 1.0}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    sent = page.request.post("/api/v1/traces", data=dumps(body).decode(), headers=headers)
    assert sent.status == 201
    page.get_by_text("my-bot is connected.").wait_for()
    assert page.locator("#first-trace[data-live]").count() == 0
    page.goto("/")
    page.get_by_role("heading", name="Nothing needs you").wait_for()


def test_without_javascript_the_first_trace_is_seen_by_a_link(
    visit: Callable[..., Any], transactional_db: None
) -> None:
    page = visit(role="operator", java_script_enabled=False)
    page.goto("/agents/new")
    page.get_by_label("Agent id").fill("my-bot")
    page.get_by_role("button", name="Make the agent").click()
    page.get_by_role("button", name="Send a test trace").click()
    page.get_by_text("no lesson is drawn from it").wait_for()
    page.locator("#first-trace").get_by_role("link", name="Refresh").click()
    page.get_by_role("heading", name="See the first trace land").wait_for()


def test_a_token_is_revoked_after_its_consequence_was_read(
    visit: Callable[..., Any], transactional_db: None
) -> None:
    page = visit(role="operator")
    page.goto("/agents/new")
    page.get_by_label("Agent id").fill("my-bot")
    page.get_by_role("button", name="Make the agent").click()
    page.get_by_role("button", name="Issue, and show it once").click()
    page.get_by_text("Copy it now").wait_for()
    page.goto("/tokens/")
    page.get_by_role("button", name="Revoke token").click()
    page.get_by_text("Nobody has used it.").wait_for()
    page.get_by_role("button", name="Revoke it").click()
    page.get_by_text("The token is revoked.").wait_for()
    page.get_by_text("revoked", exact=True).wait_for()
