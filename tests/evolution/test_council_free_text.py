"""A model's own words: they apply by a model's four passes or by a person, never by rules alone."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from ace_project.core.errors import InvalidInput
from ace_project.core.work.leases import JobStatus
from evolution import council
from evolution.models import Deliberation, EvolutionRun, LlmCall, Pause, Trigger
from evolution.services.traces import record_batch
from playbooks import actors, selectors, services
from playbooks.judges.council import AGREEMENT, MANDATES
from playbooks.models import Agent, Delta, DeltaStatus, Mode, Source
from tests.endpoint import answer, refusal
from tests.evolution.test_council_model import by_model, now, said, waits, work

pytestmark = pytest.mark.django_db

Proposer = Callable[..., Delta]


@pytest.fixture
def agent() -> Agent:
    services.create_agent(agent_id="bot", author=actors.AUTOMATIC, mode=Mode.AUTO)
    return selectors.agent_by_id("bot")


@pytest.fixture
def lesson(agent: Agent) -> Proposer:
    """Return a proposer of free text of a model that the rules pass, resting on three tasks."""
    names = ["t-0", "t-1", "t-2"]
    rows = [
        {"trace_id": name, "task_id": name, "execution_time": 1.0, "success": True}
        for name in names
    ]
    record_batch(agent=agent, traces=rows)

    def propose(**options: Any) -> Delta:
        text = options.pop("text", "Look at the date before you pay.")
        wanted = {
            "agent": agent,
            "operations": [{"op": "add", "section": "strategies", "text": text}],
            "confidence": 0.9,
            "source": Source.LLM,
            "author": actors.AUTOMATIC,
            "evidence": {"kind": "llm", "for": names, "against": [], "controlled": False},
        }
        return services.propose_delta(**(wanted | options)).delta

    return propose


def needs_agreement(delta: Delta) -> bool:
    found = now(delta)
    held = AGREEMENT in [v["reason"] for v in found.verdicts if v["outcome"] == "block"]
    return held and found.status == DeltaStatus.PENDING_REVIEW


def test_free_text_of_a_model_applies_when_a_model_passes_it(lesson, model) -> None:
    model(said("pass"))
    delta = lesson()
    assert waits(delta) and now(delta).status == DeltaStatus.PENDING_REVIEW
    work()
    assert now(delta).status == DeltaStatus.APPLIED


def test_without_a_model_free_text_waits_for_a_person(lesson) -> None:
    delta = lesson()
    assert needs_agreement(delta)
    assert services.approve_delta(delta=delta, by=actors.person("ann")).status == "applied"


@pytest.mark.parametrize("outcome", ["warn", "block", "abstain"])
@pytest.mark.parametrize("judge", list(MANDATES))
def test_free_text_needs_a_pass_of_every_judge(lesson, model, judge, outcome) -> None:
    model(said(outcome, judge=judge))
    delta = lesson()
    work()
    assert needs_agreement(delta) and by_model(delta)[judge] == outcome


@pytest.mark.parametrize(
    "reply", [answer("no idea"), refusal(400, "a policy", code="content_filter")]
)
def test_free_text_waits_for_a_person_where_no_model_was_heard(lesson, model, reply) -> None:
    model(reply)
    delta = lesson()
    work()
    assert needs_agreement(delta) and by_model(delta) == {"council_model": "block"}


def test_free_text_waits_for_a_person_where_the_budget_is_spent(lesson, model, settings) -> None:
    endpoint = model(said("pass"))
    settings.ACE_MONTHLY_BUDGET_USD = 0.0
    delta = lesson()
    work()
    assert needs_agreement(delta) and endpoint.log == []


@pytest.mark.parametrize("evidence", [{}, {"controlled": "yes"}, {"controlled": 1}])
def test_a_models_delta_that_does_not_say_how_it_is_worded_is_free_text(lesson, evidence) -> None:
    facts = {"kind": "llm", "for": ["t-0", "t-1", "t-2"], "against": []}
    assert needs_agreement(lesson(evidence=facts | evidence))


def test_a_models_controlled_sentence_needs_no_second_model(lesson) -> None:
    facts = {"kind": "llm", "for": ["t-0", "t-1", "t-2"], "against": [], "controlled": True}
    assert lesson(text="Before pay, call look.", evidence=facts).status == DeltaStatus.APPLIED


def test_no_waiver_lets_free_text_apply_itself(lesson, model, agent) -> None:
    model(said("block", judge="council_quality"))
    until = timezone.now() + timedelta(days=1)
    for judge in [*MANDATES, "council_model", "confidence", "evidence"]:
        services.waive_verdict(
            agent=agent, judge=judge, reason="r", until=until, by=actors.person("ann")
        )
    vetoed, doubted = lesson(), lesson(text="Look at the price before you pay.", confidence=0.1)
    unheard = lesson(text="Look at the fee before you pay.", evidence={"controlled": False})
    work()
    assert needs_agreement(vetoed) and needs_agreement(doubted) and needs_agreement(unheard)
    with pytest.raises(InvalidInput):
        services.waive_verdict(
            agent=agent, judge="council", reason="r", until=until, by=actors.person("ann")
        )


def test_what_a_run_brought_is_decided_when_its_command_ends(lesson, model, agent) -> None:
    model(said("pass"))
    run = EvolutionRun.objects.create(
        agent=agent, trigger=Trigger.COMMAND, requested_by="test", status=JobStatus.COMPLETED
    )
    first = lesson(run_id=run.pk)
    other = lesson(text="Look at the price before you pay.")
    council.hear_now(run, lambda _: None)
    run.refresh_from_db()
    assert (now(first).status, run.deltas_applied) == (DeltaStatus.APPLIED, 1)
    assert waits(other) and LlmCall.objects.get().run == run


def test_a_command_asks_a_model_that_is_away_once_and_leaves_it_to_a_person(
    lesson, model, agent
) -> None:
    model(said("pass"))
    run = EvolutionRun.objects.create(
        agent=agent, trigger=Trigger.COMMAND, requested_by="test", status=JobStatus.COMPLETED
    )
    delta = lesson(run_id=run.pk)
    unavailable = council.gateway.ModelUnavailable(("gpt-4o-mini: away",))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(council.gateway, "ask", lambda *_, **__: (_ for _ in ()).throw(unavailable))
        council.hear_now(run, lambda _: None)
    assert needs_agreement(delta)
    assert Deliberation.objects.get().reason == "no_model"


def test_a_command_leaves_what_a_pause_holds_back(lesson, model, agent) -> None:
    endpoint = model(said("pass"))
    run = EvolutionRun.objects.create(
        agent=agent, trigger=Trigger.COMMAND, requested_by="test", status=JobStatus.COMPLETED
    )
    delta = lesson(run_id=run.pk)
    Pause.objects.create(agent=agent, paused_by="person:ann")
    council.hear_now(run, lambda _: None)
    assert waits(delta) and endpoint.log == []
