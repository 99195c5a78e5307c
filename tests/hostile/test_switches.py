"""The kill switch, the one probe, erasure and renewal, at the moments that suit nobody."""

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.db import transaction

from ace_project.core.work import queue
from ace_project.core.work.leases import HandedBack, JobStatus
from evolution import llm_generator, pauses, tasks
from evolution import services as evolution
from evolution.ledger import TooBusy
from evolution.llm import breaker, calls, dialects, gateway
from evolution.llm.gateway import ModelUnavailable, Pace, Question
from evolution.models import (
    CallState,
    CircuitBreaker,
    Deliberation,
    EvolutionRun,
    Generator,
    LlmCall,
    LlmExchange,
    Trigger,
)
from evolution.reflect import Reflection
from playbooks import actors, services
from playbooks.content import bullet_id
from playbooks.judges import SafetyContext
from playbooks.models import Agent, DeltaStatus, Mode, Source
from playbooks.selectors import agent_by_id
from tests.endpoint import Endpoint, answer, refusal

pytestmark = pytest.mark.django_db
ANN = actors.person("ann", 1)
MODEL = "test-model"
NOTHING = Reflection((), (), (), (), {})


@pytest.fixture
def agent() -> Agent:
    content = {"strategies": ["Look before you leap.", "Ask twice."]}
    services.create_agent(
        agent_id="bot", author=actors.AUTOMATIC, initial_context=content, mode=Mode.AUTO
    )
    return agent_by_id("bot")


@pytest.fixture
def endpoint(settings: Any) -> Iterator[Endpoint]:
    dialects.forget()
    with Endpoint() as found:
        settings.ACE_LLM_BASE_URL, settings.ACE_LLM_API_KEY = found.base_url, "sk-of-the-tests"
        settings.ACE_LLM_MODEL = MODEL
        settings.ACE_LLM_FALLBACK_MODELS = []
        yield found
    dialects.forget()


