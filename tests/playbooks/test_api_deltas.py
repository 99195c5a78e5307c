"""REST for deltas: proposed, listed, decided."""

import uuid

import pytest

from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Delta, PlaybookVersion, Review
from tests.callers import Caller, is_problem
from tests.playbooks.factories import add, content_of

pytestmark = pytest.mark.django_db
FIELDS = {
    "delta_id",
    "agent_id",
    "base_version",
    "status",
    "operations",
    "confidence",
    "raw_confidence",
    "reasoning",
    "evidence",
    "verdicts",
    "source",
    "created_at",
    "decided_at",
    "decided_by",
    "applied_version",
}


def waiting(text="New.", **more):
    body = {"agent_id": "bot", "operations": [add(text)], "confidence": 0.9, **more}
    return Caller("bot").post("deltas", body)


@pytest.fixture
def delta(agent):
    return waiting().json()["delta_id"]


def test_a_delta_waits_for_a_person_even_in_auto(agent):
    answer = waiting(reasoning="Because.", delta_id="mine")
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) >= FIELDS
    assert (body["status"], body["client_delta_id"]) == ("pending_review", "mine")
    assert (body["operations"], body["reasoning"]) == ([add("New.")], "Because.")
    assert body["verdicts"]
    assert PlaybookVersion.objects.count() == 1


def test_a_delta_in_conflict_is_a_409_and_is_kept(agent, propose):
    goal = {"op": "set", "path": "/goals/main", "value": "a"}
    propose(goal)
    body = {"agent_id": "bot", "operations": [{**goal, "value": "b"}], "confidence": 1}
    answer = Caller("bot").post("deltas", {**body, "base_version": 1})
    assert is_problem(answer, 409)
    assert answer.json()["conflicts"]
    assert Delta.objects.get(delta_id=answer.json()["delta_id"]).status == "conflict"


def test_proposing_for_another_agent_is_a_404_and_needs_the_scope(agent):
    body = {"agent_id": "bot", "operations": [add("x")], "confidence": 1}
    assert is_problem(Caller("other").post("deltas", body), 404)
    assert is_problem(Caller(None).post("deltas", {**body, "agent_id": "never"}), 404)
    assert is_problem(Caller("bot", "playbooks:read").post("deltas", body), 403)
    assert is_problem(Caller("bot").post("deltas", {**body, "agent_id": None}), 400)
    assert not Delta.objects.exists()


def test_a_repeated_key_or_delta_id_proposes_once(agent):
    bot = Caller("bot")
    body = {"agent_id": "bot", "operations": [add("x")], "confidence": 1, "delta_id": "mine"}
    first = bot.post("deltas", body, idempotency_key="k")
    assert bot.post("deltas", body, idempotency_key="k").content == first.content
    assert bot.post("deltas", body).json()["delta_id"] == first.json()["delta_id"]
    assert Delta.objects.count() == 1


def test_a_list_costs_the_same_however_long(agent, django_assert_num_queries):
    for number in range(5):
        waiting(f"Lesson {number}.")
    bot, service = Caller("bot"), Caller(None)
    with django_assert_num_queries(3):
        found = bot.get("deltas?limit=3").json()
    assert len(found["results"]) == 3
    with django_assert_num_queries(2):
        everyone = service.get("deltas").json()
    assert len(everyone["results"]) == 5
    rest = bot.get(f"deltas?cursor={found['next']}").json()
    texts = [d["operations"][0]["text"] for d in found["results"] + rest["results"]]
    assert texts == [f"Lesson {n}." for n in (4, 3, 2, 1, 0)]


def test_a_list_is_filtered(agent, propose):
    waiting()
    propose(add("Applied."))
    bot = Caller("bot")

    def count(query):
        return len(bot.get(f"deltas?{query}").json()["results"])

    assert count("status=pending_review") == 1
    assert count("status=applied&agent_id=bot") == 1
    assert count("source=agent") == 2
    assert count("source=llm") == 0


