"""One path for whoever brings a change: judged, decided by the mode, applied or queued."""

import pytest

from ace_project.core.errors import InvalidInput, NotFound, PreconditionFailed
from playbooks import actors, selectors, services
from playbooks.content import bullet_id
from playbooks.judges import Verdict
from playbooks.models import AuditEvent, Bullet, Delta, DeltaStatus, Mode, Source
from tests.playbooks.factories import add, content_of

FIRST = bullet_id("strategies", "Look before you leap.")


def test_in_auto_a_confident_delta_applies_itself(agent, propose) -> None:
    outcome = propose(add("Check the date."))
    assert (outcome.applied, outcome.version) == (True, 2)
    assert content_of(agent)["strategies"][-1] == "Check the date."
    assert outcome.delta.decided_by == "automatic"


def test_in_auto_too_little_confidence_waits_for_a_person(agent, propose) -> None:
    outcome = propose(add("Check the date."), confidence=0.69)
    assert outcome.delta.status == DeltaStatus.PENDING_REVIEW
    assert agent.playbook.version == 1
    assert any(
        v["judge"] == "confidence" and v["outcome"] == "block" for v in outcome.delta.verdicts
    )


def test_the_threshold_itself_is_enough(propose) -> None:
    assert propose(add("Check the date."), confidence=0.7).applied


def test_in_strict_a_person_decides_everything(agent, propose) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=actors.person("alice"))
    assert propose(add("Check the date."), confidence=1.0).delta.status == "pending_review"


def test_in_dry_run_the_decision_is_recorded_and_nothing_is_applied(agent, propose) -> None:
    services.set_mode(agent=agent, mode=Mode.DRY_RUN, author=actors.person("alice"))
    assert propose(add("Check the date."), confidence=1.0).delta.status == "recorded"
    assert content_of(agent)["strategies"] == ["Look before you leap.", "Ask twice."]


def test_a_threshold_of_the_agent_overrides_the_common_one(agent, propose) -> None:
    services.set_override(
        agent=agent, name="ACE_CONFIDENCE_THRESHOLD", value=0.95, author=actors.person("alice")
    )
    assert not propose(add("Check the date."), confidence=0.9).applied


def test_a_lesson_with_a_secret_is_rejected_and_the_reason_does_not_repeat_it(propose) -> None:
    secret = "sk-proj-" + "a1B2c3D4" * 6
    outcome = propose(add(f"Use the key {secret} for every call."))
    assert outcome.delta.status == DeltaStatus.REJECTED
    assert secret not in outcome.delta.decision_reason
    assert secret not in str(outcome.delta.verdicts)


def test_adding_what_is_there_makes_no_version(agent, propose) -> None:
    outcome = propose(add("Ask twice."))
    assert (outcome.applied, outcome.version) == (True, 1)


def test_a_client_delta_id_repeated_returns_the_first_delta(agent, propose) -> None:
    first = propose(add("Check the date."), client_delta_id="d-1")
    again = propose(add("Something else."), client_delta_id="d-1")
    assert again.repeated
    assert again.delta.pk == first.delta.pk
    assert again.version == first.version
    assert Delta.objects.count() == 1


def test_adds_on_an_old_base_are_rebased(agent, propose) -> None:
    propose(add("One."))
    outcome = propose(add("Two."), base_version=1)
    assert outcome.applied
    assert content_of(agent)["strategies"][-2:] == ["One.", "Two."]


def test_an_update_whose_bullet_changed_meanwhile_is_a_conflict(agent, propose) -> None:
    propose({"op": "update", "bullet_id": FIRST, "text": "Look twice before you leap."})
    outcome = propose({"op": "update", "bullet_id": FIRST, "text": "Never leap."}, base_version=1)
    assert outcome.delta.status == DeltaStatus.CONFLICT
    assert outcome.delta.conflicts[0]["index"] == 0
    assert agent.playbook.version == 1 or content_of(agent)["strategies"][0].startswith(
        "Look twice"
    )


def test_a_set_that_saw_another_value_is_a_conflict(propose) -> None:
    propose({"op": "set", "path": "/goals/main", "value": "help quickly"})
    stale = propose({"op": "set", "path": "/goals/main", "value": "sell"}, base_version=1)
    assert stale.delta.status == DeltaStatus.CONFLICT


