"""A language model on loopback that the settings point at."""

from collections.abc import Callable, Iterator
from typing import Any

import pytest

from evolution.llm import dialects
from tests.endpoint import Endpoint


@pytest.fixture
def model(settings: Any) -> Iterator[Callable[..., Endpoint]]:
    """Return a maker of endpoints that the settings point at: `model(said("pass"))`."""
    running: list[Endpoint] = []

    def make(*replies: Any) -> Endpoint:
        script = replies[0] if callable(replies[0]) else list(replies)
        endpoint = Endpoint(script).__enter__()
        running.append(endpoint)
        settings.ACE_LLM_BASE_URL, settings.ACE_LLM_API_KEY = endpoint.base_url, "sk-tests-5f1d7c2e"
        settings.ACE_LLM_MODEL = "gpt-4o-mini"
        return endpoint

    dialects.forget()
    yield make
    for endpoint in running:
        endpoint.__exit__()
    dialects.forget()
