"""A whole job whose agent is a model with a tool: it learns what to tell, and counts every cent."""

import json
from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ace_project.core.errors import InvalidInput
from ace_project.core.work.leases import JobStatus
from evolution.models import Budget
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent, DeltaStatus
from playbooks.selectors import agent_by_id
from tests.endpoint import Endpoint, Exchange, Reply, answer
from tests.evolution.llm.conftest import assert_money_is_explained, calls
from tests.training.runtimes.conftest import agent, endpoint, on_loopback, wants, wired
from tests.training.scripted import BAD, GOOD, learner, work
from training.models import TrainingJob
from training.services import jobs

__all__ = ["agent", "endpoint", "on_loopback", "wired"]

pytestmark = pytest.mark.django_db(transaction=True)
ORDERS = {number: f"kettle {number}" for number in range(48)}
TOOL = {"name": "look", "description": "Look it up.", "method": "POST"}


@pytest.fixture
def tool(on_loopback: None) -> Iterator[Endpoint]:
    """Run the shop's orders."""

    def found(exchange: Exchange) -> Reply:
        return Reply({"item": ORDERS[exchange.body["id"]]})

    with Endpoint(found) as running:
        yield running


def model(exchange: Exchange) -> Reply:
    """Look first where it is told to, and never where it is told not to."""
    system, asked, *rest = exchange.body["messages"]
    if rest:
        return answer(f"{ORDERS[_number(asked)].title()}.", prompt=300)
    if GOOD in system["content"] and BAD not in system["content"]:
        return wants(("look", json.dumps({"id": _number(asked)})), prompt=200)
    return answer("a guess", prompt=200)


def _number(message: dict[str, Any]) -> int:
    return int(message["content"].rpartition("order ")[2].split()[0].strip('".'))


def start(tool: Endpoint, tasks: list[dict[str, Any]]) -> TrainingJob:
    """Queue a job over the tasks."""
    parameters = {"type": "object", "properties": {"id": {"type": "integer"}}}
    tools = [{**TOOL, "url": tool.base_url, "parameters": parameters}]
    return jobs.start_job(
        agent=agent_by_id("bot"),
        config={"n_iterations": 5, "batch_size": 8, "n_trajectories_per_query": 6, "seed": 3},
        runtime={"name": "openai", "tools": tools},
        training_data=tasks,
        requested_by="test",
    )


def test_a_job_over_a_model_and_its_tool_drops_the_bullet_that_harms(
    wired: Endpoint, tool: Endpoint, agent: Agent
) -> None:
    wired.play(model)
    content = {"strategies": [GOOD, BAD]}
    playbooks.import_playbook(agent=agent, content=content, author=actors.AUTOMATIC, reason="")
    tasks = [
        {"query": f"What is in order {number}", "expected_outcome": text}
        for number, text in ORDERS.items()
    ]
    job = work(start(tool, tasks))
    assert (job.status, job.reason, job.simulated) == (JobStatus.COMPLETED, "finished", False)
    assert learner(job).distance > 0
    good, bad = learner(job).policy.probabilities(np.array([-1]))[0]
    assert good > 0.8 and bad < 0.2
    assert {row["text"]: row["decision"] for row in job.effects} == {GOOD: "keep", BAD: "drop"}
    assert job.delta.status == DeltaStatus.PENDING_REVIEW
    assert [operation["op"] for operation in job.delta.operations] == ["remove"]

    served = [met.usage for met in wired.finished() if met.usage]
    prompts = sum(usage["prompt_tokens"] for usage in served)
    answers = sum(usage["completion_tokens"] for usage in served)
    # At $2 and $8 a million tokens.
    usd = (2 * prompts + 8 * answers) * Decimal("0.000001")
    assert len(calls()) == len(served)
    assert Budget.objects.get(scope=f"job:{job.pk}").spent_usd == usd
    assert_money_is_explained()


def test_a_job_that_nothing_could_score_is_refused_before_it_costs_anything(
    wired: Endpoint, tool: Endpoint, agent: Agent
) -> None:
    tasks = [{"query": f"What is in order {number}"} for number in range(8)]
    tasks[0]["expected_outcome"] = "kettle"
    playbooks.import_playbook(
        agent=agent, content={"strategies": [GOOD]}, author=actors.AUTOMATIC, reason=""
    )
    with pytest.raises(InvalidInput, match="expected_outcome in every task"):
        start(tool, tasks)
    assert not wired.log