def pull(agent: Agent, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pause the agent as soon as the first answer came."""
    ask = gateway.ask

    def ask_then_pause(*args: Any, **options: Any) -> gateway.Answer:
        found = ask(*args, **options)
        evolution.pause_evolution(agent=agent, by=ANN)
        return found

    monkeypatch.setattr(gateway, "ask", ask_then_pause)


# ---- the kill switch ----
def test_no_repair_is_asked_for_after_a_pause(agent, endpoint, monkeypatch) -> None:
    endpoint.play([answer("no JSON at all")])
    EvolutionRun.objects.create(
        agent=agent, trigger=Trigger.API, generator=Generator.LLM, requested_by="test"
    )
    run = queue.claim_next(EvolutionRun)
    assert run is not None
    pull(agent, monkeypatch)
    with pytest.raises(HandedBack):
        llm_generator.generate(run, [], NOTHING, {"strategies": []})
    run.refresh_from_db()
    assert run.status == JobStatus.QUEUED
    assert len(endpoint.log) == 1
    assert LlmCall.objects.get().state == CallState.SETTLED


def waiting_delta(agent: Agent) -> None:
    services.propose_delta(
        agent=agent,
        operations=[{"op": "remove", "bullet_id": bullet_id("strategies", "Ask twice.")}],
        confidence=0.9,
        source=Source.AGENT,
        author=actors.agent("bot"),
    )


def test_no_repair_of_the_council_is_asked_for_after_a_pause(agent, endpoint, monkeypatch) -> None:
    endpoint.play([answer("no JSON at all")])
    waiting_delta(agent)
    pull(agent, monkeypatch)
    tasks.run_council.fn(0)
    job = Deliberation.objects.get()
    assert (job.status, job.attempts) == (JobStatus.QUEUED, 0)
    assert len(endpoint.log) == 1


def test_the_council_calls_nobody_when_the_pause_came_after_the_claim(agent, endpoint) -> None:
    waiting_delta(agent)
    job = queue.claim_next(Deliberation)
    assert job is not None
    evolution.pause_evolution(agent=None, by=ANN)
    with pytest.raises(HandedBack):
        tasks.council.carry_out(job)
    assert endpoint.log == []
    assert Deliberation.objects.get().status == JobStatus.QUEUED
    evolution.resume_evolution(agent=None, by=ANN)
    assert not pauses.is_paused(agent)


# ---- the breaker's one probe ----
def test_who_waits_for_a_place_holds_no_probe(agent, endpoint, settings, monkeypatch) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD, settings.ACE_CB_RECOVERY_TIMEOUT = 1, 0.01
    endpoint.play([refusal(401), answer("fine")])
    question = Question(
        messages=[{"role": "user", "content": "Say ok."}], schema=None, purpose="test", max_tokens=9
    )
    with pytest.raises(ModelUnavailable):
        gateway.ask(question, agent=agent)
    while breaker.state(endpoint.base_url, MODEL) != "half_open":
        pass
    reserve, held = calls.ledger.reserve, []

    def full_once(**wanted: Any) -> LlmCall:
        if not held:
            raise TooBusy("as many calls are under way as may", retry_after=1.0)
        return reserve(**wanted)

    def sleep(_: float) -> None:
        held.append(CircuitBreaker.objects.get().probe_until)

    monkeypatch.setattr(calls.ledger, "reserve", full_once)
    assert gateway.ask(question, agent=agent, pace=Pace(sleep=sleep)).text == "fine"
    assert held == [None]
    assert breaker.state(endpoint.base_url, MODEL) == "closed"


# ---- erasure ----
@pytest.mark.django_db(transaction=True)
def test_an_agent_erased_while_the_model_speaks_leaves_money_and_no_texts(
    agent, endpoint, monkeypatch
) -> None:
    send = calls._send

    def send_and_erase(*given: Any) -> Any:
        said = send(*given)
        services.delete_agent(agent=agent_by_id("bot"), author=ANN)
        return said

    monkeypatch.setattr(calls, "_send", send_and_erase)
    question = Question(
        messages=[{"role": "user", "content": "Say ok."}], schema=None, purpose="test", max_tokens=9
    )
    assert gateway.ask(question, agent=agent).text == "ok"
    call = LlmCall.objects.get()
    assert (call.state, call.agent_id) == (CallState.SETTLED, None)
    assert call.agent_number and call.charged_usd is not None
    assert not LlmExchange.objects.exists()


# ---- renewal ----
def test_a_name_that_became_private_is_seen_when_a_delta_is_renewed(agent) -> None:
    lesson = "After error no account for Jane Roe from pay, call check before trying pay again."
    evidence = {
        "kind": "statistical",
        "counts": {"followed": [300, 400], "not_followed": [50, 200]},
        "between": {"groups": 340},
        "within": {"groups": 40},
        "for": ["a", "b", "c"],
        "against": [],
        "q_value": 0.0001,
    }
    told = {"confidence": 0.95, "reasoning": "Measured.", "evidence": evidence}
    delta = services.propose_delta(
        agent=agent,
        operations=[{"op": "add", "section": "strategies", "text": lesson}],
        source=Source.STATISTICAL,
        author=actors.AUTOMATIC,
        may_apply=False,
        **told,
    ).delta
    assert delta.status == DeltaStatus.PENDING_REVIEW, json.dumps(delta.verdicts)
    known = SafetyContext(names=("Jane Roe",))
    renewed = services.renew_delta(delta=delta, run_id=1, may_apply=True, safety=known, **told)
    assert renewed.status == DeltaStatus.REJECTED
    assert "name" in renewed.decision_reason


# ---- what is shown outside, and what a transaction would take back ----
@pytest.mark.django_db(transaction=True)
def test_inside_a_transaction_nothing_is_sent(agent, endpoint) -> None:
    question = Question(
        messages=[{"role": "user", "content": "Say ok."}], schema=None, purpose="test", max_tokens=9
    )
    with pytest.raises(RuntimeError, match="durable"), transaction.atomic():
        gateway.ask(question, agent=agent)
    assert endpoint.log == []
    assert not LlmCall.objects.exists()


def test_a_key_that_an_endpoint_repeats_is_nowhere(agent, endpoint, client) -> None:
    key = "sk-of-the-tests"
    endpoint.play([refusal(401, f"the key {key} is not valid")])
    question = Question(
        messages=[{"role": "user", "content": "Say ok."}], schema=None, purpose="test", max_tokens=9
    )
    with pytest.raises(ModelUnavailable) as caught:
        gateway.ask(question, agent=agent)
    call = LlmCall.objects.get()
    shown = [client.get(url).content.decode() for url in ("/metrics", "/healthz", "/readyz")]
    rows = [call.error, call.exchange.answer, CircuitBreaker.objects.get().last_error]
    notes = [entry.note for entry in call.ledger_entries.all()]
    assert key not in "\n".join([*shown, *rows, *notes, str(caught.value)])