@pytest.mark.parametrize(
    "query", ["status=odd", "source=odd", "limit=0", "cursor=x", "agent_id=%00"]
)
def test_a_filter_that_makes_no_sense_is_a_400(agent, query):
    assert is_problem(Caller("bot").get(f"deltas?{query}"), 400)


def test_an_agent_lists_its_own_deltas_alone(delta):
    services.create_agent(agent_id="other", author=AUTOMATIC)
    other = Caller("other")
    assert other.get("deltas").json()["results"] == []
    assert is_problem(other.get("deltas?agent_id=bot"), 404)
    assert is_problem(Caller(None).get("deltas?agent_id=never"), 404)
    assert is_problem(Caller("bot", "traces:read").get("deltas"), 403)


def test_one_delta_is_read(delta, django_assert_num_queries):
    bot = Caller("bot")
    with django_assert_num_queries(2):
        answer = bot.get(f"deltas/{delta}")
    assert set(answer.json()) >= FIELDS


@pytest.mark.parametrize("path", ["", "/approve", "/reject", "/request-changes"])
def test_another_agent_s_delta_is_a_404(delta, path):
    method = "post" if path else "get"
    body = {"reason": "x"} if path else None
    services.create_agent(agent_id="other", author=AUTOMATIC)
    other = Caller("other", "playbooks:review", "playbooks:read")
    assert is_problem(other.call(method, f"deltas/{delta}{path}", body), 404)
    never = uuid.uuid4()
    assert is_problem(Caller(None).call(method, f"deltas/{never}{path}", body), 404)
    assert is_problem(Caller(None).call(method, f"deltas/no-uuid{path}", body), 404)


def test_a_service_approves_and_the_change_goes_live(agent, delta):
    answer = Caller(None).post(f"deltas/{delta}/approve", {"reason": "Good."})
    body = answer.json()
    assert answer.status_code == 200
    assert (body["status"], body["applied_version"]) == ("applied", 2)
    assert (body["decided_by"], body["decision_reason"]) == ("service:ops", "Good.")
    assert "New." in content_of(agent)["strategies"]


def test_an_approval_needs_no_reason_nor_body(delta):
    assert Caller(None).call("post", f"deltas/{delta}/approve").status_code == 200


def test_no_token_approves_what_its_own_agent_proposed(delta):
    own = Caller("bot", "playbooks:review")
    assert is_problem(own.post(f"deltas/{delta}/approve"), 403)
    assert Delta.objects.get().status == "pending_review"


def test_no_service_approves_what_it_proposed_itself(agent):
    service = Caller(None)
    body = {"agent_id": "bot", "operations": [add("x")], "confidence": 1}
    found = service.post("deltas", body).json()["delta_id"]
    assert is_problem(service.post(f"deltas/{found}/approve"), 403)


@pytest.mark.parametrize("verb", ["reject", "request-changes"])
def test_a_refusal_is_kept_with_its_reason(delta, verb):
    answer = Caller(None).post(f"deltas/{delta}/{verb}", {"reason": "Too vague."})
    assert answer.status_code == 200
    assert answer.json()["status"] == {"reject": "rejected"}.get(verb, "changes_requested")
    assert Review.objects.get().reason == "Too vague."


@pytest.mark.parametrize("verb", ["reject", "request-changes"])
@pytest.mark.parametrize("body", [{}, {"reason": ""}, {"reason": " "}, {"reason": 1}])
def test_a_refusal_needs_a_reason(delta, verb, body):
    assert is_problem(Caller(None).post(f"deltas/{delta}/{verb}", body), 400)
    assert Delta.objects.get().status == "pending_review"


@pytest.mark.parametrize("verb", ["approve", "reject", "request-changes"])
def test_what_is_decided_is_a_409_that_says_what_and_who(delta, verb):
    Caller(None).post(f"deltas/{delta}/reject", {"reason": "No."})
    answer = Caller(None).post(f"deltas/{delta}/{verb}", {"reason": "x"})
    assert is_problem(answer, 409)
    assert answer.json()["delta_status"] == "rejected"
    assert answer.json()["decided_by"] == "service:ops"


