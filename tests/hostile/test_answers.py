"""Answers that are no pages: no browser takes them for one, no spreadsheet for a program."""

import csv
import io
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from playbooks import actors, audit, services
from playbooks.models import Agent
from tests.callers import Caller

pytestmark = pytest.mark.django_db
FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1")


@pytest.fixture
def agent() -> Agent:
    """Return an agent with a trace, and with a bullet that a browser could take for a page."""
    made = services.create_agent(
        agent_id="bot",
        author=actors.AUTOMATIC,
        initial_context={"s": ["<script>alert(1)</script>"]},
    )
    caller = Caller("bot")
    sent = {"agent_id": "bot", "trace_id": "t", "success": False, "execution_time": 1.0}
    assert caller.post("traces", {**sent, "error_message": "<html>"}).status_code == 201
    return made


@pytest.fixture
def viewer() -> Client:
    """Return the browser of somebody who may look."""
    user = get_user_model().objects.create_user("vic")
    user.groups.add(Group.objects.get_or_create(name="viewer")[0])
    client = Client()
    client.force_login(user)
    return client


def is_json(answer: Any, kind: str = "application/json") -> bool:
    """Tell whether no browser can take an answer for anything but JSON."""
    return answer["Content-Type"].startswith(kind) and answer["X-Content-Type-Options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        *("agents/bot", "playbooks/bot", "playbooks/bot/bullets", "playbooks/bot/versions"),
        *("playbooks/bot/versions/1", "playbooks/bot/context", "deltas?agent_id=bot"),
        *("traces?agent_id=bot", "evolution/status/bot"),
    ],
)
def test_every_answer_of_the_api_says_that_it_is_json(agent: Agent, path: str) -> None:
    caller = Caller("bot")
    answer = caller.get(path)
    kind = "application/json" if answer.status_code == 200 else "application/problem+json"
    assert is_json(answer, kind)


def test_so_do_refusals_and_json_rpc(agent: Agent) -> None:
    assert is_json(Client().get("/api/v1/playbooks/<script>"), "application/problem+json")
    assert is_json(Client().post("/api/v1/playbooks", "<html>", content_type="text/html"),
                   "application/problem+json")  # fmt: skip
    called = Caller(None).post("jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": "<script>"})
    assert is_json(called)


def test_a_playbook_is_taken_away_as_a_file_and_never_shown_as_a_page(
    agent: Agent, viewer: Client
) -> None:
    for form in ("json", "paper"):
        answer = viewer.get("/playbooks/bot/export/", {"format": form})
        assert answer["Content-Disposition"].startswith("attachment")
        assert "html" not in answer["Content-Type"]
        assert answer["X-Content-Type-Options"] == "nosniff"


def test_no_cell_of_the_audits_export_is_a_formula(agent: Agent, viewer: Client) -> None:
    for text in FORMULAS:
        audit.record("bot", text, actors.person(text), now=timezone.now(), subject=text)
    answer = viewer.get("/audit/export/")
    assert answer["Content-Type"].startswith("text/csv")
    assert answer["X-Content-Type-Options"] == "nosniff"
    rows = list(csv.reader(io.StringIO(b"".join(answer.streaming_content).decode(), newline="")))
    assert len(rows) > len(FORMULAS)
    assert [c for row in rows for c in row if c.startswith(tuple("=+-@\t\r"))] == []
