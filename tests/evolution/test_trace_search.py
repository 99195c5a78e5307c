"""Finding traces: pages and counts that read stretch by stretch, and rows of before the index."""

from collections.abc import Callable, Iterator
from importlib import import_module
from typing import Any

import pytest
from django.apps import apps
from django.db import connection

from evolution import trace_search
from evolution.models import ExecutionTrace
from evolution.services.traces import record_batch
from evolution.trace_search import Wanted, count, ids_after, ids_before
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent(db: None) -> Agent:
    return services.create_agent(agent_id="airline", author=person("ann"))


@pytest.fixture
def record(agent: Agent) -> Callable[..., int]:
    """Return a recorder of one trace that returns its key."""

    def make(**fields: Any) -> int:
        record_batch(agent=agent, traces=[{"success": True} | fields])
        return ExecutionTrace.objects.latest("pk").pk

    return make


@pytest.fixture
def short_stretches(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Let a stretch begin with two traces, so that a few traces make many of them."""
    monkeypatch.setattr(trace_search, "FIRST_STRETCH", 2)
    yield


def test_pages_go_through_all_stretches_in_both_directions(
    record: Callable[..., int], short_stretches: None
) -> None:
    failed = [record(success=n % 5 != 0) for n in range(60)][::5]
    wanted = Wanted(success=False)
    first = ids_before(wanted, None, 4)
    assert first == failed[::-1][:4]
    assert ids_before(wanted, first[-1], 100) == failed[::-1][4:]
    assert ids_after(wanted, failed[0], 100) == failed[1:]
    assert ids_before(wanted, 10**18 - 1, 1) == failed[-1:]


def test_everything_is_listed_where_nothing_is_asked_for(
    record: Callable[..., int], short_stretches: None
) -> None:
    keys = [record() for _ in range(9)]
    assert ids_before(Wanted(), None, 100) == keys[::-1]
    assert ids_after(Wanted(), keys[3], 100) == keys[4:]


@pytest.mark.parametrize(
    ("words", "is_found"),
    [
        *[("timeout", True), ("time", True), ("TIMEOUT gateway", True), ("gateway fare", True)],
        *[("get_fare", True), ("refund", True), ("task-7", True), ("Task", True)],
        *[("imeout", False), ("timeout seat", False), ("customer", False), ("50%", False)],
        *[("' | '=xfea", False), ("\\", False)],
    ],
)
def test_words_are_looked_for_in_errors_tools_task_type_and_task(
    record: Callable[..., int], words: str, is_found: bool
) -> None:
    step = {"tool": "get_fare", "arguments": {"customer": 1}, "error": "Timeout at the gateway"}
    key = record(task_id="task-7", metadata={"task_type": "refund"}, steps=[step])
    assert ids_before(Wanted(words=words), None, 9) == ([key] if is_found else [])


def test_counts_are_of_the_newest_and_say_when_they_are_not_all(
    record: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for n in range(6):
        record(success=n < 4, metadata={"task_type": "old" if n < 4 else "new"})
    counted = count(Wanted(), 2)
    assert (counted.total, counted.is_all, counted.values["k"]) == (
        6,
        True,
        [("old", 4), ("new", 2)],
    )
    assert len(counted.newest) == 2
    monkeypatch.setattr(trace_search, "MOST_COUNTED", 3)
    counted = count(Wanted(), 2)
    assert (counted.total, counted.is_all, counted.values["k"]) == (
        3,
        False,
        [("new", 2), ("old", 1)],
    )


def test_erasing_an_agent_takes_what_its_traces_are_found_by(
    agent: Agent, record: Callable[..., int]
) -> None:
    record(error_message="zeppelin")
    services.delete_agent(agent=agent, author=person("ann"))
    assert ids_before(Wanted(words="zeppelin"), None, 9) == []
    assert count(Wanted(words="zeppelin"), 9).total == 0


def test_rows_of_before_the_index_are_given_the_terms_that_recording_gives(
    agent: Agent, record: Callable[..., int], monkeypatch: pytest.MonkeyPatch
) -> None:
    migration = import_module("evolution.migrations.0009_fill_trace_search")
    monkeypatch.setattr(migration, "BATCH", 2)
    steps = [
        {"tool": "pay", "arguments": {}, "error": "it's \\ broken"},
        {"tool": "x", "arguments": {}},
    ]
    for n in range(5):
        record(success=n > 2, steps=steps, task_id=f"T-{n}", task_group="g", playbook_version=n + 1)
    with connection.cursor() as cursor:
        cursor.execute("SELECT id, search::text FROM execution_traces ORDER BY id")
        before = cursor.fetchall()
        cursor.execute("UPDATE execution_traces SET search = NULL")
        with connection.schema_editor(atomic=False) as editor:
            migration.fill(apps, editor)
        cursor.execute("SELECT id, search::text FROM execution_traces ORDER BY id")
        assert cursor.fetchall() == before
