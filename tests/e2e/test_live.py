"""Live parts in a real browser: what a person has in hand survives; asking ends and rests."""

import re
from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.sessions.models import Session
from django.utils import timezone

from evolution.models import CircuitBreaker, EvolutionRun
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, Source

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

HIDE = """hidden => {
  Object.defineProperty(document, "hidden", {value: hidden, configurable: true});
  document.dispatchEvent(new Event("visibilitychange"));
}"""
# The page's timers alone: what the server answers takes as long as it takes.
MINUTE = 60_000


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    """Return an agent with one lesson."""
    return services.create_agent(
        agent_id="airline", author=AUTOMATIC, initial_context={"strategies": ["Be brief."]}
    )


def _run(agent: Agent, **fields: Any) -> EvolutionRun:
    return EvolutionRun.objects.create(
        agent=agent, trigger="operator", requested_by="person:ann", status="running", **fields
    )


def _open_breaker() -> None:
    CircuitBreaker.objects.create(
        endpoint="http://llm", model="vendor/model", failures=5, opened_at=timezone.now()
    )


def _propose(agent: Agent, text: str) -> Delta:
    return services.propose_delta(
        agent=agent,
        operations=[{"op": "add", "section": "strategies", "text": text}],
        confidence=0.8,
        source=Source.OPERATOR,
        author=AUTOMATIC,
        may_apply=False,
    ).delta


def _watch(page: Any, pattern: str) -> list[str]:
    """Return a list that grows with each address like `pattern` that the page asks for."""
    asked: list[str] = []
    wanted = re.compile(pattern)
    page.on("request", lambda r: asked.append(r.url) if wanted.search(r.url) else None)
    return asked


