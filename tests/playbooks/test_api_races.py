"""Calls that meet on one agent: each ends in order, none in an error of ours."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection

from ace_project.core import tokens
from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent, Mode
from tests.callers import Caller
from tests.playbooks.factories import add

pytestmark = pytest.mark.django_db(transaction=True)
ROUNDS = 8


def together(*calls: Callable[[], Any]) -> list[Any]:
    """Run the calls at once, each in a thread with a connection of its own."""
    gate, answers = threading.Barrier(len(calls)), []

    def run(call: Callable[[], Any]) -> None:
        try:
            gate.wait(10)
            answers.append(call())
        finally:
            connection.close()

    threads = [threading.Thread(target=run, args=(call,)) for call in calls]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    assert len(answers) == len(calls)
    return answers


@pytest.fixture
def make_bot() -> Callable[[], None]:
    return lambda: services.create_agent(agent_id="bot", author=AUTOMATIC, mode=Mode.AUTO) and None


def test_changing_an_agent_and_its_playbook_at_once_never_deadlocks(make_bot) -> None:
    make_bot()
    bot, service = Caller("bot"), Caller(None)
    for number in range(ROUNDS):
        change = {"operations": [add(f"Lesson {number}.")], "confidence": 1}
        answers = together(
            lambda: bot.patch("playbooks/bot", change),  # noqa: B023  called in this round
            lambda: service.patch("agents/bot", {"metadata": {"n": number}}),  # noqa: B023
            lambda: bot.get("playbooks/bot"),
        )
        assert [answer.status_code for answer in answers] == [200] * 3
    assert bot.get("playbooks/bot").json()["version"] == ROUNDS + 1


def test_erasing_an_agent_while_it_changes_leaves_nothing_behind(make_bot) -> None:
    service = Caller(None)
    for _ in range(ROUNDS):
        make_bot()
        change = {"operations": [add("New.")], "confidence": 1}
        trace = {"agent_id": "bot", "execution_time": 1, "success": True}
        answers = together(
            lambda: service.patch("playbooks/bot", change),  # noqa: B023  called in this round
            lambda: service.post("traces", trace),  # noqa: B023
            lambda: service.delete("agents/bot"),
        )
        assert {answer.status_code for answer in answers} <= {200, 201, 204, 404, 409}
        assert 204 in {answer.status_code for answer in answers}
        Agent.objects.filter(agent_id="bot").delete()


def test_one_agent_made_twice_at_once_is_made_once(make_bot) -> None:
    service = Caller(None)
    for number in range(ROUNDS):
        body = {"agent_id": f"new{number}", "initial_context": {}}
        answers = together(*[lambda: service.post("playbooks", body)] * 3)  # noqa: B023
        assert sorted(answer.status_code for answer in answers) == [201, 409, 409]


def test_a_key_used_twice_at_once_acts_once(make_bot) -> None:
    make_bot()
    bot = Caller("bot")
    for number in range(ROUNDS):
        body = {"agent_id": "bot", "operations": [add(f"Lesson {number}.")], "confidence": 1}
        post = lambda: bot.post("deltas", body, idempotency_key=f"k{number}")  # noqa: B023, E731
        statuses = {answer.status_code for answer in together(post, post, post)}
        assert 201 in statuses
        assert statuses <= {201, 409}
    assert len(bot.get("deltas").json()["results"]) == ROUNDS


def test_a_token_revoked_while_it_is_used_is_refused_from_then_on(make_bot) -> None:
    make_bot()
    bot = Caller("bot")
    together(lambda: bot.get("playbooks/bot"), lambda: tokens.revoke(str(bot.row.jti)))
    assert bot.get("playbooks/bot").status_code == 401
