"""What an agent may send without end is read in part."""

from datetime import timedelta

import pytest
from django.utils import timezone

from evolution import reflector
from evolution import services as evolution
from evolution.models import Origin, Trigger
from evolution.services.traces import record_batch
from playbooks import actors, services
from playbooks.models import Agent, Delta, DeltaStatus, Mode, Source
from playbooks.services import waivers

pytestmark = pytest.mark.django_db


def test_of_deltas_that_wait_without_number_the_newest_are_read(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent: Agent = services.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    Delta.objects.bulk_create(
        Delta(
            playbook=agent.playbook,
            base_version=1,
            confidence=0.5,
            raw_confidence=0.5,
            source=Source.AGENT,
            author="agent:bot",
            status=DeltaStatus.PENDING_REVIEW,
            operations=[{"op": "add", "section": "s", "text": f"Lesson {n}."}],
            created_at=agent.created_at,
        )
        for n in range(30)
    )
    monkeypatch.setattr(reflector, "MOST_WAITING", 10)
    assert list(reflector._standing(agent)) == [f"Lesson {n}." for n in range(29, 19, -1)]


def test_a_trace_from_outside_gives_the_agent_no_tool() -> None:
    agent: Agent = services.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    known = {"success": True, "execution_time": 1.0}
    own = [known | {"trace_id": "own", "steps": [{"tool": "pay", "arguments": {}}]}]
    outside = [known | {"trace_id": "out", "steps": [{"tool": "grant_admin", "arguments": {}}]}]
    record_batch(agent=agent, traces=outside, origin=Origin.IMPORTED)
    assert _tools_of_a_run(agent) == ["grant_admin"]
    record_batch(agent=agent, traces=own)
    assert _tools_of_a_run(agent) == ["pay"]


def _tools_of_a_run(agent: Agent) -> list[str]:
    asked = {"trigger": Trigger.COMMAND, "requested_by": "test", "force": True}
    run = evolution.start_run(agent=agent, **asked).run
    return evolution.run_in_foreground(run=run, progress=lambda _: None).report["tools"]


def test_a_waiver_frees_a_flood_in_portions_and_all_of_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(waivers, "FREED_AT_ONCE", 4)
    agent: Agent = services.create_agent(agent_id="bot", author=actors.AUTOMATIC, mode=Mode.AUTO)
    for number in range(10):
        services.propose_delta(
            agent=agent,
            operations=[{"op": "add", "section": "s", "text": f"Look {number} times, then ask."}],
            confidence=0.1,
            source=Source.AGENT,
            author=actors.agent("bot"),
        )
    until = timezone.now() + timedelta(days=1)
    ann = actors.person("ann", 1)
    services.waive_verdict(agent=agent, judge="confidence", reason="r", until=until, by=ann)
    applied = Delta.objects.filter(status=DeltaStatus.APPLIED)
    assert applied.count() == 4
    for count in (8, 10, 10):
        waivers.free_what_waits_still()
        assert applied.count() == count


def test_what_a_waiver_did_not_reach_before_it_ended_stays_blocked(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waivers, "FREED_AT_ONCE", 1)
    agent: Agent = services.create_agent(agent_id="bot", author=actors.AUTOMATIC, mode=Mode.AUTO)
    for number in range(3):
        services.propose_delta(
            agent=agent,
            operations=[{"op": "add", "section": "s", "text": f"Look {number} times, then ask."}],
            confidence=0.1,
            source=Source.AGENT,
            author=actors.agent("bot"),
        )
    until = timezone.now() + timedelta(days=1)
    ann = actors.person("ann", 1)
    given = services.waive_verdict(agent=agent, judge="confidence", reason="r", until=until, by=ann)
    services.end_waiver(waiver=given, by=ann)
    waivers.free_what_waits_still()
    assert Delta.objects.filter(status=DeltaStatus.APPLIED).count() == 1
