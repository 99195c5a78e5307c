"""The ten main tasks, each to its end through the screen alone: in light, in dark, on a phone."""

import re
from decimal import Decimal
from typing import Any

import pytest

from ace_project.core.api.render import dumps
from evolution import services as evolution
from evolution.models import Budget, ExecutionTrace, Origin, Trigger
from evolution.services.traces import record_batch
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, DeltaStatus, PlaybookVersion, Source
from tests.e2e.looks import Look
from tests.training_rows import add_iterations, make_job
from training.models import JobState, TrainingJob

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

MOST_TABS = 20


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    """Return an agent with one lesson."""
    return services.create_agent(
        agent_id="airline", author=AUTOMATIC, initial_context={"strategies": ["Be brief."]}
    )


def _propose(agent: Agent, operation: dict[str, Any]) -> Delta:
    return services.propose_delta(
        agent=agent,
        operations=[operation],
        confidence=0.8,
        source=Source.OPERATOR,
        author=person("bob"),
        may_apply=False,
    ).delta


def _add(text: str) -> dict[str, Any]:
    return {"op": "add", "section": "strategies", "text": text}


@pytest.fixture
def three(agent: Agent) -> list[Delta]:
    """Return three waiting deltas, the first of the queue first."""
    texts = ("Quote the fare.", "Check every segment.", "Ask for the booking reference.")
    return [_propose(agent, _add(text)) for text in texts][::-1]


@pytest.fixture
def two_versions(agent: Agent) -> Agent:
    """Return the agent with one lesson more in its second version."""
    services.approve_delta(delta=_propose(agent, _add("Quote the fare.")), by=person("zoe"))
    return agent


def _statuses(deltas: list[Delta]) -> list[str]:
    return [Delta.objects.get(pk=delta.pk).status for delta in deltas]


def _tab_to(page: Any, name: str) -> None:
    """Press Tab until what is named so has the focus."""
    wanted = page.get_by_role("link", name=name).or_(page.get_by_role("button", name=name))
    for _ in range(MOST_TABS):
        page.keyboard.press("Tab")
        if wanted.and_(page.locator(":focus")).count():
            return
    raise AssertionError(f"{MOST_TABS} times Tab do not lead to {name}")


