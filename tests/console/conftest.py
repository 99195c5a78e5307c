"""People of every role, and agents with deltas to decide."""

from collections.abc import Callable
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db import transaction
from django.test import Client

from playbooks import services
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent, Delta, Source

RUN = Actor(ActorKind.RUN, "1")


@pytest.fixture
def person_of(db: None) -> Callable[..., Any]:
    """Return a maker of people: `person_of("reviewer")`, `person_of("reviewer", "ann")`."""

    def make(role: str, name: str | None = None) -> Any:
        user = get_user_model().objects.create_user(name or role, password="a long password 42")
        user.groups.add(Group.objects.get(name=role))
        return user

    return make


@pytest.fixture
def signed_in(person_of: Callable[..., Any]) -> Callable[..., Client]:
    """Return a maker of signed-in browsers: `signed_in("viewer")`."""

    def make(role: str, name: str | None = None) -> Client:
        client = Client()
        client.force_login(person_of(role, name))
        return client

    return make


@pytest.fixture
def agent(db: None) -> Agent:
    """Return an agent with two lessons."""
    content = {"strategies": ["Check the booking date.", "Open with a summary."]}
    return services.create_agent(agent_id="airline", author=RUN, initial_context=content)


@pytest.fixture
def propose(agent: Agent) -> Callable[..., Delta]:
    """Return a maker of waiting deltas: `propose("A lesson.")`, `propose(operations=[...])`."""

    def make(text: str = "Quote the fare.", **changed: Any) -> Delta:
        wanted: dict[str, Any] = {
            "agent": agent,
            "operations": [{"op": "add", "section": "strategies", "text": text}],
            "confidence": 0.8,
            "source": Source.SCRIPTED,
            "author": RUN,
            "may_apply": False,
        }
        return services.propose_delta(**(wanted | changed)).delta

    return make


@pytest.fixture
def on_commit(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let what waits for a commit happen at once: a test that rolls back never commits."""
    monkeypatch.setattr(transaction, "on_commit", lambda then, *_, **__: then())
