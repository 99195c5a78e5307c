"""Attempts to run, an agent on loopback that may be called, and waiting that takes no time."""

from collections.abc import Callable, Iterator
from decimal import Decimal
from ipaddress import ip_network
from typing import Any

import pytest

from evolution.llm.calls import Pace
from evolution.services import raise_limit
from playbooks import actors
from tests.endpoint import Endpoint, Reply, completion
from tests.evolution.llm.conftest import agent, endpoint, wired
from training.runtimes.base import Attempt, Task
from training.runtimes.http import HttpRuntime
from training.runtimes.registry import check_runtime

__all__ = ["agent", "endpoint", "wired"]

SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
NO_WAIT = Pace(sleep=lambda _: None, chance=lambda: 0.5)


@pytest.fixture
def on_loopback(settings: Any) -> None:
    """Allow what no installation allows by default."""
    settings.ACE_ALLOWED_PRIVATE_NETWORKS = [ip_network("127.0.0.0/8")]


@pytest.fixture
def agent_at(on_loopback: None) -> Iterator[Endpoint]:
    """Run a scripted agent."""
    with Endpoint() as running:
        yield running


@pytest.fixture
def calling(agent_at: Endpoint) -> Callable[..., HttpRuntime]:
    """Return what makes a runtime that calls the scripted agent."""

    def make(**spec: Any) -> HttpRuntime:
        checked = check_runtime({"name": "http", "url": agent_at.base_url, **spec})
        return HttpRuntime(checked, SECRET, NO_WAIT)

    return make


def attempt_at(query: Any = "Refund order 7", **changed: Any) -> Attempt:
    """Return a try of a task with an expected outcome that no agent may see."""
    task = Task(0, query, expected_outcome="the-secret-outcome", task_type="refund")
    bullets = [("rules-1", "Rules", "Before issue_refund, call check_policy.")]
    given = {"job_id": 3, "task": task, "trial": 0, "seed": 5, "bullets": bullets}
    return Attempt(**{**given, "context": "# Rules", "max_steps": 5, **changed})


def wants(*calls: tuple[str, str], prompt: int = 100, completed: int = 20) -> Reply:
    """Return a model's reply that wants tools called: name and arguments as text."""
    body = completion(None, prompt=prompt, completed=completed)
    body["choices"][0]["message"]["tool_calls"] = [
        {"id": f"c{place}", "type": "function", "function": {"name": name, "arguments": text}}
        for place, (name, text) in enumerate(calls)
    ]
    return Reply(body)


def grant(job: int, usd: str = "5") -> None:
    """Give a training job's scope in the ledger a limit."""
    raise_limit(
        scope=f"job:{job}", period="", usd=Decimal(usd), by=actors.AUTOMATIC, reason="a test"
    )