@pytest.mark.parametrize("verb", ["approve", "reject", "request-changes"])
def test_deciding_needs_the_scope_and_a_post(delta, verb):
    assert is_problem(Caller("bot").post(f"deltas/{delta}/{verb}", {"reason": "x"}), 403)
    assert is_problem(Caller(None).get(f"deltas/{delta}/{verb}"), 405)


def test_approving_twice_with_one_key_applies_once(delta):
    service = Caller(None)
    first = service.post(f"deltas/{delta}/approve", {}, idempotency_key="k")
    again = service.post(f"deltas/{delta}/approve", {}, idempotency_key="k")
    assert (again.status_code, again.content) == (200, first.content)
    assert PlaybookVersion.objects.count() == 2


def test_a_delta_that_no_longer_fits_is_a_409_with_its_conflicts(agent, propose):
    goal = {"op": "set", "path": "/goals/main", "value": "a"}
    body = {"agent_id": "bot", "operations": [goal], "confidence": 1}
    found = Caller("bot").post("deltas", body).json()["delta_id"]
    propose({**goal, "value": "b"})
    answer = Caller(None).post(f"deltas/{found}/approve")
    assert is_problem(answer, 409)
    assert answer.json()["conflicts"][0]["now"] == "b"


# ---- two people, and back to the author ----
def test_a_token_cannot_approve_what_needs_two_people(agent):
    rule = {"agent": agent, "sections": ["constraints"], "author": AUTOMATIC}
    services.set_two_person_sections(**rule)
    body = {"agent_id": "bot", "operations": [add("New.", "constraints")], "confidence": 1}
    name = Caller("bot").post("deltas", body).json()["delta_id"]
    answer = Caller(None, "playbooks:review").post(f"deltas/{name}/approve", {})
    assert is_problem(answer, 403)
    assert "needs two people" in answer.json()["detail"]
    seen = Caller("bot").get(f"deltas/{name}").json()
    assert (seen["approvals"], seen["approvals_needed"]) == ([], 2)


def test_in_auto_a_guarded_section_answers_that_it_waits(agent):
    rule = {"agent": agent, "sections": ["constraints"], "author": AUTOMATIC}
    services.set_two_person_sections(**rule)
    body = {"operations": [add("New.", "constraints")], "confidence": 1}
    answer = Caller("bot").patch("playbooks/bot", body)
    assert answer.status_code == 202
    assert answer.json()["status"] == "pending_review"


def test_an_agent_reads_what_should_change_and_sends_another_in_its_place(agent, delta):
    reviewer = Caller(None, "playbooks:review")
    reviewer.post(f"deltas/{delta}/request-changes", {"reason": "say which date"})
    seen = Caller("bot").get(f"deltas/{delta}").json()
    assert (seen["status"], seen["decision_reason"]) == ("changes_requested", "say which date")
    answer = waiting("Check the booking date.", replaces=delta)
    assert answer.status_code == 201
    assert (answer.json()["status"], answer.json()["replaces"]) == ("pending_review", delta)
    assert Caller("bot").get(f"deltas/{delta}").json()["status"] == "rejected"
    assert is_problem(waiting("Check it again.", replaces=delta), 409)


def test_in_auto_a_revised_delta_still_waits_for_the_person_who_asked(agent, delta):
    body = {"operations": [add("Check the date.")], "confidence": 1, "replaces": delta}
    assert Caller("bot").patch("playbooks/bot", body).json()["status"] == "pending_review"


def test_a_delta_of_another_agent_is_not_replaced(agent, delta):
    services.create_agent(agent_id="other", author=AUTOMATIC)
    body = {"agent_id": "other", "operations": [add("Mine.")], "confidence": 1, "replaces": delta}
    assert is_problem(Caller("other").post("deltas", body), 404)
    assert is_problem(waiting("Mine.", replaces="not-a-uuid"), 400)
