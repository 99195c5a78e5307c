"""Connecting an agent: what is copied works as it stands, and the first trace is seen to land."""

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ace_project.console.snippets import PLACEHOLDER, snippets
from ace_project.core import tokens
from ace_project.core.models import ApiToken
from ace_project.core.tokens import AGENT_SCOPES
from evolution import selectors
from evolution.figures import success_between
from evolution.models import EvolutionRun, ExecutionTrace, Origin, Pause
from playbooks.models import Agent
from tests.conftest import absent

PAGE = "/agents/airline/connect/"
TEST = f"{PAGE}test/"
PART = {"HX-Request": "true"}


def _first_trace(agent: Agent, success: bool = True) -> ExecutionTrace:
    return ExecutionTrace.objects.create(
        agent=agent, trace_id="t-1", success=success, captured_at=timezone.now()
    )


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, agent: Agent) -> None:
    assert client.get(PAGE).status_code == client.post(TEST).status_code == 302


def test_a_viewer_sees_the_calls_and_changes_nothing(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    assert PLACEHOLDER in viewer.get(PAGE).content.decode()
    assert viewer.post(PAGE, {"scopes": ["traces:write"], "days": "1"}).status_code == 403
    assert viewer.post(TEST).status_code == 403
    assert not ApiToken.objects.exists()
    assert not ExecutionTrace.objects.exists()


def test_other_methods_and_agents_are_refused(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    assert operator.get(TEST).status_code == operator.put(PAGE).status_code == 405
    assert operator.get("/agents/nobody/connect/").status_code == 404
    assert operator.post("/agents/nobody/connect/test/").status_code == 404


# ---- what is copied ----
def test_the_calls_carry_the_real_host_and_the_fresh_token(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ALLOWED_HOSTS = ["ace.example.com"]
    settings.SECURE_PROXY_SSL_HEADER = ("HTTP_X_FORWARDED_PROTO", "https")
    operator = signed_in("operator")
    fields = {"scopes": [*AGENT_SCOPES], "days": "90"}
    proxied = {"host": "ace.example.com", "X-Forwarded-Proto": "https"}
    answer = operator.post(PAGE, fields, headers=proxied)
    text = answer.context["issued"].text
    page = answer.content.decode()
    assert "export ACE_URL=&#x27;https://ace.example.com&#x27;" in page
    assert page.count(text) == 3
    assert PLACEHOLDER not in page
    assert "no-store" in answer.headers["Cache-Control"]
    assert text not in operator.get(PAGE, headers=proxied).content.decode()


def _connected(live_server: Any, agent: Agent) -> Any:
    text, _ = tokens.issue(agent.agent_id)
    return snippets(live_server.url, agent.agent_id, text)


@pytest.mark.django_db(transaction=True)
def test_the_python_program_runs_as_it_stands(live_server: Any, agent: Agent) -> None:
    code = _connected(live_server, agent).python
    done = subprocess.run(
        [sys.executable, "-I", "-S", "-c", code], capture_output=True, text=True, timeout=60
    )
    assert done.stderr == ""
    assert "playbook v1:" in done.stdout
    trace = ExecutionTrace.objects.get()
    assert (trace.task_id, trace.playbook_version, trace.step_count) == ("first-task", 1, 1)
    assert trace.trace_id in done.stdout


@pytest.mark.django_db(transaction=True)
def test_the_shell_commands_run_as_they_stand(live_server: Any, agent: Agent) -> None:
    if shutil.which("curl") is None:
        absent("curl", "there is no curl on the PATH")
    code = _connected(live_server, agent)
    for command in (code.fetch, code.post):
        done = subprocess.run(
            ["sh", "-c", f"{code.setup}\n{command}"], capture_output=True, text=True, timeout=60
        )
        assert done.stderr == ""
        json.loads(done.stdout)
    assert ExecutionTrace.objects.get().task_id == "first-task"


# ---- the first trace ----
def test_the_part_that_waits_asks_again_until_the_agents_own_trace_is_there(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    client = signed_in("viewer")
    assert "Waiting" not in client.get(PAGE).content.decode()
    _, token = tokens.issue("airline")
    part = client.get(PAGE, headers=PART).content.decode()
    assert "<html" not in part
    assert "Waiting for the first call." in part
    tokens.note_use(str(token.jti), timezone.now().timestamp())
    assert "waiting for the first trace" in client.get(PAGE, headers=PART).content.decode()
    _first_trace(agent)
    part = client.get(PAGE, headers=PART).content.decode()
    assert "data-live" not in part
    assert "airline is connected." in part
    assert "1 of the 10 traces" in client.get(PAGE).content.decode()


def test_an_agent_that_learned_is_told_of_its_next_run_not_of_its_first(
    signed_in: Callable[..., Client], agent: Agent, settings: Any
) -> None:
    settings.ACE_EVOLUTION_INTERVAL = 3
    viewer, seen = signed_in("viewer"), _first_trace(agent)
    EvolutionRun.objects.create(
        agent=agent, status="completed", watermark=seen.pk, finished_at=timezone.now()
    )
    assert "0 of the 3 traces of its own that start the next run" in viewer.get(PAGE).text
    for name, origin in (("t-2", "agent"), ("t-3", "agent"), ("t-4", "imported")):
        now = timezone.now()
        ExecutionTrace.objects.create(
            agent=agent, trace_id=name, success=True, captured_at=now, origin=origin
        )
    page = viewer.get(PAGE).text
    assert "2 of the 3 traces of its own that start the next run" in page
    assert "Its last evolution run ended" in page
    assert "first evolution run" not in page
    Pause.objects.create(agent=agent, paused_by="person:ann")
    assert "Evolution is paused: no run starts" in viewer.get(PAGE).text


def test_a_test_trace_takes_the_agents_way_and_is_no_evidence(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator", "ann")
    part = operator.post(TEST, headers=PART).content.decode()
    trace = ExecutionTrace.objects.get()
    assert (trace.origin, trace.metadata["sent_by"]) == (Origin.TEST, "person:ann")
    assert trace.trace_id in part
    assert "test (simulated)" in part
    assert "data-live" in part
    assert selectors.pending_traces(agent) == 0
    assert list(selectors.runs_to_learn_from(agent, newest=trace.pk, limit=10)) == []
    hour = timedelta(hours=1)
    assert success_between(timezone.now() - hour, timezone.now() + hour) == {}


def test_without_a_script_the_test_leads_back_to_the_page(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator").post(TEST, follow=True)
    assert answer.redirect_chain == [(PAGE, 302)]
    assert re.search(r"Test trace test-\w+ is recorded\.", answer.content.decode())


def test_a_trace_of_a_hostile_name_is_shown_as_text(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    trace = _first_trace(agent, success=False)
    ExecutionTrace.objects.filter(pk=trace.pk).update(trace_id="<script>x</script>\u202e")
    page = signed_in("viewer").get(PAGE).content.decode()
    assert "<script>x" not in page
    assert "U+202E" in page
