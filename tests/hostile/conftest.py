"""An agent worth attacking: a live playbook, a delta that waits, a trace."""

from typing import Any

import pytest

from playbooks import selectors, services
from playbooks.actors import AUTOMATIC
from playbooks.models import Mode, Source
from tests.training.trained import make_job, tried

CONTENT = {"strategies": ["Look before you leap.", "Ask twice."], "goals": {"main": "help"}}


@pytest.fixture
def target(db: None) -> dict[str, Any]:
    """Return the ids of an agent `bot` in `auto`, of its waiting delta and of its training job."""
    services.create_agent(agent_id="bot", author=AUTOMATIC, initial_context=CONTENT, mode=Mode.AUTO)
    outcome = services.propose_delta(
        agent=selectors.agent_by_id("bot"),
        operations=[{"op": "add", "section": "strategies", "text": "Breathe."}],
        confidence=0.9,
        source=Source.AGENT,
        author=AUTOMATIC,
        may_apply=False,
    )
    job = make_job(selectors.agent_by_id("bot"))
    tried(job, 1.0)
    return {"agent_id": "bot", "delta_id": str(outcome.delta.delta_id), "job_id": job.pk}
