"""Evolution runs over REST: asked for, and how they stand."""

import json

import pytest
from django.test import Client

from ace_project.core import tokens
from evolution.models import EvolutionRun, ExecutionTrace, Trigger
from evolution.services import record_batch
from playbooks.actors import Actor, ActorKind
from playbooks.services import create_agent

TRIGGER = "/api/v1/evolution/trigger"
AUTHOR = Actor(ActorKind.SERVICE, "test")


def caller(agent_id, *scopes):
    text, _ = tokens.issue(agent_id, scopes=scopes)
    return Client(headers={"authorization": f"Bearer {text}"}, raise_request_exception=False)


def trigger(client, **body):
    return client.post(TRIGGER, json.dumps(body), content_type="application/json")


@pytest.fixture
def agent(db):
    return create_agent(agent_id="alpha", author=AUTHOR)


@pytest.fixture
def alpha(agent):
    return caller("alpha")


def with_traces(agent, count):
    record_batch(agent=agent, traces=[{"execution_time": 1, "success": True}] * count)
    assert ExecutionTrace.objects.count() == count


def test_a_run_is_queued_with_its_place(alpha, agent):
    with_traces(agent, 10)
    answer = trigger(alpha, agent_id="alpha")
    run = EvolutionRun.objects.get()
    assert answer.status_code == 202
    assert answer.json() == {"enqueued": True, "position": 1, "run_id": run.pk}
    assert (run.trigger, run.requested_by) == (Trigger.API, "agent:alpha")


def test_with_too_few_traces_there_is_no_run_and_a_reason(alpha, agent):
    with_traces(agent, 9)
    answer = trigger(alpha, agent_id="alpha")
    assert (answer.status_code, answer.json()["enqueued"]) == (200, False)
    assert "1 more trace" in answer.json()["reason"]
    assert not EvolutionRun.objects.exists()


def test_force_makes_a_run_without_enough_traces(alpha):
    assert trigger(alpha, agent_id="alpha", force=True).status_code == 202


def test_a_run_under_way_is_returned_not_doubled(alpha):
    first = trigger(alpha, agent_id="alpha", force=True).json()
    assert trigger(alpha, agent_id="alpha", force=True).json()["run_id"] == first["run_id"]
    assert EvolutionRun.objects.count() == 1


def test_a_full_queue_says_when_to_come_back(alpha, settings):
    settings.ACE_WORKER_QUEUE_SIZE = 1
    create_agent(agent_id="beta", author=AUTHOR)
    assert trigger(caller("beta"), agent_id="beta", force=True).status_code == 202
    full = trigger(alpha, agent_id="alpha", force=True)
    assert full.status_code == 429
    assert int(full["Retry-After"]) > 0


def test_another_agent_can_neither_be_triggered_nor_watched(alpha):
    create_agent(agent_id="beta", author=AUTHOR)
    assert trigger(alpha, agent_id="beta", force=True).status_code == 404
    assert alpha.get("/api/v1/evolution/status/beta").status_code == 404
    assert not EvolutionRun.objects.exists()


def test_each_needs_its_scope(agent):
    limited = caller("alpha", "traces:write")
    assert trigger(limited, agent_id="alpha").status_code == 403
    assert limited.get("/api/v1/evolution/status/alpha").status_code == 403


def test_without_a_token_there_is_nothing(db):
    assert trigger(Client(), agent_id="alpha").status_code == 401
    assert Client().get("/api/v1/evolution/status/alpha").status_code == 401


def test_wrong_methods_are_refused(alpha):
    assert alpha.get(TRIGGER).status_code == 405
    assert alpha.delete("/api/v1/evolution/status/alpha").status_code == 405


@pytest.mark.parametrize("body", [{}, {"agent_id": 7}, {"agent_id": "alpha", "force": "yes"}])
def test_bad_input_is_a_400(alpha, body):
    assert trigger(alpha, **body).status_code == 400


def test_the_status_counts_what_came_since_the_last_run(alpha, agent):
    with_traces(agent, 3)
    found = alpha.get("/internal/context/evolution/status/alpha").json()
    assert found == {
        "agent_id": "alpha",
        "last_evolution": None,
        "pending_traces": 3,
        "deltas_generated": 0,
        "deltas_applied": 0,
        "total_cost": 0.0,
        "unpriced_calls": 0,
        "status": "idle",
    }
    trigger(alpha, agent_id="alpha", force=True)
    assert alpha.get("/api/v1/evolution/status/alpha").json()["status"] == "processing"
