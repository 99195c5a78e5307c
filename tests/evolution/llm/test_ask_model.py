"""The command that tells an operator whether the model works, and what it cost."""

from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from playbooks.models import Agent
from tests.endpoint import Endpoint, Reply, answer, completion, refusal
from tests.evolution.llm.conftest import KEY, MODEL, calls

pytestmark = pytest.mark.django_db


def said(*arguments: str) -> tuple[str, str]:
    out, err = StringIO(), StringIO()
    call_command("ask_model", *arguments, stdout=out, stderr=err)
    return out.getvalue(), err.getvalue()


def test_it_prints_the_answer_and_the_account(wired: Endpoint) -> None:
    wired.play([answer("blue", prompt=1000, cached=400, completed=50)])
    out, err = said("Which colour?")
    assert out == "blue\n"
    assert wired.log[0].body["messages"] == [{"role": "user", "content": "Which colour?"}]
    assert f"{MODEL} at {wired.base_url}" in err and "1000 tokens in (400 cached), 50 out" in err
    assert "price $0.00180000" in err and KEY not in err


def test_it_names_the_models_passed_over_and_an_unknown_price(
    wired: Endpoint, settings: Any
) -> None:
    settings.ACE_LLM_FALLBACK_MODELS = ["spare"]
    wired.play([refusal(404, "no such model"), answer("blue")])
    _, err = said()
    assert f"passed over: {MODEL}: no such model" in err and "price unpriced" in err


def test_it_counts_for_the_agent_that_is_named(wired: Endpoint, agent: Agent) -> None:
    wired.play([answer("no JSON")])
    _, err = said("--structured", "--agent", "bot")
    assert calls()[0].agent == agent and "is no JSON" in err


def test_an_answer_without_usage_counts_at_the_worst_case(wired: Endpoint) -> None:
    wired.play([Reply(completion("ok") | {"usage": None})])
    _, err = said()
    assert "no usage told" in err and "(the worst case)" in err


def test_without_a_model_it_says_so() -> None:
    with pytest.raises(CommandError, match="ACE_LLM_BASE_URL"):
        said()


def test_a_refusal_is_one_clear_line(wired: Endpoint) -> None:
    wired.play([refusal(401, "bad key")])
    with pytest.raises(CommandError, match="key refused: status 401: scripted bad key"):
        said()
