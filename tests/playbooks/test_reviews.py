"""What a person decides, and how it is taken back."""

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group

from ace_project.core.errors import Conflict, Forbidden, InvalidInput
from playbooks import actors, selectors, services
from playbooks.content import bullet_id
from playbooks.models import DeltaStatus, Source, VersionKind
from tests.playbooks.factories import add, content_of

FIRST = bullet_id("strategies", "Look before you leap.")


@pytest.fixture
def people(db):
    made = {}
    for name in ("rita", "rob"):
        user = get_user_model().objects.create_user(name)
        user.groups.add(Group.objects.get(name="reviewer"))
        made[name] = actors.person(name, user.pk)
    return made


@pytest.fixture
def waiting(propose):
    return propose(add("Check the date."), may_apply=False).delta


def test_approval_applies_and_is_kept_as_a_review(agent, waiting, people) -> None:
    delta = services.approve_delta(delta=waiting, by=people["rita"], reason="checked")
    assert (delta.status, delta.applied_version) == (DeltaStatus.APPLIED, 2)
    assert delta.reviews.get().reviewer == "person:rita"
    assert content_of(agent)["strategies"][-1] == "Check the date."


def test_a_second_decision_says_who_decided(waiting, people) -> None:
    services.approve_delta(delta=waiting, by=people["rita"])
    with pytest.raises(Conflict, match="rita") as caught:
        services.reject_delta(delta=waiting, by=people["rob"], reason="no")
    assert caught.value.extra["decided_by"] == "person:rita"


def test_a_rejection_needs_a_reason_and_keeps_it(waiting, people) -> None:
    with pytest.raises(InvalidInput):
        services.reject_delta(delta=waiting, by=people["rita"], reason=" ")
    delta = services.reject_delta(delta=waiting, by=people["rita"], reason="too vague")
    assert (delta.status, delta.decision_reason) == (DeltaStatus.REJECTED, "too vague")


def test_requested_changes_leave_the_delta_open(waiting, people) -> None:
    delta = services.request_changes(delta=waiting, by=people["rita"], reason="say which date")
    assert delta.status == DeltaStatus.CHANGES_REQUESTED
    assert services.approve_delta(delta=delta, by=people["rob"]).status == DeltaStatus.APPLIED


def test_nobody_approves_their_own_while_another_reviewer_exists(propose, people) -> None:
    own = propose(
        add("Mine."), source=Source.OPERATOR, author=people["rita"], may_apply=False
    ).delta
    with pytest.raises(Forbidden):
        services.approve_delta(delta=own, by=people["rita"])
    get_user_model().objects.filter(username="rob").update(is_active=False)
    assert services.approve_delta(delta=own, by=people["rita"]).reviews.get().self_approved


def test_a_token_never_approves_its_own_agents_delta(waiting) -> None:
    with pytest.raises(Forbidden):
        services.approve_delta(delta=waiting, by=actors.agent("bot"))


def test_a_token_never_rolls_back_to_its_own_agents_delta(agent, waiting, people) -> None:
    services.approve_delta(delta=waiting, by=people["rita"])
    services.roll_back_to(agent=agent, to_version=1, reason="harmful", author=people["rob"])
    again = {"agent": agent, "to_version": 2, "reason": "mine was better"}
    with pytest.raises(Forbidden):
        services.roll_back_to(**again, author=actors.agent("bot"))
    assert services.roll_back_to(**again, author=people["rita"]).number == 4
    back = {"agent": agent, "to_version": 1, "reason": "careful"}
    assert services.roll_back_to(**back, author=actors.agent("bot")).number == 5


def test_approving_what_no_longer_fits_is_a_conflict_that_changes_nothing(
    agent, propose, people
) -> None:
    stale = propose(
        {"op": "update", "bullet_id": FIRST, "text": "Never leap."}, may_apply=False
    ).delta
    propose({"op": "remove", "bullet_id": FIRST})
    with pytest.raises(Conflict) as caught:
        services.approve_delta(delta=stale, by=people["rita"])
    assert caught.value.extra["conflicts"][0]["index"] == 0
    assert content_of(agent)["strategies"] == ["Ask twice."]


def test_rebase_and_approve_takes_the_reviewers_choice_per_operation(
    agent, propose, people
) -> None:
    stale = propose(
        {"op": "update", "bullet_id": FIRST, "text": "Never leap."},
        {"op": "set", "path": "/goals/main", "value": "sell"},
        add("New."),
        may_apply=False,
    ).delta
    propose({"op": "update", "bullet_id": FIRST, "text": "Look twice."})
    propose({"op": "set", "path": "/goals/main", "value": "serve"})
    with pytest.raises(InvalidInput):
        services.rebase_and_approve(delta=stale, keep={0: "delta"}, by=people["rita"])
    delta = services.rebase_and_approve(
        delta=stale, keep={0: "delta", 1: "live"}, by=people["rita"]
    )
    assert delta.status == DeltaStatus.APPLIED
    content = content_of(agent)
    assert content["strategies"][0] == "Never leap."
    assert "Look twice." not in content["strategies"]
    assert "New." in content["strategies"]
    assert content["goals"]["main"] == "serve"


