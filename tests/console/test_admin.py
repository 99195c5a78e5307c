"""Django admin: every row can be read, none of the history changed, no list asks per row."""

from decimal import Decimal
from typing import Any

import pytest
from django.apps import apps
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from ace_project.core import tokens
from ace_project.core.admin import InspectOnly
from ace_project.core.models import IdempotencyKey, WorkerBeat
from evolution import ledger
from evolution.llm import breaker
from evolution.llm.breaker import Permit
from evolution.models import Deliberation, EvolutionRun, ExecutionTrace, LlmExchange, Pace, Pause
from playbooks import actors, selectors, services
from playbooks.models import Agent, Source, Waiver
from training.models import (
    Comparison,
    Evaluation,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingJob,
    TrainingState,
    TrainingTask,
    Trajectory,
)

OURS = [
    m
    for app in ("core", "playbooks", "evolution", "training")
    for m in apps.get_app_config(app).get_models()
]
HOSTILE = "<script>alert(1)</script>"


@pytest.fixture
def inspector(client: Client, db: None) -> Client:
    """Return a client signed in as a superuser."""
    user = get_user_model().objects.create_superuser("ruth", password="x")
    client.force_login(user)
    return client


def fill(number: int) -> None:
    """Make one row or more of every model."""
    by = actors.person("ann")
    agent = services.create_agent(
        agent_id=f"bot-{number}", name=HOSTILE, author=by, initial_context={"s": [HOSTILE]}
    )
    agent = selectors.agent_by_id(agent.agent_id)
    add = {"op": "add", "section": "s", "text": f"Look twice {number}."}
    outcome = services.propose_delta(
        agent=agent,
        operations=[add],
        confidence=0.9,
        source=Source.OPERATOR,
        author=by,
        reasoning="why",
        may_apply=False,
    )
    services.approve_delta(delta=outcome.delta, by=actors.person("bob"))
    ExecutionTrace.objects.create(
        agent=agent, trace_id=f"t-{number}", success=True, captured_at=timezone.now(), steps=[{}]
    )
    EvolutionRun.objects.create(agent=agent, trigger="operator", requested_by="person:ann")
    Pause.objects.create(agent=agent, reason=HOSTILE, paused_by="person:ann")
    Waiver.objects.create(
        agent=agent, delta=outcome.delta, judge="evidence", reason=HOSTILE,
        waived_by="person:ann", expires_at=timezone.now(),
    )  # fmt: skip
    services.comment_on_delta(delta=outcome.delta, text=HOSTILE, by=actors.person("ann"))
    Deliberation.objects.create(delta=outcome.delta, error=HOSTILE)
    Pace.objects.update_or_create(defaults={"level_seconds": 0.0, "filled_at": timezone.now()})
    Comparison.objects.create(
        agent=agent, before=1, after=2, first_task=0, total=1, requested_by="person:ann"
    )
    train(agent)
    call_a_model(agent)
    tokens.issue(agent.agent_id)
    IdempotencyKey.objects.create(token="t", key=f"k{number}", body_hash="", status=200)
    WorkerBeat.objects.create(name=f"worker-{number}")


def train(agent: Agent) -> None:
    """Make a training job with one row of each kind."""
    job = TrainingJob.objects.create(
        agent=agent, title=HOSTILE, requested_by="person:ann", config={}, runtime={},
        policy="context", base_version=1,
    )  # fmt: skip
    TrainingTask.objects.create(job=job, split="train", number=0, query=HOSTILE)
    TrainingState.objects.create(job=job, iteration=0, state=b"")
    TrainingIteration.objects.create(job=job, number=1, seconds=1.0)
    PolicyCheckpoint.objects.create(job=job, iteration=1, sha256="0" * 64, size=0)
    Evaluation.objects.create(job=job, kind="baseline", iteration=0, tasks=1)
    Trajectory.objects.create(
        job=job, iteration=1, task=0, trial=0, outcome="broken", error=HOSTILE
    )


