"""A vetoed delta in a real browser: the council's verdicts, and an operator's waiver of one."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.content import bullet_id
from playbooks.models import Delta, Mode, Source, Waiver
from tests.e2e.looks import PHONE, PLAIN

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

RULE = bullet_id("constraints", "Never refund more than 100 euros.")


@pytest.fixture
def delta(transactional_db: None) -> Delta:
    """Return a delta in `auto` that the council vetoed: it loosens a limit."""
    content = {
        "strategies": ["Quote the fare."],
        "constraints": ["Never refund more than 100 euros."],
    }
    agent = services.create_agent(
        agent_id="airline.1", author=AUTOMATIC, initial_context=content, mode=Mode.AUTO
    )
    change = {"op": "update", "bullet_id": RULE, "text": "Never refund more than 500 euros."}
    return services.propose_delta(
        agent=agent,
        operations=[change],
        confidence=0.9,
        source=Source.AGENT,
        author=AUTOMATIC,
    ).delta


@pytest.mark.parametrize("options", [{}, PHONE, PLAIN], ids=["desk", "phone", "no-script"])
def test_an_operator_waives_a_veto_and_sees_it_listed_and_ended(
    visit: Callable[..., Any], delta: Delta, options: dict[str, Any]
) -> None:
    page = visit("ann", "operator", **options)
    page.goto(f"/review/{delta.pk}/")
    council = page.locator(".ace-council")
    council.get_by_text("changes 100 to 500").wait_for()
    assert council.get_by_role("heading", name="Constitution").count() == 1
    council.get_by_role("button", name="Waive this verdict…").click()
    dialog = page.get_by_role("dialog", name="Waive “constitution”")
    dialog.get_by_label("Why").fill("the policy changed")
    dialog.get_by_role("button", name="Waive", exact=True).click()
    page.get_by_text("Waived by ann until").first.wait_for()
    assert Delta.objects.get().applied_version == 2
    page.goto("/agents/airline.1/")
    page.get_by_text("in force").wait_for()
    assert page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    page.get_by_role("button", name="End the waiver of constitution").click()
    page.get_by_text("ended", exact=True).wait_for()
    assert Waiver.objects.get().ended_by == "person:ann"


def test_an_operator_waives_a_judge_for_an_agent_from_its_page(
    visit: Callable[..., Any], delta: Delta
) -> None:
    page = visit("ann", "operator")
    page.goto("/agents/airline.1/")
    page.get_by_text("Waive a judge’s verdicts").click()
    page.get_by_label("Judge", exact=True).select_option("council_constitution")
    page.locator("#w-reason").fill("the policy changed")
    page.get_by_role("button", name="Waive it until then").click()
    page.get_by_text("in force").wait_for()
    assert Delta.objects.get().status == "applied"
    waiver = Waiver.objects.get()
    assert waiver.delta is None
    assert waiver.expires_at - timezone.now() > timedelta(days=6)
    assert waiver.waived_by == str(person("ann"))
