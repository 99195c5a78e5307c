"""Money in a real browser: a limit raised in its dialog, and a prompt that comes when asked for."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from evolution import ledger
from evolution import services as evolution
from evolution.ledger import Usage
from evolution.models import Budget, EvolutionRun, LlmCall, LlmExchange, Trigger
from playbooks import services
from playbooks.actors import AUTOMATIC

pytestmark = pytest.mark.django_db(transaction=True)


def _called() -> tuple[EvolutionRun, LlmCall]:
    agent = services.create_agent(agent_id="airline", author=AUTOMATIC)
    run = EvolutionRun.objects.create(
        agent=agent, trigger="api", requested_by="x", status="completed", generator="llm"
    )
    call = ledger.reserve(
        run=run, agent=None, purpose="generate", endpoint="http://llm", model="m",
        usd=Decimal("0.03"), tokens=10, seconds=60.0,
    )  # fmt: skip
    charged = Decimal("0.0123")
    ledger.settle(call=call, usage=Usage(9, 0, 1), cost=charged, charged=charged, seconds=1.0)
    sent = [{"role": "user", "content": "<b>what was sent</b>"}]
    LlmExchange.objects.create(call=call, agent=agent, messages=sent, answer="what came back")
    return run, call


def test_an_operator_raises_a_limit_in_its_dialog(visit: Callable[..., Any], settings: Any) -> None:
    settings.ACE_MONTHLY_BUDGET_USD = 100.0
    _called()
    page = visit(role="operator")
    page.goto("/budget/")
    page.get_by_role("button", name="Raise a limit").click()
    page.get_by_label("Whose limit").select_option(label="all agents, now $100")
    page.get_by_label("By how many US dollars").fill("25")
    page.get_by_label("Why").fill("Black Friday")
    page.get_by_role("button", name="Raise it for").click()
    page.get_by_text("it is $125.00 now.").wait_for()
    assert Budget.objects.get(scope="global").raised_usd == 25


def test_an_operator_stops_all_evolution_and_lets_it_go_on(visit: Callable[..., Any]) -> None:
    agent = services.create_agent(agent_id="airline", author=AUTOMATIC)
    page = visit(role="operator")
    page.goto("/budget/")
    page.get_by_role("button", name="Pause all evolution").click()
    page.get_by_text("All evolution is paused.", exact=True).wait_for()
    asked = {"agent": agent, "trigger": Trigger.API, "requested_by": "x", "force": True}
    assert evolution.start_run(**asked).run is None
    page.get_by_role("button", name="Resume").click()
    page.get_by_role("button", name="Pause all evolution").wait_for()
    assert evolution.start_run(**asked).run is not None


def test_prompt_and_answer_come_when_they_are_opened(visit: Callable[..., Any]) -> None:
    run, call = _called()
    page = visit(role="viewer")
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"/runs/{run.pk}/")
    assert not [url for url in asked if "/calls/" in url]
    page.get_by_text("Prompt and answer", exact=True).click()
    page.get_by_text("what came back").wait_for()
    page.get_by_text("<b>what was sent</b>").wait_for()
    assert [url for url in asked if url.endswith(f"/calls/{call.pk}/")]
