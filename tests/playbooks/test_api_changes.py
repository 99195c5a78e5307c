"""PATCH of a playbook: proposed, and by the agent's mode applied."""

import pytest

from playbooks import selectors, services
from playbooks.actors import AUTOMATIC
from playbooks.models import Delta, Mode, PlaybookVersion
from tests.callers import Caller, is_problem
from tests.playbooks.factories import add, content_of

pytestmark = pytest.mark.django_db


def change(*operations, **more):
    return {"operations": list(operations), "confidence": 0.9, **more}


def test_in_auto_a_change_applies_at_once(agent):
    answer = Caller("bot").patch("playbooks/bot", change(add("New."), delta_id="mine"))
    body = answer.json()
    assert answer.status_code == 200
    assert body["applied"] is True
    assert body["rollback_available"] is True
    assert (body["version"], body["client_delta_id"]) == (2, "mine")
    delta = Delta.objects.get(delta_id=body["delta_id"])
    assert (delta.source, delta.author) == ("agent", "agent:bot")
    assert "New." in content_of(agent)["strategies"]


def test_changes_are_another_spelling(agent):
    body = {"changes": {"goals.main": "serve", "strategies": ["Ask twice."]}, "confidence": 1}
    assert Caller("bot").patch("playbooks/bot", body).status_code == 200
    assert content_of(agent) == {"strategies": ["Ask twice."], "goals": {"main": "serve"}}


def test_in_strict_a_person_decides(agent):
    services.set_mode(agent=agent, mode=Mode.STRICT, author=AUTOMATIC)
    answer = Caller("bot").patch("playbooks/bot", change(add("New.")))
    body = answer.json()
    assert answer.status_code == 202
    assert (body["applied"], body["status"]) == (False, "pending_review")
    assert Delta.objects.get(delta_id=body["delta_id"]).status == "pending_review"
    assert PlaybookVersion.objects.count() == 1


def test_in_dry_run_it_is_only_recorded(agent):
    services.set_mode(agent=agent, mode=Mode.DRY_RUN, author=AUTOMATIC)
    answer = Caller("bot").patch("playbooks/bot", change(add("New.")))
    assert (answer.status_code, answer.json()["status"]) == (202, "recorded")
    assert answer.json()["applied"] is False


def test_too_low_a_confidence_waits_for_a_person(agent):
    answer = Caller("bot").patch("playbooks/bot", {**change(add("New.")), "confidence": 0.2})
    assert (answer.status_code, answer.json()["status"]) == (202, "pending_review")


def test_a_repeated_delta_id_gets_the_first_answer(agent):
    bot = Caller("bot")
    first = bot.patch("playbooks/bot", change(add("New."), delta_id="mine"))
    bot.patch("playbooks/bot", change(add("Another.")))
    again = bot.patch("playbooks/bot", change(add("Ignored."), delta_id="mine"))
    assert (again.status_code, again.json()) == (200, first.json())
    assert Delta.objects.count() == 2


def test_a_service_is_named_as_the_author(agent):
    Caller(None).patch("playbooks/bot", change(add("New.")))
    assert Delta.objects.get().author == "service:ops"


def test_if_match_lets_the_live_etag_through_and_stops_a_stale_one(agent):
    bot = Caller("bot")
    etag = bot.get("playbooks/bot")["ETag"]
    first = bot.patch("playbooks/bot", change(add("One.")), if_match=etag)
    second = bot.patch("playbooks/bot", change(add("Two.")), if_match=etag)
    assert first.status_code == 200
    assert is_problem(second, 412)
    assert second.json()["etag"] == bot.get("playbooks/bot")["ETag"]
    assert bot.patch("playbooks/bot", change(add("Two.")), if_match="*").status_code == 200
    assert Delta.objects.count() == 2


def test_what_still_holds_is_rebased_on_the_live_version(agent):
    bot = Caller("bot")
    bot.patch("playbooks/bot", change(add("One.")))
    answer = bot.patch("playbooks/bot", change(add("Two."), base_version=1))
    assert (answer.status_code, answer.json()["version"]) == (200, 3)
    assert {"One.", "Two."} < set(content_of(agent)["strategies"])