def test_deltas_are_reviewed_by_the_keyboard_alone(look: Look, three: list[Delta]) -> None:
    page = look.enter()
    _tab_to(page, "Review")
    page.keyboard.press("Enter")
    page.wait_for_url("**/review/")
    page.keyboard.press("j")
    page.keyboard.press("a")
    page.get_by_text("Approved delta").first.wait_for()
    assert _statuses(three[:1]) == [DeltaStatus.APPLIED]
    page.keyboard.press("z")
    page.get_by_text("Taken back").first.wait_for()
    assert _statuses(three[:1]) == [DeltaStatus.PENDING_REVIEW]
    # The approval moved the cursor on to the next row, and there it stays.
    expect(page.locator(f"#open-{three[1].pk}")).to_be_focused()
    for key in ("x", "k", "x"):
        page.keyboard.press(key)
    expect(page.locator("#foreseen")).to_have_text("Makes airline v4 to v5.")
    page.keyboard.press("r")
    page.keyboard.type("both say what is known")
    _tab_to(page, "Reject 2 deltas")
    page.keyboard.press("Enter")
    page.get_by_text("Rejected 2 deltas").first.wait_for()
    assert _statuses(three[:2]) == [DeltaStatus.REJECTED] * 2
    assert Delta.objects.get(pk=three[1].pk).decision_reason == "both say what is known"
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/review/{three[2].pk}/**")
    page.keyboard.press("e")
    expect(page.get_by_label("Text of operation 1")).to_be_focused()
    page.keyboard.press("End")
    page.keyboard.type(" Twice.")
    page.keyboard.press("Escape")
    page.keyboard.press("a")
    page.get_by_text("as edited: v4 is live").first.wait_for()
    live = PlaybookVersion.objects.latest("number").content
    assert live == {"strategies": ["Be brief.", "Quote the fare. Twice."]}


def test_three_deltas_are_approved_at_once_and_taken_back_at_once(
    look: Look, three: list[Delta], agent: Agent
) -> None:
    page = look.enter()
    look.go_to(page, "Review")
    look.press(page.get_by_label("Select all 3"))
    look.press(page.get_by_role("button", name="Approve 3 deltas"))
    undo = page.get_by_role("button", name="Undo")
    undo.wait_for()
    assert _statuses(three) == [DeltaStatus.APPLIED] * 3
    look.press(undo)
    page.get_by_text("Taken back").first.wait_for()
    assert _statuses(three) == [DeltaStatus.PENDING_REVIEW] * 3
    agent.playbook.refresh_from_db()
    live = agent.playbook.versions.get(number=agent.playbook.version)
    assert live.content == {"strategies": ["Be brief."]}


def test_a_conflict_is_settled_and_the_delta_rebased(look: Look, agent: Agent) -> None:
    tone = {"op": "set", "path": "/tone"}
    late = _propose(agent, {**tone, "value": "warm"})
    services.approve_delta(delta=_propose(agent, {**tone, "value": "formal"}), by=person("zoe"))
    page = look.enter()
    look.go_to(page, "Review")
    look.press(page.locator(f"#open-{late.pk}"))
    look.press(page.get_by_role("radio", name="This delta"))
    look.press(page.get_by_role("button", name="Rebase and approve"))
    page.get_by_text("v3 is live").first.wait_for()
    assert _statuses([late]) == [DeltaStatus.APPLIED]
    assert PlaybookVersion.objects.get(number=3).content["tone"] == "warm"


def test_an_operator_rolls_back_after_seeing_what_it_changes(
    look: Look, two_versions: Agent
) -> None:
    page = look.enter("operator")
    look.go_to(page, "Playbooks")
    look.press(page.get_by_role("link", name="airline"))
    look.press(page.get_by_role("link", name="Roll back…").first)
    page.locator("del", has_text="Quote the fare.").wait_for()
    page.get_by_label("Why").fill("It cost us")
    look.press(page.get_by_role("button", name="Roll back to v1"))
    page.get_by_text("v3 is live with the content of v1.").wait_for()
    version = PlaybookVersion.objects.get(number=3)
    assert (version.author, version.reason) == ("person:ann", "It cost us")


def test_a_bullet_is_reworded_by_hand_into_a_waiting_delta(look: Look, two_versions: Agent) -> None:
    page = look.enter()
    look.go_to(page, "Playbooks")
    look.press(page.get_by_role("link", name="airline"))
    look.press(page.get_by_role("link", name="Edit: Quote the fare."))
    page.locator("textarea[name^=text-]").fill("Quote the whole fare.")
    page.get_by_label("Reasoning").fill("Fees were left out.")
    look.press(page.get_by_role("button", name="Preview the delta"))
    page.get_by_role("heading", name="Preview of the delta").wait_for()
    look.press(page.get_by_role("button", name="Propose 1 change"))
    page.wait_for_url("**/review/*/")
    delta = Delta.objects.latest("pk")
    assert delta.operations[0]["text"] == "Quote the whole fare."
    assert (delta.author, delta.status) == ("person:ann", DeltaStatus.PENDING_REVIEW)


def test_a_limit_is_raised_and_all_evolution_stopped_and_let_go_on(
    look: Look, agent: Agent, settings: Any
) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 100.0
    asked = {"agent": agent, "trigger": Trigger.API, "requested_by": "x", "force": True}
    page = look.enter("operator")
    look.go_to(page, "Budget")
    look.press(page.get_by_role("button", name="Raise a limit"))
    page.get_by_label("Whose limit").select_option(label="all agents, now $100")
    page.get_by_label("By how many US dollars").fill("25")
    page.get_by_label("Why").fill("Black Friday")
    look.press(page.get_by_role("button", name="Raise it for"))
    page.get_by_text("it is $125.00 now.").wait_for()
    assert Budget.objects.get(scope="global").raised_usd == Decimal(25)
    look.press(page.get_by_role("button", name="Pause all evolution"))
    page.get_by_text("All evolution is paused.", exact=True).wait_for()
    assert evolution.start_run(**asked).run is None
    look.press(page.get_by_role("button", name="Resume"))
    page.get_by_role("button", name="Pause all evolution").wait_for()
    assert evolution.start_run(**asked).run is not None


def test_a_training_is_paused_and_resumed(look: Look, agent: Agent) -> None:
    job = make_job(agent, title="which lessons help")
    add_iterations(job, 20)
    TrainingJob.objects.update(status="queued")
    page = look.enter("operator")
    look.go_to(page, "Training")
    look.press(page.get_by_role("link", name=f"Training {job.pk}"))
    look.press(page.get_by_role("button", name="Pause", exact=True))
    page.get_by_text(f"Training {job.pk} is paused.").wait_for()
    assert TrainingJob.objects.get().state == JobState.PAUSED
    look.press(page.get_by_role("button", name="Resume"))
    page.get_by_text(f"Training {job.pk} goes on after iteration 20.").wait_for()
    assert TrainingJob.objects.get().state == JobState.RUNNING


def test_a_trace_is_found_by_the_words_of_its_error(look: Look, agent: Agent) -> None:
    errors = ("the booking is locked by another session", "the card was declined")
    rows = [
        {
            "trace_id": f"t-{n}",
            "execution_time": 1.0,
            "success": False,
            "error_message": error,
            "steps": [{"tool": "pay", "arguments": {}, "error": error}],
        }
        for n, error in enumerate(errors)
    ]
    record_batch(agent=agent, traces=rows)
    page = look.enter("viewer")
    look.go_to(page, "Traces")
    page.get_by_label("Words of errors").fill("locked session")
    look.press(page.locator("#main").get_by_role("button", name="Search"))
    page.wait_for_url("**/traces/?*q=locked+session*")
    page.get_by_role("link", name="t-1").wait_for(state="detached")
    look.press(page.get_by_role("link", name="t-0"))
    look.press(page.get_by_role("link", name="First error, step 1"))
    page.wait_for_url("**#step-1")
    page.get_by_text(errors[0]).first.wait_for()


