"""Decisions that change a delta first: the reviewer's wording, and the side of a conflict kept."""

from collections.abc import Callable

import pytest
from django.test import Client

from playbooks import services
from playbooks.actors import person
from playbooks.content import bullet_id
from playbooks.models import Agent, Delta, DeltaStatus

pytestmark = pytest.mark.django_db

DATE = bullet_id("strategies", "Check the booking date.")


def _url(delta: Delta, query: str = "") -> str:
    return f"/review/{delta.pk}/{query}"


def _now(delta: Delta) -> Delta:
    return Delta.objects.get(pk=delta.pk)


def _lessons(agent: Agent) -> list[str]:
    agent.playbook.refresh_from_db()
    version = agent.playbook.versions.get(number=agent.playbook.version)
    found: list[str] = version.content["strategies"]
    return found


def _reword(name: str, text: str) -> list[dict[str, str]]:
    return [{"op": "update", "bullet_id": name, "text": text}]


# ---- edits ----
def test_an_edit_is_approved_in_place_of_the_first_wording(
    signed_in: Callable[..., Client], propose: Callable[..., Delta], agent: Agent
) -> None:
    client, delta = signed_in("reviewer", "ann"), propose("Quote the fare.")
    form = client.get(_url(delta, "?edit=1")).content.decode()
    assert 'name="text-0"' in form
    assert "Quote the fare.</textarea>" in form
    client.post(
        _url(delta),
        {"do": "approve", "edited": "1", "take-0": "1", "text-0": "Quote each fare,\r\napart."},
    )
    assert _lessons(agent)[-1] == "Quote each fare,\napart."
    assert _now(delta).status == DeltaStatus.REJECTED
    edited = Delta.objects.latest("pk")
    assert edited.author == "person:ann"
    client.post("/undo/")
    assert _now(edited).status == DeltaStatus.UNDONE
    assert _now(delta).status == DeltaStatus.PENDING_REVIEW
    assert _now(delta).status == DeltaStatus.PENDING_REVIEW


def test_an_edit_that_changes_nothing_approves_the_delta_itself(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer", "ann"), propose("Quote the fare.")
    form = {"do": "approve", "edited": "1", "take-0": "1", "text-0": "Quote the fare."}
    client.post(_url(delta), form)
    assert _now(delta).status == DeltaStatus.APPLIED


def test_an_operation_left_out_of_an_edit_is_not_applied(
    signed_in: Callable[..., Client], propose: Callable[..., Delta], agent: Agent
) -> None:
    operations = [{"op": "add", "section": "strategies", "text": t} for t in ("One.", "Two.")]
    client, delta = signed_in("reviewer", "ann"), propose(operations=operations)
    client.post(_url(delta), {"do": "approve", "edited": "1", "take-1": "1", "text-1": "Two."})
    assert _lessons(agent)[-1] == "Two."
    assert "One." not in _lessons(agent)


@pytest.mark.parametrize(
    ("fields", "said"),
    [
        ({"text-0": "Quote it."}, "Keep at least one operation"),
        ({"take-0": "1", "text-0": "  "}, "may not be empty"),
        ({"take-0": "1", "text-0": "nul \x00"}, "The change is not well-formed"),
    ],
)
def test_an_edit_that_cannot_be_is_refused_with_what_was_typed(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    fields: dict[str, str],
    said: str,
) -> None:
    delta = propose("Quote the fare.")
    form = {"do": "approve", "edited": "1", **fields}
    answer = signed_in("reviewer", "ann").post(_url(delta), form)
    assert answer.status_code == 400
    assert said in answer.content.decode()
    assert 'name="text-0"' in answer.content.decode()
    assert _now(delta).status == DeltaStatus.PENDING_REVIEW


def test_an_edited_value_has_to_be_json(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose(operations=[{"op": "set", "path": "/limits", "value": {"rows": 5}}])
    client, form = signed_in("reviewer", "ann"), {"do": "approve", "edited": "1", "take-0": "1"}
    refused = client.post(_url(delta), form | {"text-0": "{rows: 5}"})
    assert refused.status_code == 400
    assert "needs a JSON value" in refused.content.decode()
    client.post(_url(delta), form | {"text-0": '{"rows": 6}'})
    assert Delta.objects.latest("pk").operations[0]["value"] == {"rows": 6}


# ---- conflicts ----
@pytest.fixture
def conflict(propose: Callable[..., Delta]) -> Delta:
    """Return a delta whose value somebody else changed since it was proposed."""
    first = propose(operations=[{"op": "set", "path": "/tone", "value": "formal and short"}])
    services.approve_delta(delta=first, by=person("bob"))
    delta = propose(operations=[{"op": "set", "path": "/tone", "value": "formal and warm"}])
    other = propose(operations=[{"op": "set", "path": "/tone", "value": "formal and brief"}])
    services.approve_delta(delta=other, by=person("bob"))
    return delta


def test_a_conflict_shows_both_sides_and_promises_a_choice(
    signed_in: Callable[..., Client], conflict: Delta
) -> None:
    page = signed_in("reviewer").get(_url(conflict)).content.decode()
    for text in ("base moved", "Before, v2", "Live, v3", 'name="keep-0"', "Rebase and approve"):
        assert text in page
    assert "formal and <del>short</del> <ins>brief</ins>" in page
    assert "?edit=1" not in page


def test_a_plain_approval_over_a_conflict_is_refused_and_shows_it(
    signed_in: Callable[..., Client], conflict: Delta
) -> None:
    answer = signed_in("reviewer").post(_url(conflict), {"do": "approve"})
    assert answer.status_code == 409
    assert 'name="keep-0"' in answer.content.decode()


@pytest.mark.parametrize(
    ("side", "tone"), [("live", "formal and brief"), ("delta", "formal and warm")]
)
def test_the_side_chosen_is_what_goes_live(
    signed_in: Callable[..., Client], conflict: Delta, agent: Agent, side: str, tone: str
) -> None:
    form = {"do": "approve", "keep-0": side, "live": "3"}
    signed_in("reviewer").post(_url(conflict), form)
    agent.playbook.refresh_from_db()
    live = agent.playbook.versions.get(number=agent.playbook.version)
    assert live.content["tone"] == tone
    assert _now(conflict).status == DeltaStatus.APPLIED


def test_sides_compared_before_another_change_are_to_be_compared_again(
    signed_in: Callable[..., Client], conflict: Delta
) -> None:
    form = {"do": "approve", "keep-0": "delta", "live": "2"}
    answer = signed_in("reviewer").post(_url(conflict), form)
    assert answer.status_code == 409
    assert "v3 went live while you compared" in answer.content.decode().lower()
    assert _now(conflict).status == DeltaStatus.CONFLICT


def test_a_side_that_does_not_exist_is_bad_input(
    signed_in: Callable[..., Client], conflict: Delta
) -> None:
    form = {"do": "approve", "keep-0": "both", "live": "3"}
    assert signed_in("reviewer").post(_url(conflict), form).status_code == 400


def test_a_bullet_that_was_reworded_is_shown_as_it_reads_now(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose(operations=_reword(DATE, "Check the fare rules."))
    other = propose(operations=_reword(DATE, "Check the travel date."))
    services.approve_delta(delta=other, by=person("bob"))
    page = signed_in("reviewer").get(_url(delta)).content.decode()
    assert "bob reworded it in v2." in page
    assert "Check the <del>booking</del> <ins>travel</ins> date." in page
