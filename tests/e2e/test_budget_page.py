"""Calls of a model in a real browser: prompt and answer come when they are asked for."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest

from evolution import ledger
from evolution.ledger import Usage
from evolution.models import EvolutionRun, LlmCall, LlmExchange
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