def test_what_a_person_has_in_hand_survives_an_update(
    visit: Callable[..., Any], agent: Agent, settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL = "http://llm"
    page = visit(role="operator", viewport={"width": 1000, "height": 500})
    page.goto("/budget/")
    page.get_by_role("button", name="Raise a limit").click()
    page.get_by_label("By how many US dollars").fill("12.5")
    reason = page.get_by_label("Why")
    reason.press_sequentially("half a rea")
    page.evaluate("scrollTo(0, 120)")
    before = page.evaluate("scrollY")
    assert before > 0
    _open_breaker()
    page.evaluate(HIDE, False)
    page.locator("#budget").get_by_text("vendor/model").first.wait_for(state="attached")
    page.keyboard.type("son")
    assert reason.input_value() == "half a reason"
    assert page.get_by_label("By how many US dollars").input_value() == "12.5"
    assert page.evaluate("document.activeElement.id") == "raise-reason"
    assert page.locator("#raise-dialog:modal").count() == 1
    assert page.evaluate("scrollY") == before


def test_an_open_part_of_a_page_and_marked_words_stay_through_an_update(
    visit: Callable[..., Any], agent: Agent
) -> None:
    run = _run(agent, report={"notes": ["A note to mark."], "settings": {"seed": 1}})
    page = visit(role="viewer")
    page.goto(f"/runs/{run.pk}/")
    page.get_by_text("Show", exact=True).click()
    page.get_by_text("A note to mark.").select_text()
    notes = ["A note to mark.", "Another one came."]
    EvolutionRun.objects.update(report={"notes": notes, "settings": {"seed": 1}})
    page.get_by_text("Another one came.").wait_for()
    assert page.get_by_label("Settings", exact=True).is_visible()
    assert page.evaluate("getSelection().toString()").strip() == "A note to mark."


def test_the_overview_changes_under_an_open_page_and_keeps_the_focus(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page = visit()
    page.goto("/")
    link = page.locator("#overview").get_by_role("link", name="All agents")
    link.focus()
    _propose(agent, "Quote the fare.")
    page.evaluate(HIDE, False)
    page.get_by_role("heading", name="One delta is waiting").wait_for()
    assert page.evaluate("document.activeElement.textContent") == "All agents"
    page.locator("#nav-count").get_by_text("1").wait_for()


def test_the_queue_says_what_is_new_and_decided_and_moves_no_row(
    visit: Callable[..., Any], agent: Agent
) -> None:
    gone = _propose(agent, "Quote the fare.")
    _propose(agent, "Ask for the booking reference.")
    page = visit()
    page.goto("/review/")
    page.get_by_label("Select all 2").check()
    before = [row.bounding_box() for row in page.locator("[data-row]").all()]
    _propose(agent, "Check every segment of a trip.")
    services.reject_delta(delta=gone, by=person("bob"), reason="no")
    page.evaluate(HIDE, False)
    show = page.get_by_role("link", name="1 new: show")
    show.wait_for()
    page.locator(f"#state-{gone.pk}").get_by_text("rejected").wait_for()
    page.get_by_role("button", name="Approve 1 delta").wait_for()
    assert page.get_by_label("Select delta").count() == 1
    assert page.get_by_label("Select delta").is_checked()
    after = [row.bounding_box() for row in page.locator("[data-row]").all()]
    assert [row["height"] for row in after] == [row["height"] for row in before]
    show.click()
    page.get_by_text("Check every segment of a trip.").wait_for()


def test_a_delta_that_is_decided_elsewhere_says_so_and_keeps_what_was_typed(
    visit: Callable[..., Any], agent: Agent
) -> None:
    delta = _propose(agent, "Quote the fare.")
    page = visit()
    page.goto(f"/review/{delta.pk}/?edit=1")
    page.get_by_label("Text of operation 1").fill("Quote the whole fare.")
    page.get_by_label("Comment").fill("half a sen")
    services.comment_on_delta(delta=delta, text="Taxes too?", by=person("bob"))
    page.evaluate(HIDE, False)
    page.locator("#talk").get_by_text("Taxes too?").wait_for()
    assert page.get_by_role("button", name="Approve as edited").is_visible()
    services.reject_delta(delta=delta, by=person("bob"), reason="We have it.")
    page.evaluate(HIDE, False)
    page.get_by_text("Nothing can be sent from here any more.").wait_for()
    assert not page.get_by_role("button", name="Approve as edited").is_visible()
    assert page.get_by_label("Text of operation 1").input_value() == "Quote the whole fare."
    assert page.get_by_label("Comment").input_value() == "half a sen"
    page.get_by_role("link", name="See what became of it").click()
    page.get_by_role("button", name="Reopen it").wait_for()


def test_nobody_is_asked_while_the_tab_is_hidden_or_the_run_is_over(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page, run = visit(role="viewer"), _run(agent)
    page.clock.install()
    page.goto(f"/runs/{run.pk}/")
    asked = _watch(page, f"/runs/{run.pk}/$")
    page.evaluate(HIDE, True)
    page.clock.run_for(5 * MINUTE)
    assert asked == []
    with page.expect_response(f"**/runs/{run.pk}/"):
        page.evaluate(HIDE, False)
    EvolutionRun.objects.update(status="completed", report={"notes": ["It is over."]})
    page.clock.run_for(3000)
    page.get_by_text("It is over.").wait_for()
    page.locator("#run[data-live]").wait_for(state="detached")
    asked.clear()
    page.clock.run_for(5 * MINUTE)
    assert asked == []


def test_a_server_that_is_gone_is_asked_less_and_less_and_the_page_says_since_when(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page, run = visit(role="viewer"), _run(agent)
    page.goto(f"/runs/{run.pk}/")
    page.route(f"**/runs/{run.pk}/", lambda route: route.abort())
    mark = page.locator("#live-mark")
    mark.get_by_text("Not live since").wait_for()
    assert page.locator(".ace-toast--error").count() == 0
    page.unroute(f"**/runs/{run.pk}/")
    page.evaluate(HIDE, False)
    mark.wait_for(state="hidden")


def test_who_was_signed_out_keeps_the_page_and_is_led_to_sign_in(
    visit: Callable[..., Any], agent: Agent
) -> None:
    page, run = visit(role="viewer"), _run(agent)
    page.goto(f"/runs/{run.pk}/")
    Session.objects.all().delete()
    out = page.get_by_role("link", name="Signed out: sign in again")
    out.wait_for()
    assert page.get_by_role("heading", name=f"Run {run.pk}").is_visible()
    assert page.locator("#id_password").count() == 0
    out.click()
    page.wait_for_url(f"**/sign-in/?next=/runs/{run.pk}/")
