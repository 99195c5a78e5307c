"""Main tasks of an operator that no page's own tests carry out: many deltas at once, a search."""

from collections.abc import Callable
from typing import Any

import pytest

from evolution.services.traces import record_batch
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, DeltaStatus, Source

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    """Return an agent with one lesson."""
    return services.create_agent(
        agent_id="airline", author=AUTOMATIC, initial_context={"strategies": ["Be brief."]}
    )


def _statuses() -> list[str]:
    return list(Delta.objects.order_by("pk").values_list("status", flat=True))


def test_three_deltas_are_approved_at_once_and_taken_back_at_once(
    visit: Callable[..., Any], agent: Agent
) -> None:
    for text in ("Quote the fare.", "Check every segment.", "Ask for the reference."):
        services.propose_delta(
            agent=agent,
            operations=[{"op": "add", "section": "strategies", "text": text}],
            confidence=0.8,
            source=Source.OPERATOR,
            author=person("bob"),
            may_apply=False,
        )
    page = visit()
    page.goto("/review/")
    page.get_by_label("Select all 3").check()
    page.get_by_role("button", name="Approve 3 deltas").click()
    undo = page.get_by_role("button", name="Undo")
    undo.wait_for()
    assert _statuses() == [DeltaStatus.APPLIED] * 3
    undo.click()
    page.get_by_text("Taken back").first.wait_for()
    assert _statuses() == [DeltaStatus.PENDING_REVIEW] * 3
    agent.playbook.refresh_from_db()
    live = agent.playbook.versions.get(number=agent.playbook.version)
    assert live.content == {"strategies": ["Be brief."]}


def test_a_trace_is_found_by_the_words_of_its_error(
    visit: Callable[..., Any], agent: Agent
) -> None:
    errors = ("the booking is locked by another session", "the card was declined")
    record_batch(
        agent=agent,
        traces=[
            {
                "trace_id": f"t-{n}",
                "execution_time": 1.0,
                "success": False,
                "error_message": error,
                "steps": [{"tool": "pay", "arguments": {}, "error": error}],
            }
            for n, error in enumerate(errors)
        ],
    )
    page = visit(role="viewer")
    page.goto("/traces/")
    page.get_by_label("Words of errors").fill("locked session")
    page.keyboard.press("Enter")
    page.wait_for_url("**/traces/?*q=locked+session*")
    page.get_by_role("link", name="t-1").wait_for(state="detached")
    page.get_by_role("link", name="t-0").click()
    page.get_by_text("the booking is locked by another session").first.wait_for()
