"""Recording traces."""

import pytest

from ace_project.core.errors import InvalidInput, NotFound
from evolution.ingest import RecordedTrace, row_of
from evolution.models import ExecutionTrace, Origin
from evolution.services import record_batch, record_rows, record_trace
from evolution.services import traces as module
from evolution.services.traces import Kept
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent
from playbooks.services import create_agent

AUTHOR = Actor(ActorKind.SERVICE, "test")


@pytest.fixture
def agent(db) -> Agent:
    return create_agent(agent_id="alpha", author=AUTHOR)


def row(name, **fields):
    body = {"agent_id": "alpha", "trace_id": name, "success": True, **fields}
    shape = RecordedTrace.model_validate(body)
    return row_of(shape, now=module.timezone.now(), new_id=module.new_trace_id)


def test_a_trace_of_an_agent_that_is_not_there_is_not_kept(db):
    with pytest.raises(NotFound):
        record_trace(agent_id="nobody", row=row("t"))
    assert record_rows(rows={"nobody": [row("t")]}) == Kept(0, frozenset({"nobody"}))
    assert not ExecutionTrace.objects.exists()


def test_a_trace_says_whether_it_was_new(agent):
    first = record_trace(agent_id="alpha", row=row("t"))
    again = record_trace(agent_id="alpha", row=row("t"))
    assert (first.new, again.new) == (True, False)
    assert first.captured_at == again.captured_at


def test_a_batch_counts_what_is_new_and_keeps_what_was_first(agent):
    assert record_rows(rows={"alpha": [row("a", task_id="1"), row("a", task_id="2")]}).new == 1
    assert record_rows(rows={"alpha": [row("a", task_id="3"), row("b")]}).new == 1
    assert record_rows(rows={"alpha": [row("a"), row("b")]}).new == 0
    assert ExecutionTrace.objects.get(trace_id="a").task_id == "1"


def test_rows_of_a_batch_keep_their_order(agent):
    names = ["z", "a", "m"]
    record_rows(rows={"alpha": [row(name) for name in names]})
    assert list(ExecutionTrace.objects.order_by("id").values_list("trace_id", flat=True)) == names


def test_a_batch_that_loses_a_race_brings_in_the_rest(agent):
    record_rows(rows={"alpha": [row("a", task_id="first")]})
    # Without a look it is as if the other batch had committed just after ours.
    kept = record_rows(rows={"alpha": [row("b"), row("a")]}, named=False)
    assert kept.new == 1
    assert ExecutionTrace.objects.get(trace_id="a").task_id == "first"


def test_bodies_are_checked_before_anything_is_kept(agent):
    bodies = [{"success": True, "steps": [{"tool": "t", "arguments": {}}]}, {"success": 1}]
    with pytest.raises(InvalidInput):
        record_batch(agent=agent, traces=bodies)
    assert not ExecutionTrace.objects.exists()
    assert record_batch(agent=agent, traces=bodies[:1], origin=Origin.WORKSHOP) == 1
    assert ExecutionTrace.objects.get().origin == Origin.WORKSHOP
