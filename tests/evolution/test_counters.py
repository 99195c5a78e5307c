"""Counters per bullet: each trace once, for what it named or what became of that."""

from typing import Any

import pytest

from evolution import counters
from evolution.counters import recent_uses, update_counters
from evolution.services.traces import record_batch
from playbooks import actors
from playbooks import services as playbooks
from playbooks.content import bullet_id
from playbooks.models import Agent, Bullet, Source
from playbooks.selectors import agent_by_id, head

pytestmark = pytest.mark.django_db
PERSON = actors.person("olga")
LOOK, PAY = "Look first.", "Pay last, after all else is done."
NAMES = {text: bullet_id("strategies", text) for text in (LOOK, PAY)}


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    agent = agent_by_id("bot")
    change(agent, *({"op": "add", "section": "strategies", "text": text} for text in NAMES))
    return agent


def change(agent: Agent, *operations: dict[str, Any]) -> None:
    outcome = playbooks.propose_delta(
        agent=agent,
        operations=list(operations),
        confidence=1.0,
        source=Source.OPERATOR,
        author=PERSON,
    )
    playbooks.approve_delta(delta=outcome.delta, by=PERSON, reason="")
    agent.playbook.refresh_from_db()


def trace(number: int, bullets: list[str] | None, *, success: bool = True) -> dict[str, Any]:
    named = {} if bullets is None else {"bullets": bullets}
    return {
        "trace_id": f"t-{number}",
        "task_id": f"task-{number}",
        "execution_time": 1.0,
        "success": success,
        "playbook_version": 2,
        "steps": [{"tool": "look", "arguments": {}}],
        **named,
    }


def counts(agent: Agent, name: str) -> tuple[int, int, int]:
    row = Bullet.objects.get(playbook=agent.playbook, bullet_id=name)
    return row.used, row.helped, row.harmed


def test_uses_are_counted_with_how_the_runs_ended(agent) -> None:
    both = [NAMES[LOOK], NAMES[PAY]]
    traces = [
        trace(1, both),
        trace(2, [NAMES[LOOK]], success=False),
        trace(3, [NAMES[LOOK], NAMES[LOOK], "strategies-0000000000000000"]),
        trace(4, []),
        trace(5, None),
    ]
    record_batch(agent=agent, traces=traces)
    assert update_counters(agent) == 5
    assert counts(agent, NAMES[LOOK]) == (3, 2, 1)
    assert counts(agent, NAMES[PAY]) == (1, 1, 0)


def test_no_trace_counts_twice(agent) -> None:
    record_batch(agent=agent, traces=[trace(1, [NAMES[LOOK]])])
    update_counters(agent)
    record_batch(agent=agent, traces=[trace(1, [NAMES[LOOK]]), trace(2, [NAMES[LOOK]])])
    assert update_counters(agent) == 1
    assert update_counters(agent) == 0
    assert counts(agent, NAMES[LOOK]) == (2, 2, 0)


def test_counting_in_several_goes_comes_to_the_same(agent, monkeypatch) -> None:
    monkeypatch.setattr("evolution.counters.AT_ONCE", 3)
    record_batch(agent=agent, traces=[trace(n, [NAMES[LOOK]], success=n < 6) for n in range(10)])
    assert update_counters(agent) == 10
    assert counts(agent, NAMES[LOOK]) == (10, 6, 4)


def test_a_reworded_bullet_keeps_what_its_old_name_earned_and_earns(agent) -> None:
    record_batch(agent=agent, traces=[trace(1, [NAMES[LOOK]])])
    update_counters(agent)
    new = "Look first, always."
    change(agent, {"op": "update", "bullet_id": NAMES[LOOK], "text": new})
    name = bullet_id("strategies", new)
    record_batch(agent=agent, traces=[trace(2, [NAMES[LOOK]], success=False), trace(3, [name])])
    update_counters(agent)
    update_counters(agent)
    assert counts(agent, name) == (3, 2, 1)


def test_a_run_that_used_two_bullets_that_became_one_used_that_one_once(agent) -> None:
    both = [NAMES[LOOK], NAMES[PAY]]
    record_batch(agent=agent, traces=[trace(1, both), trace(2, [NAMES[PAY]], success=False)])
    update_counters(agent)
    change(agent, {"op": "merge", "bullet_ids": both, "text": LOOK})
    record_batch(agent=agent, traces=[trace(3, both), trace(4, [NAMES[PAY]])])
    update_counters(agent)
    assert counts(agent, NAMES[LOOK]) == (4, 3, 1)


def test_the_ids_of_an_imported_file_stand_for_its_bullets(agent) -> None:
    content = head(agent.playbook).content
    given = {"strategies": [{"id": "shr-00001"}, {"id": "shr-00002"}]}
    playbooks.import_playbook(
        agent=agent, content=content, author=PERSON, reason="ids", aliases=given
    )
    record_batch(agent=agent, traces=[trace(1, ["shr-00002"])])
    update_counters(agent)
    assert counts(agent, NAMES[PAY]) == (1, 1, 0)


def test_recent_uses_are_read_for_the_bullets_that_stand_now(agent) -> None:
    record_batch(
        agent=agent,
        traces=[
            trace(1, [NAMES[LOOK]]) | {"metadata": {"task_type": "buy"}},
            trace(2, [NAMES[PAY], NAMES[LOOK]], success=False),
            trace(3, None),
        ],
    )
    found = recent_uses(agent, head(agent.playbook).content, 100)
    assert found.names == (NAMES[LOOK], NAMES[PAY])
    assert sorted(map(tuple, found.uses.tolist())) == [(True, False), (True, True)]
    assert sorted(found.kinds) == ["", "buy"]
    assert found.success.sum() == 1


def test_what_may_still_be_overtaken_by_an_open_transaction_waits(agent, monkeypatch) -> None:
    record_batch(agent=agent, traces=[trace(1, [NAMES[LOOK]])])
    began = counters._NEWEST.replace("min(xact_start)", "coalesce(min(xact_start), now())")
    monkeypatch.setattr(counters, "_NEWEST", began)
    assert update_counters(agent) == 0
    monkeypatch.undo()
    assert update_counters(agent) == 1
