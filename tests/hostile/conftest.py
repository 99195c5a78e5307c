"""An agent worth attacking: a live playbook, a delta that waits, a trace."""

from typing import Any

import pytest

from playbooks import selectors, services
from playbooks.actors import AUTOMATIC
from playbooks.models import Mode, Source

CONTENT = {"strategies": ["Look before you leap.", "Ask twice."], "goals": {"main": "help"}}


@pytest.fixture
def target(db: None) -> dict[str, Any]:
    """Return the ids of an agent `bot` in `auto` and of its waiting delta."""
    services.create_agent(agent_id="bot", author=AUTOMATIC, initial_context=CONTENT, mode=Mode.AUTO)
    outcome = services.propose_delta(
        agent=selectors.agent_by_id("bot"),
        operations=[{"op": "add", "section": "strategies", "text": "Breathe."}],
        confidence=0.9,
        source=Source.AGENT,
        author=AUTOMATIC,
        may_apply=False,
    )
    return {"agent_id": "bot", "delta_id": str(outcome.delta.delta_id)}
