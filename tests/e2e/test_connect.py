"""Onboarding without a script: from an empty installation to the first trace."""

from collections.abc import Callable
from typing import Any

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


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
