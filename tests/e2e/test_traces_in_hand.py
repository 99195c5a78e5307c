"""Traces in a real browser: two are compared, one is cited, a part of a long one is opened."""

import re
from collections.abc import Callable
from typing import Any

import pytest

from evolution.models import ExecutionTrace
from evolution.services.traces import record_batch
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, Source
from tests.e2e.looks import PHONE

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


@pytest.fixture
def agent(transactional_db: None) -> Agent:
    """Return an agent that tried one task twice, the second time in vain."""
    made = services.create_agent(
        agent_id="airline", author=AUTOMATIC, initial_context={"strategies": ["Be brief."]}
    )
    _record(made, "good", [{"tool": "find"}, {"tool": "ask"}, {"tool": "pay"}])
    _record(made, "bad", [{"tool": "find"}, {"tool": "pay", "error": "declined"}])
    return made


def _record(agent: Agent, name: str, steps: list[dict[str, Any]]) -> ExecutionTrace:
    """Record a trace, failed where one of its steps did."""
    trace = {
        "trace_id": name,
        "task_id": "refund-1",
        "execution_time": 1.0,
        "success": not any("error" in step for step in steps),
        "steps": [{"arguments": {}, **step} for step in steps],
    }
    record_batch(agent=agent, traces=[trace])
    return ExecutionTrace.objects.get(trace_id=name)


@pytest.mark.parametrize("options", [{}, PHONE], ids=["desk", "phone"])
def test_two_traces_are_compared_from_the_list(
    visit: Callable[..., Any], agent: Agent, options: dict[str, Any]
) -> None:
    page = visit(role="viewer", **options)
    page.goto("/traces/")
    for trace in ExecutionTrace.objects.all():
        page.get_by_label(f"Select trace {trace.pk}").check()
    page.get_by_role("button", name="Compare two").click()
    page.get_by_role("heading", name="Two runs of refund-1").wait_for()
    page.get_by_text("They part at step 2 of A: only A called ask.").wait_for()
    page.get_by_role("link", name="First difference").click()
    page.wait_for_url("**#first-difference")


def test_a_trace_becomes_evidence_of_a_delta_that_waits(
    visit: Callable[..., Any], agent: Agent
) -> None:
    delta = services.propose_delta(
        agent=agent,
        operations=[{"op": "add", "section": "strategies", "text": "Ask before you pay."}],
        confidence=0.8,
        source=Source.OPERATOR,
        author=person("bob"),
        may_apply=False,
    ).delta
    page = visit()
    page.goto("/traces/?success=no")
    page.get_by_role("link", name="refund-1").click()
    page.get_by_role("link", name="Make evidence").click()
    page.get_by_label("What trace bad says").select_option(label="speaks against it")
    page.get_by_label("Delta", exact=True).select_option(str(delta.pk))
    page.get_by_role("button", name="Add to its evidence").click()
    page.wait_for_url(f"**/review/{delta.pk}/")
    page.get_by_role("link", name="refund-1").first.wait_for()
    cited = Delta.objects.get(pk=delta.pk).evidence["by_hand"]
    assert cited == {"for": [], "against": ["bad"]}


def test_a_part_of_a_long_trace_is_fetched_when_it_is_opened(
    visit: Callable[..., Any], agent: Agent
) -> None:
    long = _record(agent, "long", [{"tool": f"tool-{n}"} for n in range(1, 401)])
    page = visit(role="viewer")
    page.goto(f"/traces/{long.pk}/")
    part = page.get_by_role("link", name=re.compile(r"Steps \d+ to 400"))
    assert page.locator("#step-400").count() == 0
    part.click()
    page.locator("#step-400", has_text="tool-400").wait_for()
    # What was open stays open, and the page is the one that it was.
    assert page.locator("#step-1").is_visible()
    assert part.count() == 0
    assert page.url.endswith(f"/traces/{long.pk}/")
