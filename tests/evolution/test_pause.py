"""The kill switch: nothing starts, nothing is claimed, what runs stops after its stage."""

from io import StringIO
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.management import CommandError, call_command
from django.db import transaction

from ace_project.core.errors import Unavailable
from ace_project.core.work import leases, queue
from ace_project.core.work.leases import HandedBack, JobStatus
from evolution import pauses, pipeline, selectors, services, tasks
from evolution.models import Deliberation, EvolutionRun, Generator, Pause, Trigger
from evolution.services import runs
from playbooks import actors, audit
from playbooks import services as playbooks
from playbooks.models import Agent, AuditEvent, Delta, Source
from tests.callers import Caller

pytestmark = pytest.mark.django_db

ANN = actors.person("ann", 1)
SCRIPT = [{"operations": [{"op": "add", "section": "s", "text": "Go."}], "confidence": 0.9}]


@pytest.fixture
def agent() -> Agent:
    """Return an agent."""
    return playbooks.create_agent(agent_id="bot", author=ANN)


@pytest.fixture
def other() -> Agent:
    """Return another agent."""
    return playbooks.create_agent(agent_id="other", author=ANN)


def start(agent: Agent) -> EvolutionRun:
    started = services.start_run(
        agent=agent,
        trigger=Trigger.API,
        requested_by="test",
        force=True,
        generator=Generator.SCRIPTED,
        script=SCRIPT,
    )
    assert started.run is not None
    return started.run


def pause(agent: Agent | None, reason: str = "") -> Pause:
    return services.pause_evolution(agent=agent, by=ANN, reason=reason)


def resume(agent: Agent | None) -> bool:
    return services.resume_evolution(agent=agent, by=ANN)


def events(chain: str) -> list[tuple[str, str, str]]:
    rows = AuditEvent.objects.filter(chain=chain, event__startswith="evolution_")
    return [(row.event, row.actor, row.subject) for row in rows.order_by("number")]


# ---- what waits ----
def test_a_paused_agents_run_is_neither_offered_nor_claimed(agent, other) -> None:
    held, free = start(agent), start(other)
    pause(agent)
    assert leases.claim(EvolutionRun, held.pk) is None
    assert queue.offer(EvolutionRun, 10) == [free.pk]
    assert queue.position(free) == 1
    taken = queue.claim_next(EvolutionRun)
    assert taken is not None
    assert taken.pk == free.pk
    assert queue.claim_next(EvolutionRun) is None


def test_the_claim_itself_checks_and_not_only_the_look_before_it(agent, monkeypatch) -> None:
    run = start(agent)
    real, looks = leases.claim, []

    def claim_after_a_pause(model: Any, pk: int) -> Any:
        looks.append(pk)
        pause(agent)
        return real(model, pk)

    monkeypatch.setattr(queue, "claim", claim_after_a_pause)
    assert queue.claim_next(EvolutionRun) is None
    assert looks == [run.pk]
    run.refresh_from_db()
    assert (run.status, run.attempts) == (JobStatus.QUEUED, 0)


def test_a_pause_of_all_holds_everybody_and_resuming_lets_them_go_at_once(agent, other) -> None:
    runs = [start(agent), start(other)]
    queue.offer(EvolutionRun, 10)
    pause(None)
    assert queue.claim_next(EvolutionRun) is None
    assert resume(None)
    # Offered a moment ago, but nobody could take them then.
    assert queue.offer(EvolutionRun, 10) == [run.pk for run in runs]


def test_an_agent_paused_by_itself_stays_so_when_all_are_resumed(agent, other) -> None:
    pause(agent)
    pause(None)
    resume(None)
    assert services.is_paused(agent)
    assert not services.is_paused(other)
    assert resume(agent)
    assert not services.is_paused(agent)


def test_a_run_whose_worker_died_is_not_taken_over_while_paused(agent) -> None:
    run = start(agent)
    leases.claim(EvolutionRun, run.pk)
    EvolutionRun.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00:00Z")
    pause(agent)
    assert leases.claim(EvolutionRun, run.pk) is None
    resume(agent)
    assert leases.claim(EvolutionRun, run.pk) is not None


