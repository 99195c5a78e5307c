"""An endpoint on loopback that the settings point at, an agent, and waiting that takes no time."""

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from evolution.llm import dialects
from evolution.llm.gateway import Answer, Pace, Question, ask
from evolution.models import Budget, CallState, LlmCall
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent
from playbooks.selectors import agent_by_id
from tests.endpoint import Endpoint

KEY = "sk-test-5f1d7c2e9b"
MODEL = "test-model"


@dataclass
class Waits:
    """A pace whose sleeps take no time and are written down."""

    chance: Callable[[], float] = lambda: 0.5
    slept: list[float] = field(default_factory=list)

    @property
    def pace(self) -> Pace:
        return Pace(sleep=self.slept.append, chance=self.chance)


@pytest.fixture
def endpoint() -> Iterator[Endpoint]:
    """Run an endpoint that answers `ok` until it is told otherwise."""
    with Endpoint() as running:
        yield running


@pytest.fixture
def wired(endpoint: Endpoint, settings: Any, tmp_path: Path) -> Iterator[Endpoint]:
    """Point the settings at the endpoint, with room for money and calls, and a priced model."""
    prices = tmp_path / "prices.json"
    price = {"input": 2, "cached_input": 0.5, "output": 8, "date": "2020-01-01"}
    prices.write_text(json.dumps({MODEL: price}))
    settings.ACE_LLM_BASE_URL = endpoint.base_url
    settings.ACE_LLM_API_KEY = KEY
    settings.ACE_LLM_MODEL = MODEL
    settings.ACE_LLM_PRICES_FILE = str(prices)
    settings.ACE_LLM_TIMEOUT_SECONDS = 20.0
    settings.ACE_MONTHLY_BUDGET_USD = 1_000_000.0
    settings.ACE_LLM_CALLS_PER_MINUTE = 1_000_000
    settings.ACE_LLM_TOKENS_PER_MINUTE = 10**12
    dialects.forget()
    yield endpoint
    dialects.forget()


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    return agent_by_id("bot")


@pytest.fixture
def waits() -> Waits:
    return Waits()


@pytest.fixture
def put(agent: Agent, waits: Waits) -> Callable[..., Answer]:
    """Return what asks the model on behalf of the agent."""

    def put_question(schema: dict[str, Any] | None = None, **changed: Any) -> Answer:
        given = {"messages": [{"role": "user", "content": "Say ok."}], "max_tokens": 1000}
        question = Question(**{**given, "schema": schema, "purpose": "test", **changed})
        return ask(question, agent=agent, pace=waits.pace)

    return put_question


def calls() -> list[LlmCall]:
    """Return the rows of all calls, the oldest first."""
    return list(LlmCall.objects.order_by("created_at", "pk"))


def assert_money_is_explained() -> None:
    """Every call ended, nothing is reserved, and every budget spent what its calls charged."""
    rows = calls()
    assert all(row.state != CallState.RESERVED and row.ended_at for row in rows)
    charged = sum((row.charged_usd or Decimal(0) for row in rows), Decimal(0))
    for budget in Budget.objects.all():
        assert budget.reserved_usd == 0
        assert budget.spent_usd == charged, budget.scope
