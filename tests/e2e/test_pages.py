"""The pages behind the decisions in a real browser: history, runs, traces, tokens."""

from collections.abc import Callable
from typing import Any

import pytest
from django.utils import timezone

from evolution.models import EvolutionRun, ExecutionTrace
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, PlaybookVersion, Source
from tests.e2e.looks import PHONE, PLAIN

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    """Return an agent whose second version holds one lesson more."""
    made = services.create_agent(
        agent_id="airline.1", author=AUTOMATIC, initial_context={"strategies": ["Be brief."]}
    )
    delta = services.propose_delta(
        agent=made,
        operations=[{"op": "add", "section": "strategies", "text": "Quote the fare."}],
        confidence=0.8,
        source=Source.OPERATOR,
        author=person("bob"),
        may_apply=False,
    ).delta
    services.approve_delta(delta=delta, by=person("zoe"))
    return made


def test_an_operator_rolls_back_without_javascript(visit: Callable[..., Any], agent: Agent) -> None:
    page = visit(role="operator", **PLAIN)
    page.goto("/playbooks/airline.1/")
    page.get_by_role("link", name="Roll back…").first.click()
    page.locator("del", has_text="Quote the fare.").wait_for()
    page.get_by_label("Why").fill("It cost us")
    page.get_by_role("button", name="Roll back to v1").click()
    page.get_by_text("v3 is live with the content of v1.").wait_for()
    version = PlaybookVersion.objects.get(number=3)
    assert (version.author, version.reason) == ("person:ann", "It cost us")


def test_a_bullet_is_reworded_by_hand_without_javascript(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page = visit(**PLAIN)
    page.goto("/playbooks/airline.1/")
    page.get_by_role("link", name="Edit: Quote the fare.").click()
    page.locator("textarea[name^=text-]").fill("Quote the whole fare.")
    page.get_by_label("Reasoning").fill("Fees were left out.")
    page.get_by_role("button", name="Preview the delta").click()
    page.get_by_role("heading", name="Preview of the delta").wait_for()
    page.get_by_role("button", name="Propose 1 change").click()
    page.wait_for_url("**/review/*/")
    delta = Delta.objects.latest("pk")
    assert delta.operations[0]["text"] == "Quote the whole fare."
    assert (delta.author, delta.status) == ("person:ann", "pending_review")


def test_a_file_is_brought_in_as_a_delta_after_its_preview(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page = visit()
    page.goto("/playbooks/airline.1/")
    page.get_by_role("link", name="Export, import").click()
    text = b'{"strategies": ["Be brief.", "Name the gate."], "tone": "warm"}'
    given = {"name": "lessons.json", "mimeType": "application/json", "buffer": text}
    page.get_by_label("File, JSON").set_input_files(given)
    page.get_by_role("button", name="Show what it would change").click()
    page.get_by_role("heading", name="Import lessons.json").wait_for()
    assert PlaybookVersion.objects.count() == 2
    page.get_by_role("button", name="Take out change 2").click()
    page.get_by_role("button", name="Propose 1 change").click()
    page.wait_for_url("**/review/*/")
    delta = Delta.objects.latest("pk")
    assert [operation["text"] for operation in delta.operations] == ["Name the gate."]
    assert (delta.author, delta.status) == ("person:ann", "pending_review")


def test_two_versions_are_compared_from_the_playbooks_page(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page = visit(role="viewer")
    page.goto("/playbooks/airline.1/")
    page.get_by_role("button", name="Compare").click()
    page.wait_for_url("**/compare/?from=1&to=2")
    page.locator("ins", has_text="Quote the fare.").wait_for()


def test_a_run_is_watched_until_it_ends_and_then_left_alone(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page = visit(role="operator")
    now = timezone.now().isoformat()
    run = EvolutionRun.objects.create(
        agent=agent,
        trigger="operator",
        requested_by="person:ann",
        status="running",
        stages=[{"name": "select traces", "started_at": now}],
    )
    page.goto(f"/runs/{run.pk}/")
    page.get_by_role("button", name="Cancel, propose nothing").wait_for()
    stages = [
        {"name": "select traces", "started_at": now, "seconds": 0.2, "traces": 58},
        {"name": "reflect", "started_at": now},
    ]
    EvolutionRun.objects.update(stages=stages)
    page.get_by_text("58 traces").wait_for()
    EvolutionRun.objects.update(status="completed", report={"notes": ["Nothing stood up."]})
    page.get_by_text("Nothing stood up.").wait_for()
    page.locator("#run[data-live]").wait_for(state="detached")


def test_traces_are_filtered_and_opened_from_the_keyboard(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page = visit(role="viewer")
    for number, success in enumerate((True, False, True)):
        ExecutionTrace.objects.create(
            agent=agent,
            trace_id=f"t-{number}",
            success=success,
            captured_at=timezone.now(),
            steps=[{"tool": "get_fare", "arguments": {}, "error": "no fare"}],
            step_count=1,
            error_count=1,
        )
    page.goto("/traces/")
    page.get_by_role("link", name="Failed 1").click()
    page.wait_for_url("**/traces/?success=no")
    # The address changes before the rows do.
    page.get_by_role("link", name="t-0").wait_for(state="detached")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.get_by_role("heading", name="t-1").wait_for()
    page.get_by_role("link", name="First error, step 1").click()
    page.wait_for_url("**#step-1")


def test_no_page_is_wider_than_a_phone(visit: Callable[..., Any], agent: Agent) -> None:
    page = visit(role="operator", **PHONE)
    base = "/playbooks/airline.1/"
    pages = ("", "compare/", "rollback/", "propose/", "transfer/")
    others = ("/playbooks/", "/traces/", "/runs/", "/agents/", "/agents/airline.1/", "/audit/")
    others += ("/tokens/", "/agents/airline.1/tokens/", "/agents/airline.1/connect/", "/agents/new")
    for address in (*(base + name for name in pages), *others, "/search/?q=fare", "/budget/"):
        page.goto(address)
        wider = page.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert (address, wider) == (address, 0)