def test_a_council_is_held_back_with_its_agent(agent, other) -> None:
    jobs = {}
    for owner in (agent, other):
        delta = playbooks.propose_delta(
            agent=owner,
            operations=SCRIPT[0]["operations"],
            confidence=0.8,
            source=Source.SCRIPTED,
            author=ANN,
            may_apply=False,
        ).delta
        jobs[owner.agent_id] = Deliberation.objects.create(delta=delta)
    pause(agent)
    assert leases.claim(Deliberation, jobs["bot"].pk) is None
    assert leases.claim(Deliberation, jobs["other"].pk) is not None
    pause(None)
    resume(agent)
    assert leases.claim(Deliberation, jobs["bot"].pk) is None
    resume(None)
    assert leases.claim(Deliberation, jobs["bot"].pk) is not None


# ---- what would start ----
def test_a_trigger_says_why_nothing_was_enqueued(agent) -> None:
    pause(None, "the budget is being reviewed")
    answer = Caller("bot").post("evolution/trigger", {"agent_id": "bot", "force": True})
    assert answer.status_code == 200
    reason = "evolution is paused for all agents: the budget is being reviewed"
    assert answer.json() == {"enqueued": False, "reason": reason}
    assert not EvolutionRun.objects.exists()


def test_a_run_under_way_is_not_returned_for_a_trigger_while_paused(agent) -> None:
    start(agent)
    pause(agent)
    started = services.start_run(agent=agent, trigger=Trigger.API, requested_by="test", force=True)
    assert (started.run, started.reason) == (None, "evolution is paused for this agent")


def test_due_runs_wait_for_the_end_of_the_pause(agent, settings) -> None:
    settings.ACE_MIN_TRACES_FOR_EVOLUTION = 1
    due = services.start_due_runs
    services.record_batch(agent=agent, traces=[{"execution_time": 1, "success": True}])
    pause(agent)
    due.next_look = 0.0
    due()
    assert not EvolutionRun.objects.exists()
    resume(agent)
    due.next_look = 0.0
    due()
    assert EvolutionRun.objects.get().trigger == Trigger.AUTOMATIC


def test_what_fell_due_long_before_the_pause_ended_starts_without_another_trace(
    agent, settings, monkeypatch
) -> None:
    settings.ACE_MIN_TRACES_FOR_EVOLUTION = 1
    look = runs._DueRuns()
    pause(None)
    services.record_batch(agent=agent, traces=[{"execution_time": 1, "success": True}])
    monkeypatch.setattr(runs, "_LATE_COMMITS", 0)
    look()
    look.next_look = 0.0
    look()
    assert look.seen > 0
    assert not EvolutionRun.objects.exists()
    resume(None)
    look.next_look = 0.0
    look()
    assert EvolutionRun.objects.count() == 1


def test_agents_that_found_the_queue_full_start_at_a_later_look(
    agent, other, settings, monkeypatch
) -> None:
    settings.ACE_MIN_TRACES_FOR_EVOLUTION = 1
    settings.ACE_WORKER_QUEUE_SIZE = 1
    monkeypatch.setattr(runs, "_LATE_COMMITS", 0)
    for owner in (agent, other):
        services.record_batch(agent=owner, traces=[{"execution_time": 1, "success": True}])
    look = runs._DueRuns()
    look()
    assert EvolutionRun.objects.count() == 1
    settings.ACE_WORKER_QUEUE_SIZE = 2
    look.next_look = 0.0
    look()
    assert EvolutionRun.objects.count() == 2


def test_an_agents_own_settings_decide_when_its_runs_are_due(agent, other) -> None:
    Agent.objects.filter(pk=agent.pk).update(overrides={"ACE_MIN_TRACES_FOR_EVOLUTION": 3})
    for owner in (agent, other):
        services.record_batch(agent=owner, traces=[{"execution_time": 1, "success": True}] * 3)
    assert selectors.due_agents() == [agent]
    assert selectors.due_agents(since=10**12) == []
    start(agent)
    assert selectors.due_agents() == []


