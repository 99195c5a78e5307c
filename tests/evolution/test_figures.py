"""Aggregates of traces: who is counted, where hours and versions end."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evolution import figures
from evolution.intervals import Share
from evolution.models import EvolutionRun, ExecutionTrace
from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 20, 12, tzinfo=UTC)


def _agent(name: str, simulated: bool = False) -> Agent:
    return services.create_agent(agent_id=name, author=AUTOMATIC, simulated=simulated)


def _trace(agent: Agent, success: bool, at: datetime = NOON, **fields: Any) -> None:
    number = ExecutionTrace.objects.count()
    ExecutionTrace.objects.create(
        agent=agent, trace_id=str(number), success=success, captured_at=at, **fields
    )


def test_success_is_counted_per_agent_up_to_but_not_including_the_end() -> None:
    one, other = _agent("one"), _agent("other")
    _trace(one, True)
    _trace(one, False)
    _trace(one, True, NOON + timedelta(hours=1))
    _trace(other, True)
    found = figures.success_between(NOON, NOON + timedelta(hours=1))
    assert found == {one.pk: Share(1, 2), other.pk: Share(1, 1)}


def test_hours_leave_out_what_is_simulated_and_keep_empty_hours() -> None:
    real, simulated = _agent("real"), _agent("simulated", simulated=True)
    _trace(real, True, NOON + timedelta(minutes=59))
    _trace(real, False, NOON + timedelta(hours=2))
    _trace(simulated, True)
    assert figures.success_by_hour(NOON, 3) == [Share(1, 1), Share(), Share(0, 1)]


def test_success_by_version_is_of_the_newest_traces_that_name_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    agent = _agent("one")
    _trace(agent, True, playbook_version=1)
    _trace(agent, False, playbook_version=2)
    _trace(agent, True)
    assert figures.success_by_version(agent) == {1: Share(1, 1), 2: Share(0, 1)}
    _trace(agent, True, NOON + timedelta(hours=1), playbook_version=2)
    monkeypatch.setattr(figures, "COUNTED_BY_VERSION", 1)
    assert figures.success_by_version(agent) == {2: Share(1, 1)}


def test_versions_of_many_agents_take_one_query(django_assert_num_queries: Any) -> None:
    one, other = _agent("one"), _agent("other")
    _trace(one, True, playbook_version=1)
    _trace(other, True, playbook_version=1)
    _trace(other, True, playbook_version=3)
    with django_assert_num_queries(1):
        found = figures.success_of_versions([(one.pk, 1), (other.pk, 1), (other.pk, 2)], NOON)
    assert found == {(one.pk, 1): Share(1, 1), (other.pk, 1): Share(1, 1)}


def test_traces_are_found_by_their_own_agents_names_alone() -> None:
    one, other = _agent("one"), _agent("other")
    ExecutionTrace.objects.create(agent=other, trace_id="t", success=True, captured_at=NOON)
    assert figures.traces_named(one, ["t"]) == {}
    assert list(figures.traces_named(other, ["t", "missing"])) == ["t"]


def test_a_failed_run_counts_until_a_later_one_of_its_agent_follows() -> None:
    one, other = _agent("one"), _agent("other")
    runs = [
        EvolutionRun.objects.create(agent=agent, trigger="api", requested_by="test", status=status)
        for agent, status in ((one, "failed"), (other, "failed"), (one, "failed"))
    ]
    assert figures.failed_runs(NOON, at_most=5) == [runs[2], runs[1]]
    assert figures.failed_runs(NOON, at_most=1) == [runs[2]]
    EvolutionRun.objects.create(agent=other, trigger="api", requested_by="test", status="completed")
    assert figures.failed_runs(NOON, at_most=5) == [runs[2]]
    assert figures.failed_runs(datetime(2100, 1, 1, tzinfo=UTC), at_most=5) == []
