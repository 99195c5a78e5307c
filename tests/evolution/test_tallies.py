"""Running totals: what calls add up to, without adding up every call."""

from decimal import Decimal
from typing import Any

import pytest

from evolution import ledger
from evolution.ledger import Usage
from evolution.models import DailyTally, LlmCall, Tally
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent
from playbooks.selectors import agent_by_id

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    return agent_by_id("bot")


def reserve(usd: int, agent: Agent | None = None, model: str = "m") -> LlmCall:
    return ledger.reserve(
        run=None,
        agent=agent,
        purpose="generate",
        endpoint="http://llm",
        model=model,
        usd=Decimal(usd),
        tokens=1000,
        seconds=60.0,
    )


def settle(call: LlmCall, usd: str, **options: Any) -> None:
    known: dict[str, Any] = {"cost": Decimal(usd), "charged": Decimal(usd), "seconds": 1.0}
    usage = Usage(prompt_tokens=100, cached_tokens=40, completion_tokens=20)
    ledger.settle(call=call, usage=usage, **(known | options))


def test_the_tallies_add_up_to_the_calls(agent: Agent) -> None:
    settle(reserve(1, agent), "0.5")
    settle(reserve(1, agent, model="n"), "0.25", cost=None)
    ledger.settle_worst_case(call=reserve(2), error="?")
    ledger.release(call=reserve(1), outcome="refused")
    ledger.release(call=reserve(1), outcome="unsent")
    reserve(1)
    days = {(t.agent_number, t.model): t for t in DailyTally.objects.all()}
    assert set(days) == {(agent.pk, "m"), (agent.pk, "n"), (0, "m")}
    assert {t.day for t in days.values()} == {
        LlmCall.objects.latest("created_at").created_at.date()
    }
    alone = days[0, "m"]
    assert (alone.unknown, alone.refused, alone.unsent, alone.answered) == (1, 1, 1, 0)
    assert (alone.charged_usd, alone.worst_case_usd, alone.cost_usd) == (2, 2, 0)
    total = Tally.objects.get(model="m")
    assert (total.answered, total.unknown, total.refused, total.unsent) == (1, 1, 1, 1)
    assert (total.charged_usd, total.cost_usd) == (Decimal("2.5"), Decimal("0.5"))
    assert (total.prompt_tokens, total.cached_tokens, total.completion_tokens) == (100, 40, 20)
