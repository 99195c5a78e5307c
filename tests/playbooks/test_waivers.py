"""Waivers: an operator's word, for a reason and a time, that ends by itself."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ace_project.core.errors import Conflict, InvalidInput
from playbooks import actors, selectors, services
from playbooks.content import bullet_id
from playbooks.judges import Verdict
from playbooks.judges.waived import NEVER_WAIVED, Waived, mark_waived, may_be_waived
from playbooks.models import Agent, AuditEvent, Delta, DeltaStatus, Mode, Waiver
from tests.playbooks.factories import add, content_of

ANN = actors.person("ann")
FIRST = bullet_id("strategies", "Look before you leap.")
BLOCK = Verdict("council_quality", "block", "nobody could follow it", {"by": "rules"})


@pytest.fixture
def held(propose) -> Any:
    """Return a maker of deltas that one judge alone holds back."""

    def make(text: str = "Check.", judge: str = "council_quality") -> Delta:
        verdict = Verdict(judge, "block", "no", {"by": "rules"})
        return propose(add(text), verdicts=[verdict]).delta

    return make


def waive(agent: Agent, judge: str = "council_quality", **changed: Any) -> Waiver:
    given = {"reason": "known", "until": timezone.now() + timedelta(days=7), "by": ANN}
    return services.waive_verdict(agent=agent, judge=judge, **{**given, **changed})


def expire(waiver: Waiver) -> None:
    Waiver.objects.filter(pk=waiver.pk).update(expires_at=timezone.now() - timedelta(seconds=1))


def now(delta: Delta) -> Delta:
    return Delta.objects.get(pk=delta.pk)


def word(delta: Delta, judge: str = "council_quality") -> dict[str, Any]:
    (found,) = [v for v in now(delta).verdicts if v["judge"] == judge]
    return found


# ---- what a waiver does ----
def test_a_waiver_of_one_delta_lets_it_apply_in_auto(agent, held) -> None:
    delta, other = held("Check."), held("Look again.")
    waive(agent, delta=delta)
    assert now(delta).status == DeltaStatus.APPLIED
    assert now(other).status == DeltaStatus.PENDING_REVIEW
    assert "Check." in content_of(agent)["strategies"]


def test_a_waiver_for_an_agent_lets_all_that_waits_and_all_that_comes_apply(agent, held) -> None:
    first, second = held("Check."), held("Look again.")
    waive(agent)
    assert {now(first).status, now(second).status} == {DeltaStatus.APPLIED}
    assert held("A third one.").status == DeltaStatus.APPLIED


def test_the_verdict_keeps_what_it_was_and_shows_who_waived_it_until_when(agent, held) -> None:
    delta = held()
    waiver = waive(agent, delta=delta)
    shown = word(delta)
    assert (shown["outcome"], shown["reason"]) == ("warn", "no")
    assert shown["data"] == {
        "by": "rules",
        "waived": {
            "outcome": "block",
            "waiver": waiver.pk,
            "by": "person:ann",
            "reason": "known",
            "until": waiver.expires_at.isoformat(),
        },
    }


def test_another_judges_block_still_holds(agent, propose) -> None:
    delta = propose(add("Check."), verdicts=[BLOCK], confidence=0.1).delta
    waive(agent, delta=delta)
    assert now(delta).status == DeltaStatus.PENDING_REVIEW
    waive(agent, "confidence", delta=delta)
    assert now(delta).status == DeltaStatus.APPLIED


def test_in_strict_a_waived_delta_still_waits_for_a_person(agent, held) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=ANN)
    delta = held()
    waive(agent, delta=delta)
    assert now(delta).status == DeltaStatus.PENDING_REVIEW
    assert word(delta)["outcome"] == "warn"


def test_a_waiver_never_applies_what_a_person_was_asked_to_decide(agent, propose) -> None:
    delta = propose(add("Check."), verdicts=[BLOCK], may_apply=False).delta
    waive(agent)
    assert now(delta).status == DeltaStatus.PENDING_REVIEW


def test_the_councils_veto_can_be_waived(agent, propose) -> None:
    services.import_playbook(
        agent=agent, content={"constraints": ["Never pay twice."]}, author=ANN, reason="test"
    )
    rule = bullet_id("constraints", "Never pay twice.")
    delta = propose({"op": "remove", "bullet_id": rule}).delta
    assert word(delta, "council_constitution")["outcome"] == "block"
    waive(agent, "council_constitution", delta=delta)
    assert now(delta).status == DeltaStatus.APPLIED


def test_another_agents_waiver_changes_nothing(agent, held) -> None:
    other = services.create_agent(agent_id="other", author=ANN)
    waive(other)
    assert held().status == DeltaStatus.PENDING_REVIEW


# ---- how it ends ----
def test_after_its_time_it_holds_no_more_even_before_anybody_says_so(agent, held) -> None:
    waiver = waive(agent)
    expire(waiver)
    assert held().status == DeltaStatus.PENDING_REVIEW
    assert Waiver.objects.get().ended_at is None


def test_the_worker_says_once_that_it_ended_and_open_deltas_are_blocked_again(agent, held) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=ANN)
    delta, waiver = held(), waive(agent)
    assert word(delta)["outcome"] == "warn"
    expire(waiver)
    services.end_expired_waivers()
    services.end_expired_waivers()
    ended = Waiver.objects.get()
    assert (ended.ended_by, ended.ended_at is not None) == ("automatic", True)
    assert AuditEvent.objects.filter(event="waiver_expired").count() == 1
    assert (word(delta)["outcome"], word(delta)["data"]) == ("block", {"by": "rules"})


def test_what_was_applied_under_a_waiver_keeps_its_mark(agent, held) -> None:
    delta = held()
    waiver = waive(agent, delta=delta)
    services.end_waiver(waiver=waiver, by=ANN)
    assert word(delta)["data"]["waived"]["by"] == "person:ann"


def test_ending_a_waiver_early_blocks_what_waits_and_is_possible_once(agent, held) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=ANN)
    delta, waiver = held(), waive(agent)
    services.end_waiver(waiver=waiver, by=actors.person("bob"))
    assert word(delta)["outcome"] == "block"
    assert Waiver.objects.get().ended_by == "person:bob"
    with pytest.raises(Conflict):
        services.end_waiver(waiver=waiver, by=ANN)
    assert AuditEvent.objects.filter(event="waiver_ended").count() == 1


def test_a_waiver_of_the_delta_outlives_that_of_the_agent(agent, held) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=ANN)
    delta = held()
    wide = waive(agent)
    waive(agent, delta=delta)
    services.end_waiver(waiver=wide, by=ANN)
    assert word(delta)["outcome"] == "warn"


# ---- what is refused ----
@pytest.mark.parametrize("judge", [*sorted(NEVER_WAIVED), "", "A B", "x" * 65])
def test_some_judges_are_never_waived(agent, judge) -> None:
    with pytest.raises(InvalidInput):
        waive(agent, judge)
    assert Waiver.objects.count() == 0


@pytest.mark.parametrize("days", [-1, 0, 90.01, 1000])
def test_a_waiver_ends_within_ninety_days(agent, days) -> None:
    with pytest.raises(InvalidInput):
        waive(agent, until=timezone.now() + timedelta(days=days))


def test_ninety_days_are_allowed(agent) -> None:
    assert waive(agent, until=timezone.now() + timedelta(days=90)).pk


@pytest.mark.parametrize("reason", ["", "  \n", "x" * 2001, "a\x00b"])
def test_a_waiver_needs_a_reason_that_can_be_kept(agent, reason) -> None:
    with pytest.raises(InvalidInput):
        waive(agent, reason=reason)


def test_what_is_waived_already_is_not_waived_twice(agent, held) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=ANN)
    delta = held()
    waive(agent)
    with pytest.raises(Conflict):
        waive(agent)
    first = waive(agent, delta=delta)
    with pytest.raises(Conflict):
        waive(agent, delta=delta)
    services.end_waiver(waiver=first, by=ANN)
    assert waive(agent, delta=delta).pk != first.pk


def test_a_decided_delta_and_another_agents_have_nothing_to_waive(agent, held) -> None:
    delta = held()
    other = services.create_agent(agent_id="other", author=ANN)
    with pytest.raises(InvalidInput):
        waive(other, delta=delta)
    services.reject_delta(delta=delta, by=ANN, reason="no")
    with pytest.raises(Conflict):
        waive(agent, delta=delta)


def test_a_waiver_is_audited_with_its_reason_and_end(agent, held) -> None:
    delta = held()
    waiver = waive(agent, delta=delta)
    event = AuditEvent.objects.get(event="verdict_waived")
    assert (event.chain, event.actor, event.subject) == ("bot", "person:ann", f"delta {delta.pk}")
    assert event.data["reason"] == "known"
    assert event.data["until"] == waiver.expires_at.isoformat()


def test_proposals_that_nobody_blocks_look_up_no_waiver(propose) -> None:
    with CaptureQueriesContext(connection) as asked:
        propose(add("Check."))
    assert not any("verdict_waivers" in query["sql"] for query in asked.captured_queries)


# ---- marks, pure ----
def test_a_mark_comes_off_when_its_waiver_is_gone() -> None:
    until = timezone.now()
    waiver = Waived(1, "person:ann", "known", until)
    marked = mark_waived([BLOCK.to_json()], {"council_quality": waiver})
    assert marked[0]["outcome"] == "warn"
    assert mark_waived(marked, {"council_quality": waiver}) == marked
    assert mark_waived(marked, {}) == [BLOCK.to_json()]


def test_what_always_needs_a_person_is_among_them() -> None:
    assert {"schema", "safety", "quarantine"} <= NEVER_WAIVED


@pytest.mark.parametrize("judge", sorted(NEVER_WAIVED))
def test_a_waiver_in_the_table_cannot_lift_what_is_never_waived(judge) -> None:
    verdict = Verdict(judge, "block", "no").to_json()
    waiver = Waived(1, "person:ann", "known", timezone.now())
    assert mark_waived([verdict], {judge: waiver}) == [verdict]
    assert not may_be_waived(verdict)


def test_a_pass_is_not_marked() -> None:
    verdict = Verdict("council_quality", "pass", "fine").to_json()
    waiver = Waived(1, "person:ann", "known", timezone.now())
    assert mark_waived([verdict], {"council_quality": waiver}) == [verdict]


def test_waivers_are_listed_newest_first(agent) -> None:
    first, second = waive(agent), waive(agent, "evidence")
    assert selectors.waivers_of(agent, 10) == [second, first]
    assert selectors.waivers_of(agent, 1) == [second]