def test_a_real_conflict_is_a_409_with_its_operations_and_the_delta_is_kept(agent):
    bot = Caller("bot")
    first = {"op": "set", "path": "/goals/main", "value": "a"}
    bot.patch("playbooks/bot", change(first))
    answer = bot.patch("playbooks/bot", change({**first, "value": "b"}, base_version=1))
    body = answer.json()
    assert is_problem(answer, 409)
    assert body["conflicts"][0]["operation"] == {**first, "value": "b"}
    assert (body["conflicts"][0]["saw"], body["conflicts"][0]["now"]) == ("help", "a")
    assert Delta.objects.get(delta_id=body["delta_id"]).status == "conflict"
    assert content_of(agent)["goals"] == {"main": "a"}


def test_a_base_that_never_was_is_a_404(agent):
    answer = Caller("bot").patch("playbooks/bot", change(add("x"), base_version=9))
    assert is_problem(answer, 404)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/confidence"),
        ({"confidence": 0.5}, ""),
        ({"confidence": 0.5, "changes": {}, "operations": []}, ""),
        ({"confidence": "0.5", "changes": {}}, "/confidence"),
        ({"confidence": True, "changes": {}}, "/confidence"),
        ({"confidence": 1.1, "changes": {}}, "/confidence"),
        ({"confidence": -1, "changes": {}}, "/confidence"),
        ({"confidence": None, "changes": {}}, "/confidence"),
        ({"confidence": 10**400, "changes": {}}, "/confidence"),
        ({"confidence": 1, "changes": []}, "/changes"),
        ({"confidence": 1, "operations": {}}, "/operations"),
        ({"confidence": 1, "operations": []}, "/operations"),
        ({"confidence": 1, "operations": [1]}, "/operations/0"),
        ({"confidence": 1, "operations": [{"op": "drop"}]}, "/operations/0/op"),
        ({"confidence": 1, "operations": [{"op": "add", "section": "s"}]}, "/operations/0/text"),
        ({"confidence": 1, "operations": [add("x")] * 201}, "/operations"),
        ({"confidence": 1, "changes": {"a": 1}, "base_version": 0}, "/base_version"),
        ({"confidence": 1, "changes": {"a": 1}, "base_version": 2**31}, "/base_version"),
        ({"confidence": 1, "changes": {"a": 1}, "base_version": "1"}, "/base_version"),
        ({"confidence": 1, "changes": {"a": 1}, "delta_id": 1}, "/delta_id"),
        ({"confidence": 1, "changes": {"a": 1}, "delta_id": ""}, "/delta_id"),
        ({"confidence": 1, "changes": {"a": 1}, "delta_id": "d" * 256}, "/delta_id"),
        ({"confidence": 1, "changes": {"a": 1}, "reasoning": []}, "/reasoning"),
    ],
)
def test_a_change_of_the_wrong_shape_is_a_400_that_points_at_it(agent, body, pointer):
    answer = Caller("bot").patch("playbooks/bot", body)
    assert is_problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Delta.objects.exists()


def test_a_change_to_another_agent_or_without_the_scope_is_refused(agent):
    assert is_problem(Caller("other").patch("playbooks/bot", change(add("x"))), 404)
    assert is_problem(Caller(None).patch("playbooks/never", change(add("x"))), 404)
    reader = Caller("bot", "playbooks:read")
    assert is_problem(reader.patch("playbooks/bot", change(add("x"))), 403)
    assert not Delta.objects.exists()


def test_a_lesson_with_a_secret_never_goes_live(agent):
    text = "Use the key sk-proj-abcdefghijklmnopqrstuvwxyz0123456789ABCD for it."
    answer = Caller("bot").patch("playbooks/bot", change(add(text)))
    assert (answer.status_code, answer.json()["applied"]) == (202, False)
    assert answer.json()["status"] == "rejected"
    assert selectors.agent_by_id("bot").playbook.version == 1