# ---- what runs ----
def test_a_run_under_way_goes_back_to_the_queue_at_the_next_stage(agent, monkeypatch) -> None:
    run = start(agent)
    read = pipeline.delta_generator.from_script

    def read_and_pause(script: Any) -> Any:
        pause(agent)
        return read(script)

    monkeypatch.setattr(pipeline.delta_generator, "from_script", read_and_pause)
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts, run.lease_token) == (JobStatus.QUEUED, 0, None)
    assert not Delta.objects.exists()
    monkeypatch.undo()
    resume(agent)
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == (JobStatus.COMPLETED, 1)
    assert Delta.objects.count() == 1


def test_the_check_before_a_models_call_hands_the_run_back(agent) -> None:
    start(agent)
    run = queue.claim_next(EvolutionRun)
    assert run is not None
    pauses.stop_if_paused(run)
    assert run.status == JobStatus.RUNNING
    pause(None)
    with pytest.raises(HandedBack):
        pauses.stop_if_paused(run)
    assert EvolutionRun.objects.get().status == JobStatus.QUEUED


def test_in_the_foreground_a_pause_ends_the_wait_and_keeps_the_run(agent, monkeypatch) -> None:
    run = start(agent)
    read = pipeline.delta_generator.from_script
    monkeypatch.setattr(
        pipeline.delta_generator, "from_script", lambda script: (pause(None), read(script))[1]
    )
    with pytest.raises(Unavailable, match="paused for all agents"):
        services.run_in_foreground(run=run, progress=lambda _: None)
    run.refresh_from_db()
    assert run.status == JobStatus.QUEUED


# ---- who did it ----
def test_pausing_and_resuming_are_in_the_audit_log_once(agent) -> None:
    first = pause(agent, "why not")
    assert pause(agent, "again") == first
    assert resume(agent)
    assert not resume(agent)
    pause(None)
    expected = ("evolution_paused", "evolution_resumed")
    assert events("bot") == [(event, str(ANN), "bot") for event in expected]
    assert events(audit.SYSTEM) == [("evolution_paused", str(ANN), "all agents")]
    assert audit.verify_events("bot") is None
    data = [row.data for row in AuditEvent.objects.filter(chain="bot").order_by("number")][-2:]
    assert data[0] == {"reason": "why not"}
    assert data[1]["paused_by"] == str(ANN)


def test_an_erased_agent_takes_its_pause_along(agent) -> None:
    pause(agent)
    playbooks.delete_agent(agent=agent, author=ANN)
    assert not Pause.objects.exists()


def test_a_pause_that_is_taken_back_leaves_no_trace(agent) -> None:
    with pytest.raises(ZeroDivisionError), transaction.atomic():
        pause(agent)
        raise ZeroDivisionError
    assert not services.is_paused(agent)
    assert events("bot") == []


# ---- from a terminal ----
@pytest.fixture
def operator() -> None:
    """Let there be an operator to act as."""
    user = get_user_model().objects.create_user("olga", password="a long password 42")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])


def said(*arguments: str) -> str:
    out = StringIO()
    call_command(*arguments, stdout=out)
    return out.getvalue()


def test_the_commands_pause_and_resume_one_agent_and_all(agent, operator) -> None:
    assert "of bot is paused" in said("pause", "bot", "--reason", "holiday")
    assert Pause.objects.get().reason == "holiday"
    assert "of all agents is paused" in said("pause")
    assert said("resume") == "evolution goes on\n"
    assert said("resume", "bot") == "the evolution of bot goes on\n"
    assert said("resume", "bot") == "the evolution of bot was not paused\n"


def test_the_evolve_command_says_that_evolution_is_paused(agent, operator) -> None:
    said("pause")
    with pytest.raises(CommandError, match="evolution is paused for all agents"):
        call_command("evolve", "bot")