def call_a_model(agent: Agent) -> None:
    """Make a call that ends badly and passes a threshold of the agent's budget."""
    agent.overrides = {"ACE_MONTHLY_BUDGET_USD": 1.0}
    agent.save(update_fields=["overrides"])
    call = ledger.reserve(
        run=None,
        agent=agent,
        purpose="generate",
        endpoint="http://llm",
        model=f"model-{agent.pk}",
        usd=Decimal("0.6"),
        tokens=10,
        seconds=1.0,
    )
    LlmExchange.objects.create(
        call=call, agent=agent, messages=[{"role": "user", "content": HOSTILE}], answer=HOSTILE
    )
    ledger.settle_worst_case(call=call, error=HOSTILE)
    breaker.failed(Permit("http://llm", call.model), HOSTILE)


def list_url(model: Any) -> str:
    return reverse(f"admin:{model._meta.app_label}_{model._meta.model_name}_changelist")


def test_every_model_is_in_the_admin() -> None:
    assert [m for m in OURS if m not in admin.site._registry] == []


@pytest.mark.parametrize("model", OURS)
def test_a_list_and_a_row_can_be_read_and_escape_what_others_wrote(
    inspector: Client, model: Any
) -> None:
    fill(1)
    listed = inspector.get(list_url(model))
    row = model._default_manager.first()
    name = f"admin:{model._meta.app_label}_{model._meta.model_name}_change"
    shown = inspector.get(reverse(name, args=[row.pk]))
    assert (listed.status_code, shown.status_code) == (200, 200)
    assert HOSTILE not in listed.content.decode() + shown.content.decode()


@pytest.mark.parametrize("model", OURS)
def test_no_row_can_be_added_changed_or_deleted(inspector: Client, model: Any) -> None:
    fill(1)
    assert isinstance(admin.site._registry[model], InspectOnly)
    row = model._default_manager.first()
    base = f"admin:{model._meta.app_label}_{model._meta.model_name}"
    assert inspector.post(reverse(f"{base}_add")).status_code == 403
    assert inspector.post(reverse(f"{base}_change", args=[row.pk]), {}).status_code == 403
    assert (
        inspector.post(reverse(f"{base}_delete", args=[row.pk]), {"post": "yes"}).status_code == 403
    )
    assert model._default_manager.filter(pk=row.pk).exists()


@pytest.mark.parametrize("model", OURS)
def test_a_list_asks_the_same_few_queries_however_many_rows_it_has(
    inspector: Client, model: Any
) -> None:
    fill(1)
    inspector.get(list_url(model))
    with CaptureQueriesContext(connection) as few:
        inspector.get(list_url(model))
    for number in (2, 3, 4):
        fill(number)
    with CaptureQueriesContext(connection) as many:
        inspector.get(list_url(model))
    assert len(many) == len(few)


def test_lists_leave_large_columns_in_the_database(inspector: Client) -> None:
    fill(1)
    with CaptureQueriesContext(connection) as queries:
        inspector.get(list_url(ExecutionTrace))
    assert not any('"steps"' in query["sql"] for query in queries)


def test_people_who_are_not_staff_are_sent_to_the_sign_in(client: Client, db: None) -> None:
    user = get_user_model().objects.create_user("vic", password="x")
    client.force_login(user)
    assert client.get(reverse("admin:index")).status_code == 302


def test_people_can_be_added_and_changed(inspector: Client) -> None:
    url = reverse("admin:auth_user_add")
    fields = {"username": "new", "password1": "long enough 4 me", "password2": "long enough 4 me"}
    assert inspector.get(url).status_code == 200
    made = inspector.post(url, {**fields, "usable_password": "true"})
    assert made.status_code == 302
    user = get_user_model().objects.get(username="new")
    assert inspector.get(reverse("admin:auth_user_change", args=[user.pk])).status_code == 200