def _asks_for_playbook(page: Any, token: str) -> int:
    """Return how the interface answers an agent with this token."""
    headers = {"Authorization": f"Bearer {token}"}
    return int(page.request.get("/api/v1/playbooks/airline", headers=headers).status)


def test_a_token_is_issued_and_revoked_after_its_consequence_was_read(
    look: Look, agent: Agent
) -> None:
    page = look.enter("operator")
    look.go_to(page, "Agents")
    look.press(page.get_by_role("link", name="airline"))
    look.press(page.get_by_role("link", name="Tokens", exact=True).last)
    page.get_by_label("What it is for").fill("production")
    look.press(page.get_by_role("button", name="Issue, and show it once"))
    page.get_by_text("Copy it now").wait_for()
    token = page.locator("#issued").inner_text()
    assert _asks_for_playbook(page, token) == 200
    look.go_to(page, "Tokens")
    look.press(page.get_by_role("button", name=re.compile("Revoke token")))
    page.get_by_text("It was used").wait_for()
    look.press(page.get_by_role("button", name="Revoke it"))
    page.get_by_text("The token is revoked.").wait_for()
    page.get_by_text("revoked", exact=True).wait_for()
    assert _asks_for_playbook(page, token) == 401


def test_a_newcomer_connects_an_agent_and_sees_its_first_trace_land(
    look: Look, transactional_db: None
) -> None:
    page = look.enter("operator", permissions=["clipboard-read", "clipboard-write"])
    page.get_by_role("heading", name="Three steps until your first agent learns").wait_for()
    look.press(page.locator("#main").get_by_role("link", name="Create an agent"))
    page.get_by_label("Agent id").fill("my-bot")
    look.press(page.get_by_role("button", name="Make the agent"))
    page.wait_for_url("**/agents/my-bot/connect/")
    look.press(page.get_by_role("button", name="Issue, and show it once"))
    page.get_by_text("Copy it now").wait_for()
    look.press(page.get_by_role("button", name="Copy: The new token"))
    page.get_by_text("Copied", exact=True).first.wait_for(state="attached")
    token = page.evaluate("navigator.clipboard.readText()")
    assert token.count(".") == 2
    assert f"ACE_TOKEN='{token}'" in page.locator("#code-setup").inner_text()
    look.press(page.get_by_role("button", name="Send a test trace"))
    page.get_by_text("no lesson is drawn from it").wait_for()
    assert ExecutionTrace.objects.get().origin == Origin.TEST
    assert token in page.locator("#issued").inner_text()
    body = {"agent_id": "my-bot", "trace_id": "mine", "success": True, "execution_time": 1.0}
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    sent = page.request.post("/api/v1/traces", data=dumps(body).decode(), headers=headers)
    assert sent.status == 201
    page.get_by_text("my-bot is connected.").wait_for()
    assert page.locator("#first-trace[data-live]").count() == 0
    look.go_to(page, "Overview")
    page.get_by_role("heading", name="Nothing needs you").wait_for()
