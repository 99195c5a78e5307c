"""Agents and deltas as the playbook tests need them."""

from collections.abc import Callable
from typing import Any

import pytest

from playbooks import actors, selectors, services
from playbooks.models import Agent, Mode, Source
from playbooks.services import Outcome

ALICE = actors.person("alice")


@pytest.fixture
def agent(db: None) -> Agent:
    """Return an agent in `auto` with two bullets and a goal."""
    content = {"strategies": ["Look before you leap.", "Ask twice."], "goals": {"main": "help"}}
    services.create_agent(agent_id="bot", author=ALICE, initial_context=content, mode=Mode.AUTO)
    return selectors.agent_by_id("bot")


@pytest.fixture
def propose(agent: Agent) -> Callable[..., Outcome]:
    """Return a function that proposes operations for the agent as the agent itself."""

    def call(*operations: dict[str, Any], **options: Any) -> Outcome:
        options.setdefault("confidence", 0.9)
        options.setdefault("source", Source.AGENT)
        options.setdefault("author", actors.agent("bot"))
        return services.propose_delta(agent=agent, operations=list(operations), **options)

    return call
