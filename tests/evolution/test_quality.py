"""What became of proposed deltas: records to calibrate on, and the quality page's figures."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from evolution import quality
from evolution.intervals import Share
from evolution.services.traces import record_batch
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent, Delta, DeltaStatus, Source
from playbooks.selectors import agent_by_id

pytestmark = pytest.mark.django_db

REVIEWER = actors.person("eve")
JUNE, JULY = datetime(2026, 6, 10, tzinfo=UTC), datetime(2026, 7, 10, tzinfo=UTC)


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    return agent_by_id("bot")


def keep(agent: Agent, status: str, **changes: Any) -> Delta:
    fields = {
        "playbook": agent.playbook,
        "base_version": 1,
        "operations": [{"op": "add", "section": "strategies", "text": "Look twice."}],
        "status": status,
        "confidence": 0.6,
        "raw_confidence": 0.9,
        "source": Source.LLM,
        "model": "gpt-4o-mini",
        "author": "run:1",
        "created_at": JUNE,
    }
    if status in (DeltaStatus.APPLIED, DeltaStatus.UNDONE):
        fields["applied_version"] = 2
    return Delta.objects.create(**fields | changes)


def work(agent: Agent, version: int, wins: int, runs: int) -> None:
    record_batch(
        agent=agent,
        traces=[
            {
                "trace_id": f"v{version}-{n}",
                "success": n < wins,
                "execution_time": 1.0,
                "playbook_version": version,
            }
            for n in range(runs)
        ],
    )


def outcomes(source: Source = Source.LLM, model: str = "gpt-4o-mini") -> list[float]:
    return [record.outcome for record in quality.calibration_records(source, model)]


@pytest.mark.parametrize(
    ("status", "expected"),
    [
        (DeltaStatus.APPLIED, [1.0]),
        (DeltaStatus.REJECTED, [0.0]),
        (DeltaStatus.UNDONE, [0.0]),
        (DeltaStatus.PENDING_REVIEW, []),
        (DeltaStatus.CHANGES_REQUESTED, []),
        (DeltaStatus.CONFLICT, []),
        (DeltaStatus.RECORDED, []),
    ],
)
def test_a_delta_counts_once_it_has_an_end(agent, status, expected) -> None:
    keep(agent, status)
    assert outcomes() == expected


def test_records_are_of_one_generator_and_one_model(agent) -> None:
    keep(agent, DeltaStatus.APPLIED)
    keep(agent, DeltaStatus.REJECTED, model="another")
    keep(agent, DeltaStatus.REJECTED, source=Source.STATISTICAL, model="")
    assert outcomes() == [1.0]
    assert outcomes(model="another") == [0.0]
    assert outcomes(model="") == [0.0, 1.0]
    assert outcomes(Source.STATISTICAL, "") == [0.0]
    assert quality.models_of(Source.LLM) == ["another", "gpt-4o-mini"]
    assert quality.models_of(Source.STATISTICAL) == []


def test_an_applied_delta_after_which_success_fell_counts_as_wrong(agent) -> None:
    keep(agent, DeltaStatus.APPLIED, applied_version=2)
    work(agent, 1, wins=80, runs=100)
    assert outcomes() == [1.0]  # nothing measured after it yet
    work(agent, 2, wins=40, runs=100)
    assert outcomes()[0] < 0.01


def test_one_after_which_success_rose_counts_as_right(agent) -> None:
    keep(agent, DeltaStatus.APPLIED, applied_version=2)
    work(agent, 1, wins=40, runs=100)
    work(agent, 2, wins=80, runs=100)
    assert outcomes() == [1.0]


def test_success_under_another_agents_versions_says_nothing(agent) -> None:
    keep(agent, DeltaStatus.APPLIED, applied_version=2)
    work(agent, 1, wins=80, runs=100)
    playbooks.create_agent(agent_id="other", author=actors.AUTOMATIC)
    work(agent_by_id("other"), 2, wins=0, runs=100)
    assert outcomes() == [1.0]


def test_versions_that_nobody_worked_under_are_stepped_over() -> None:
    shares = {(1, 4): Share(20, 40), (1, 5): Share(1, 3), (1, 8): Share(30, 40)}
    assert quality.around(shares, 1, 6) == (Share(20, 40), Share(30, 40))
    assert quality.around(shares, 1, None) == (None, None)
    assert quality.around(shares, 1, 20) == (None, None)


def test_a_delta_that_a_reviewer_reworded_is_half_right(agent) -> None:
    operation = {"op": "add", "section": "strategies", "text": "Look twice."}
    outcome = playbooks.propose_delta(
        agent=agent,
        operations=[operation],
        confidence=0.6,
        source=Source.LLM,
        author=actors.AUTOMATIC,
        evidence={"for": ["t"], "against": []},
    )
    Delta.objects.filter(pk=outcome.delta.pk).update(model="gpt-4o-mini")
    better = {**operation, "text": "Look twice before paying."}
    playbooks.edit_and_approve(delta=outcome.delta, operations=[better], by=REVIEWER)
    assert outcomes() == [0.5]


def test_reading_the_records_takes_four_queries_however_many_there_are(
    agent, django_assert_max_num_queries
) -> None:
    for status in (DeltaStatus.APPLIED, DeltaStatus.REJECTED, DeltaStatus.UNDONE) * 10:
        keep(agent, status)
    with django_assert_max_num_queries(4):
        assert len(outcomes()) == 30


def test_the_plot_has_the_numbers_stated_and_those_stored(agent) -> None:
    keep(agent, DeltaStatus.APPLIED, raw_confidence=0.95, confidence=0.62)
    keep(agent, DeltaStatus.REJECTED, raw_confidence=0.9, confidence=0.61)
    stated, stored = quality.reliability(Source.LLM, "gpt-4o-mini")
    assert [(row.low, row.count, row.true) for row in stated if row.count] == [(0.9, 2, 0.5)]
    assert [(row.low, row.count, row.true) for row in stored if row.count] == [(0.6, 2, 0.5)]
    assert stored[6].stated == pytest.approx(0.615)


def test_the_months_of_each_generator_are_counted_apart_in_one_query(
    agent, django_assert_num_queries
) -> None:
    keep(agent, DeltaStatus.APPLIED, confidence=0.8)
    keep(agent, DeltaStatus.REJECTED, confidence=0.7)
    keep(agent, DeltaStatus.PENDING_REVIEW, confidence=0.9)
    keep(agent, DeltaStatus.UNDONE, confidence=0.4)
    keep(agent, DeltaStatus.RECORDED, confidence=0.9)
    keep(agent, DeltaStatus.APPLIED, source=Source.STATISTICAL, created_at=JULY)
    keep(agent, DeltaStatus.APPLIED, created_at=JUNE - timedelta(days=300))
    with django_assert_num_queries(1):
        rows = quality.by_month(JUNE - timedelta(days=100))
    assert [(row.month.month, row.source, row.proposed) for row in rows] == [
        (7, "statistical", 1),
        (6, "llm", 4),
    ]
    assert rows[1].approved == Share(1, 3)
    assert rows[1].high == Share(1, 3)
    assert rows[0].high == Share(0, 0)


def test_the_share_applied_at_high_confidence_counts_what_waits_too(agent) -> None:
    keep(agent, DeltaStatus.APPLIED, confidence=0.7)
    keep(agent, DeltaStatus.UNDONE, confidence=0.9)
    keep(agent, DeltaStatus.PENDING_REVIEW, confidence=0.95)
    keep(agent, DeltaStatus.RECORDED, confidence=0.95)
    keep(agent, DeltaStatus.REJECTED, confidence=0.69)
    assert quality.applied_at_high_confidence(JUNE) == Share(2, 3)


def test_offers_of_maintenance_are_not_counted_among_lessons(agent) -> None:
    learned: dict[str, Any] = {"source": Source.STATISTICAL, "model": "", "confidence": 0.9}
    keep(agent, DeltaStatus.APPLIED, **learned, evidence={"kind": "statistical"})
    keep(agent, DeltaStatus.APPLIED, **learned)
    keep(agent, DeltaStatus.PENDING_REVIEW, **learned, evidence={"kind": "near_duplicates"})
    keep(agent, DeltaStatus.REJECTED, **learned, evidence={"kind": "stale"})
    assert quality.applied_at_high_confidence(JUNE) == Share(2, 2)
    assert len(quality.calibration_records(Source.STATISTICAL)) == 2


def test_earlier_deltas_are_told_with_their_end_its_reason_and_what_was_measured(agent) -> None:
    def propose(text: str) -> Delta:
        return playbooks.propose_delta(
            agent=agent,
            operations=[{"op": "add", "section": "strategies", "text": text}],
            confidence=0.6,
            source=Source.OPERATOR,
            author=actors.AUTOMATIC,
        ).delta

    playbooks.approve_delta(delta=propose("Check the date."), by=REVIEWER)
    playbooks.reject_delta(delta=propose("Be rude."), by=REVIEWER, reason="against our values")
    gone = propose("Refund at once.")
    playbooks.approve_delta(delta=gone, by=REVIEWER)
    playbooks.undo_decision(delta=gone, by=REVIEWER, reason="it cost too much")
    propose("Say goodbye.")
    work(agent, 1, wins=40, runs=100)
    work(agent, 2, wins=60, runs=100)
    waiting, undone, rejected, applied = quality.earlier_deltas(agent)
    assert "Say goodbye." in waiting
    assert "Refund at once." in undone
    assert "reason: it cost too much" in undone
    assert "Be rude." in rejected
    assert "reason: against our values" in rejected
    assert "Check the date." in applied
    assert "success 40% of 100 before, 60% of 100 after" in applied


def test_earlier_deltas_are_of_this_agent_and_bounded(agent, django_assert_max_num_queries) -> None:
    playbooks.create_agent(agent_id="other", author=actors.AUTOMATIC)
    keep(agent_by_id("other"), DeltaStatus.APPLIED)
    for _ in range(40):
        keep(agent, DeltaStatus.APPLIED)
    with django_assert_max_num_queries(4):
        assert len(quality.earlier_deltas(agent)) == 30
    Delta.objects.filter(playbook=agent.playbook).delete()
    assert quality.earlier_deltas(agent) == []


def test_simulated_agents_and_real_ones_never_count_together(agent) -> None:
    playbooks.create_agent(agent_id="shop", author=actors.AUTOMATIC, simulated=True)
    keep(agent, DeltaStatus.APPLIED, confidence=0.8)
    keep(agent_by_id("shop"), DeltaStatus.REJECTED, confidence=0.9)
    assert outcomes() == [1.0]
    simulated = quality.calibration_records(Source.LLM, "gpt-4o-mini", simulated=True)
    assert [record.outcome for record in simulated] == [0.0]
    assert quality.applied_at_high_confidence(JUNE) == Share(1, 1)
    assert quality.applied_at_high_confidence(JUNE, simulated=True) == Share(0, 1)
    assert [row.proposed for row in quality.by_month(JUNE)] == [1]
    assert [row.approved for row in quality.by_month(JUNE, simulated=True)] == [Share(0, 1)]
    stated, _ = quality.reliability(Source.LLM, simulated=True)
    assert sum(row.count for row in stated) == 1
