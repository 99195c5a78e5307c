"""An operator decides in a real browser: by key, by hand, on a phone, without JavaScript."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection, transaction

from playbooks import services
from playbooks.actors import AUTOMATIC, Actor, ActorKind, person
from playbooks.content import bullet_id
from playbooks.models import Agent, Delta, DeltaStatus, Mode, Playbook, PlaybookVersion, Source
from tests.e2e.looks import PHONE
from tests.waiting import wait_until
from training.models import Comparison
from training.services import make_workshop_agent
from training.tasks import compare

expect = pytest.importorskip("playwright.sync_api").expect
pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def _propose(agent: Agent, text: str = "", **changed: Any) -> Delta:
    wanted: dict[str, Any] = {
        "agent": agent,
        "operations": [{"op": "add", "section": "strategies", "text": text}],
        "confidence": 0.8,
        "source": Source.SCRIPTED,
        "author": Actor(ActorKind.RUN, "1"),
        "may_apply": False,
    }
    return services.propose_delta(**(wanted | changed)).delta


def _status(delta: Delta) -> str:
    return Delta.objects.get(pk=delta.pk).status


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    """Return an agent with one lesson."""
    return services.create_agent(
        agent_id="airline", author=AUTOMATIC, initial_context={"strategies": ["Be brief."]}
    )


@pytest.fixture
def three(agent: Agent) -> list[Delta]:
    """Return three waiting deltas, the first of the queue first."""
    texts = ("Quote the fare.", "Check every segment.", "Ask for the booking reference.")
    return [_propose(agent, text) for text in texts][::-1]


def test_a_delta_opens_is_approved_and_leads_to_the_next(
    visit: Callable[..., Any], three: list[Delta]
) -> None:
    page = visit()
    page.goto("/review/?agent=airline")
    page.keyboard.press("j")
    page.keyboard.press("Enter")
    page.wait_for_url(f"**/review/{three[0].pk}/?agent=airline")
    page.keyboard.press("a")
    page.wait_for_url(f"**/review/{three[1].pk}/?agent=airline")
    assert _status(three[0]) == DeltaStatus.APPLIED
    page.keyboard.press("r")
    page.get_by_role("button", name="Reject", exact=True).click()
    assert _status(three[1]) == DeltaStatus.PENDING_REVIEW
    page.keyboard.type("no")
    page.get_by_role("button", name="Reject", exact=True).click()
    page.wait_for_url(f"**/review/{three[2].pk}/?agent=airline")
    assert _status(three[1]) == DeltaStatus.REJECTED


def test_the_second_of_two_people_sees_who_decided(
    visit: Callable[..., Any], three: list[Delta]
) -> None:
    ann, bob = visit("ann"), visit("bob")
    for page in (ann, bob):
        page.goto(f"/review/{three[0].pk}/")
    ann.keyboard.press("a")
    ann.wait_for_selector("text=Approved delta")
    with bob.expect_response(lambda answer: answer.status == 409):
        bob.keyboard.press("a")
    bob.wait_for_selector("text=Already applied by ann.")
    expect(bob.get_by_text("What you pressed changed nothing.")).to_be_visible()
    bob.get_by_role("link", name="Go on to the next delta").click()
    bob.wait_for_url(f"**/review/{three[1].pk}/")


def test_of_two_who_press_at_the_same_moment_one_wins_and_the_other_is_told(
    visit: Callable[..., Any], three: list[Delta], agent: Agent
) -> None:
    ann, bob = visit("ann"), visit("bob")
    for page in (ann, bob):
        page.goto(f"/review/{three[0].pk}/")
    bob.keyboard.press("r")
    bob.get_by_label("Why").fill("names a customer")
    # Both presses are on their way before either answer is waited for: the playbook is locked
    # until both have arrived, so that the database alone decides who is first.
    with transaction.atomic():
        Playbook.objects.select_for_update().get(agent=agent)
        presses = ((ann, "#decide [value=approve]"), (bob, "#reject-dialog [value=reject]"))
        for page, button in presses:
            page.locator(button).evaluate("button => { setTimeout(() => button.click()) }")
        wait_until(lambda: _waiting_for_locks() == 2, "both presses")
    told = "text=/Already (applied|rejected) by (ann|bob)/"
    wait_until(lambda: ann.locator(told).count() + bob.locator(told).count(), "the refusal")
    delta = Delta.objects.get(pk=three[0].pk)
    assert delta.reviews.count() == 1
    winner, loser = (ann, bob) if delta.status == DeltaStatus.APPLIED else (bob, ann)
    expect(winner.locator("#toasts")).to_contain_text("Undo within")
    expect(loser.get_by_role("alert")).to_contain_text(f"by {delta.decided_by.partition(':')[2]}")
    expect(loser.get_by_role("link", name="Go on to the next delta")).to_be_visible()


def _waiting_for_locks() -> int:
    with connection.cursor() as cursor:
        # Else a transaction sees one state of it for ever.
        cursor.execute("SELECT pg_stat_clear_snapshot()")
        cursor.execute(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE datname = current_database() AND wait_event_type = 'Lock'"
        )
        return int(cursor.fetchone()[0])


def test_two_people_approve_a_guarded_section_one_after_the_other(
    visit: Callable[..., Any], three: list[Delta], agent: Agent
) -> None:
    services.set_two_person_sections(agent=agent, sections=["strategies"], author=AUTOMATIC)
    ann, bob = visit("ann"), visit("bob")
    ann.goto(f"/review/{three[0].pk}/")
    ann.keyboard.press("a")
    ann.wait_for_selector("text=1 of 2, it waits for another reviewer")
    assert _status(three[0]) == DeltaStatus.PENDING_REVIEW
    bob.goto(f"/review/{three[0].pk}/")
    expect(bob.get_by_text("1 of 2 approved.")).to_be_visible()
    bob.keyboard.press("a")
    bob.wait_for_selector("text=is live")
    assert _status(three[0]) == DeltaStatus.APPLIED


def test_a_delta_that_another_edits_while_it_is_open_leads_on_to_the_edit(
    visit: Callable[..., Any], agent: Agent
) -> None:
    delta = _propose(agent, "Quote the fare.")
    ann, bob = visit("ann"), visit("bob")
    for page in (ann, bob):
        page.goto(f"/review/{delta.pk}/?edit=1")
    ann.get_by_label("Text of operation 1").fill("Quote a fare.")
    bob.get_by_label("Text of operation 1").fill("Quote each fare.")
    bob.get_by_role("button", name="Approve as edited").click()
    bob.get_by_text("as edited: v2 is live").first.wait_for()
    # As when she comes back to the tab: her page asks at once what became of it.
    ann.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    on = ann.get_by_role("link", name=re.compile(r"Open delta \d+ in its place"))
    on.wait_for()
    assert ann.get_by_label("Text of operation 1").input_value() == "Quote a fare."
    on.click()
    ann.get_by_role("heading", name="Quote each fare.").wait_for()
    ann.get_by_role("heading", name="Applied as v2").wait_for()
    assert PlaybookVersion.objects.count() == 2


def test_a_form_that_another_overtook_says_where_and_takes_the_choice(
    visit: Callable[..., Any], agent: Agent
) -> None:
    brief = bullet_id("strategies", "Be brief.")
    page = visit("ann")
    page.goto(f"/playbooks/airline/propose/?bullet={brief}")
    page.locator("textarea[name^=text-]").fill("Be brief and kind.")
    change = {"op": "update", "bullet_id": brief, "text": "Be brief, but whole."}
    services.approve_delta(delta=_propose(agent, operations=[change]), by=person("bob"))
    page.get_by_label("Reasoning").fill("Customers felt rushed.")
    page.get_by_role("button", name="Preview the delta").click()
    page.get_by_text("This changed after the delta was made.").wait_for()
    page.get_by_role("radio", name="This delta").check()
    page.get_by_role("button", name="Stand it on v2 like this").click()
    page.get_by_role("button", name="Propose 1 change").click()
    page.get_by_text("made on v2, live is v2").wait_for()
    delta = Delta.objects.latest("pk")
    assert (delta.status, delta.base_version) == (DeltaStatus.PENDING_REVIEW, 2)
    assert [operation["text"] for operation in delta.operations] == ["Be brief and kind."]


@pytest.mark.parametrize("path", ["/", "/review/", "/review/{pk}/", "/review/{pk}/?edit=1"])
def test_on_a_phone_nothing_hangs_out_of_the_page(
    visit: Callable[..., Any], three: list[Delta], path: str
) -> None:
    page = visit(**PHONE)
    page.goto(path.format(pk=three[0].pk))
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    if "pk" in path:
        page.get_by_role("button", name="Approve").click()
        page.wait_for_selector("text=is live")


def test_everything_is_decided_without_javascript(
    visit: Callable[..., Any], three: list[Delta]
) -> None:
    page = visit(java_script_enabled=False)
    page.goto("/review/")
    page.get_by_label(f"Select delta {three[0].pk}").check()
    page.get_by_role("button", name="Approve selected").click()
    undo = page.get_by_role("button", name="Undo")
    undo.wait_for()
    assert _status(three[0]) == DeltaStatus.APPLIED
    undo.click()
    page.wait_for_selector("text=Taken back")
    assert _status(three[0]) == DeltaStatus.PENDING_REVIEW
    page.goto(f"/review/{three[1].pk}/")
    page.get_by_role("button", name="Reject").first.click()
    page.get_by_label("Why").fill("without a script")
    page.locator("#reject-dialog button[value=reject]").click()
    page.wait_for_selector("text=Rejected delta")
    assert _status(three[1]) == DeltaStatus.REJECTED


def test_a_newcomer_teaches_the_workshop_agent_and_takes_it_back(
    visit: Callable[..., Any], transactional_db: None
) -> None:
    demo = make_workshop_agent(agent_id="workshop-demo", seed=1, mode=Mode.STRICT, author=AUTOMATIC)
    evidence = {"lift": 0.4, "interval": [0.2, 0.6], "for_total": 61, "against_total": 9}
    delta = _propose(demo, "Never repeat an identical notify_customer.", evidence=evidence)
    page = visit()
    page.goto("/")
    page.get_by_role("button", name="Approve the lesson").click()
    page.get_by_role("button", name="Run the 60 tasks").click()
    page.wait_for_selector("text=0 of 60 tasks")
    job = Comparison.objects.get()
    compare(job.pk)
    page.wait_for_selector("text=Run them again")
    job.refresh_from_db()
    assert page.locator(".ace-guided-result").inner_text().startswith(f"{job.now_pass} now pass")
    page.get_by_role("button", name="Take it back").click()
    page.wait_for_selector("text=Taken back.")
    assert _status(delta) == DeltaStatus.UNDONE