def test_changes_are_another_spelling_of_operations(agent) -> None:
    outcome = services.propose_delta(
        agent=agent,
        changes={"strategies": ["Ask twice.", "New."], "goals.main": "serve"},
        confidence=1.0,
        source=Source.AGENT,
        author=actors.agent("bot"),
    )
    assert outcome.applied
    assert content_of(agent) == {"strategies": ["Ask twice.", "New."], "goals": {"main": "serve"}}


def test_neither_or_both_spellings_are_refused(agent) -> None:
    common = {"agent": agent, "confidence": 1.0, "source": Source.AGENT, "author": actors.AUTOMATIC}
    with pytest.raises(InvalidInput):
        services.propose_delta(**common)
    with pytest.raises(InvalidInput):
        services.propose_delta(**common, operations=[], changes={})


def test_malformed_operations_name_the_place(propose) -> None:
    with pytest.raises(InvalidInput) as caught:
        propose(add("Fine."), {"op": "add", "section": "strategies"})
    assert caught.value.errors[0]["pointer"].startswith("/operations/1")
    assert Delta.objects.count() == 0


def test_a_base_version_that_never_was_is_not_found(propose) -> None:
    with pytest.raises(NotFound):
        propose(add("Check."), base_version=9)


def test_a_stale_etag_is_refused_before_anything_is_stored(agent, propose) -> None:
    stale = selectors.pointer(agent.playbook).etag
    propose(add("One."))
    with pytest.raises(PreconditionFailed):
        propose(add("Two."), if_match=stale)
    assert Delta.objects.count() == 1


def test_a_generators_near_duplicate_folds_and_an_agents_does_not(agent, propose) -> None:
    text = "Always look at the calendar of the customer before you offer a new date"
    propose(add(text + "."))
    folded = propose(add(text + "!"), source=Source.LLM)
    assert folded.delta.status == DeltaStatus.REJECTED
    assert "already" in folded.delta.decision_reason
    assert propose(add(text + "!")).applied


def test_verdicts_from_outside_are_kept_and_a_block_among_them_counts(propose) -> None:
    outcome = propose(add("Check."), verdicts=[Verdict("council", "block", "not sure")])
    assert outcome.delta.status == DeltaStatus.PENDING_REVIEW
    assert outcome.delta.verdicts[-1]["judge"] == "council"


def test_later_verdicts_decide_again_only_while_nobody_has(agent, propose) -> None:
    services.set_mode(agent=agent, mode=Mode.STRICT, author=actors.person("alice"))
    waiting = propose(add("Check."))
    assert waiting.delta.status == DeltaStatus.PENDING_REVIEW
    services.set_mode(agent=agent, mode=Mode.AUTO, author=actors.person("alice"))
    decided = services.add_verdicts(
        delta=waiting.delta, verdicts=[Verdict("council", "pass", "fine")]
    )
    assert decided.applied
    again = services.add_verdicts(delta=decided.delta, verdicts=[Verdict("council", "block", "no")])
    assert again.delta.status == DeltaStatus.APPLIED


def test_what_a_person_was_asked_to_decide_is_not_applied_by_a_later_pass(propose) -> None:
    waiting = propose(add("Check."), may_apply=False)
    heard = services.add_verdicts(
        delta=waiting.delta, verdicts=[Verdict("council", "pass", "fine")]
    )
    assert heard.delta.status == DeltaStatus.PENDING_REVIEW


def test_a_bullet_keeps_who_brought_it_in_through_rewording(agent, propose) -> None:
    outcome = propose({"op": "update", "bullet_id": FIRST, "text": "Look twice."})
    row = Bullet.objects.get(bullet_id=bullet_id("strategies", "Look twice."))
    assert row.lineage == [FIRST]
    assert row.delta_id == outcome.delta.pk
    assert Bullet.objects.get(bullet_id=FIRST).introduced_by == "person:alice"


def test_every_decision_leaves_an_audit_event(agent, propose) -> None:
    propose(add("Check."))
    events = list(AuditEvent.objects.filter(chain="bot").order_by("number"))
    assert [e.event for e in events][-2:] == ["version_published", "delta_applied"]
    assert events[-1].previous == events[-2].hash


def test_confidence_outside_0_to_1_is_refused(propose) -> None:
    for wrong in (-0.1, 1.1, float("nan")):
        with pytest.raises(InvalidInput):
            propose(add("Check."), confidence=wrong)