def test_an_edit_is_a_new_delta_by_the_reviewer_who_may_approve_it(agent, waiting, people) -> None:
    edited = services.edit_and_approve(
        delta=waiting, operations=[add("Check the travel date.")], by=people["rita"]
    )
    waiting.refresh_from_db()
    assert waiting.status == DeltaStatus.REJECTED
    assert edited.author == "person:rita"
    assert content_of(agent)["strategies"][-1] == "Check the travel date."


def test_an_edit_of_ones_own_needs_another_reviewer_as_an_approval_does(propose, people) -> None:
    own = propose(
        add("Mine."), source=Source.OPERATOR, author=people["rita"], may_apply=False
    ).delta
    edit = {"delta": own, "operations": [add("Mine, really.")], "by": people["rita"]}
    with pytest.raises(Forbidden):
        services.edit_and_approve(**edit)
    own.refresh_from_db()
    assert own.status == DeltaStatus.PENDING_REVIEW
    get_user_model().objects.filter(username="rob").update(is_active=False)
    edited = services.edit_and_approve(**edit)
    assert edited.reviews.get().self_approved


def test_undoing_an_approval_takes_the_change_out_by_its_inverse(agent, waiting, people) -> None:
    before = content_of(agent)
    delta = services.approve_delta(delta=waiting, by=people["rita"])
    undone = services.undo_decision(delta=delta, by=people["rita"])
    assert undone.status == DeltaStatus.UNDONE
    assert content_of(agent) == before
    assert agent.playbook.versions.get(number=3).kind == VersionKind.UNDO


def test_undo_keeps_what_others_added_since(agent, propose, waiting, people) -> None:
    delta = services.approve_delta(delta=waiting, by=people["rita"])
    propose(add("Later."))
    services.undo_decision(delta=delta, by=people["rita"])
    strategies = content_of(agent)["strategies"]
    assert "Later." in strategies
    assert "Check the date." not in strategies


def test_undo_of_what_a_later_change_stands_on_is_a_conflict(
    agent, propose, waiting, people
) -> None:
    delta = services.approve_delta(delta=waiting, by=people["rita"])
    new = bullet_id("strategies", "Check the date.")
    propose({"op": "update", "bullet_id": new, "text": "Check the date and the hour."})
    with pytest.raises(Conflict):
        services.undo_decision(delta=delta, by=people["rita"])
    assert "Check the date and the hour." in content_of(agent)["strategies"]


def test_undoing_a_rejection_opens_the_delta_again(waiting, people) -> None:
    services.reject_delta(delta=waiting, by=people["rita"], reason="no")
    assert services.undo_decision(delta=waiting, by=people["rita"]).status == "pending_review"


def test_nothing_can_be_undone_twice(waiting, people) -> None:
    delta = services.approve_delta(delta=waiting, by=people["rita"])
    services.undo_decision(delta=delta, by=people["rita"])
    with pytest.raises(Conflict):
        services.undo_decision(delta=delta, by=people["rita"])


def test_roll_back_publishes_the_old_content_as_a_new_version(agent, propose) -> None:
    propose(add("One."))
    applied = propose(add("Two.")).delta
    version = services.roll_back_to(
        agent=agent, to_version=1, reason="lost 7 points", author=actors.person("rita")
    )
    assert (version.number, version.restored) == (4, 1)
    assert content_of(agent)["strategies"] == ["Look before you leap.", "Ask twice."]
    applied.refresh_from_db()
    assert applied.status == DeltaStatus.UNDONE


def test_rolling_forward_again_marks_the_deltas_applied_again(agent, propose) -> None:
    delta = propose(add("One.")).delta
    rita = actors.person("rita")
    services.roll_back_to(agent=agent, to_version=1, reason="try without", author=rita)
    services.roll_back_to(agent=agent, to_version=2, reason="it was good", author=rita)
    delta.refresh_from_db()
    assert delta.status == DeltaStatus.APPLIED
    assert selectors.effective_deltas(agent.playbook, 4) == {delta.pk}


def test_a_roll_back_needs_a_reason_and_another_version(agent, propose) -> None:
    propose(add("One."))
    rita = actors.person("rita")
    with pytest.raises(InvalidInput):
        services.roll_back_to(agent=agent, to_version=1, reason="", author=rita)
    with pytest.raises(InvalidInput):
        services.roll_back_to(agent=agent, to_version=2, reason="why not", author=rita)


def test_a_waiting_delta_says_at_once_that_it_no_longer_fits_and_again_that_it_does(
    agent, propose
) -> None:
    waiting = propose(
        {"op": "update", "bullet_id": FIRST, "text": "Never leap."}, may_apply=False
    ).delta
    propose({"op": "update", "bullet_id": FIRST, "text": "Look twice."})
    waiting.refresh_from_db()
    assert waiting.status == DeltaStatus.CONFLICT
    assert waiting.conflicts[0]["saw"] == "Look before you leap."
    services.roll_back_to(
        agent=agent, to_version=1, reason="it was better", author=actors.person("rita")
    )
    waiting.refresh_from_db()
    assert (waiting.status, waiting.conflicts) == (DeltaStatus.PENDING_REVIEW, [])
