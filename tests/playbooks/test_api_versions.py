"""REST for a playbook's history."""

import pytest

from playbooks.models import PlaybookVersion
from tests.callers import Caller, is_problem
from tests.playbooks.factories import add, content_of

pytestmark = pytest.mark.django_db
SUMMARY = {
    "version",
    "parent",
    "kind",
    "author",
    "reason",
    "delta_id",
    "restored",
    "created_at",
    "hash",
}


def test_versions_are_listed_newest_first_without_content(
    agent, propose, django_assert_num_queries
):
    deltas = [propose(add(f"Lesson {n}.")).delta for n in range(3)]
    bot = Caller("bot")
    with django_assert_num_queries(3):
        first = bot.get("playbooks/bot/versions?limit=3").json()
    assert [v["version"] for v in first["results"]] == [4, 3, 2]
    assert set(first["results"][0]) == SUMMARY
    assert first["results"][0]["delta_id"] == str(deltas[2].delta_id)
    rest = bot.get(f"playbooks/bot/versions?cursor={first['next']}").json()
    assert [(v["version"], v["parent"]) for v in rest["results"]] == [(1, None)]
    assert rest["next"] is None


def test_one_version_comes_with_its_content(agent, propose):
    before = content_of(agent)
    propose(add("New."))
    answer = Caller("bot").get("playbooks/bot/versions/1")
    assert set(answer.json()) == SUMMARY | {"content"}
    assert answer.json()["content"] == before


@pytest.mark.parametrize("number", ["2", "0", "999999999", "9999999999", "x", "-1", "%00"])
def test_a_version_that_never_was_is_a_404(agent, number):
    assert is_problem(Caller("bot").get(f"playbooks/bot/versions/{number}"), 404)


def test_a_diff_says_what_came_and_went(agent, propose):
    propose(add("New."))
    body = Caller("bot").get("playbooks/bot/diff?from=1&to=2").json()
    assert (body["from"], body["to"]) == (1, 2)
    assert [b["text"] for b in body["sections"]["strategies"]["added"]] == ["New."]
    back = Caller("bot").get("playbooks/bot/diff?from=2&to=1").json()
    assert [b["text"] for b in back["sections"]["strategies"]["removed"]] == ["New."]


@pytest.mark.parametrize(
    "query", ["", "from=1", "to=1", "from=x&to=1", "from=0&to=1", "from=1&to="]
)
def test_a_diff_between_what_is_no_number_is_a_400(agent, query):
    assert is_problem(Caller("bot").get(f"playbooks/bot/diff?{query}"), 400)


def test_a_diff_with_a_version_that_never_was_is_a_404(agent):
    assert is_problem(Caller("bot").get("playbooks/bot/diff?from=1&to=2"), 404)


def test_rolling_back_makes_a_new_version_with_the_old_content(agent, propose):
    before = content_of(agent)
    propose(add("New."))
    body = {"to_version": 1, "reason": "It made things worse."}
    answer = Caller(None).post("playbooks/bot/rollback", body)
    assert answer.status_code == 200
    assert (answer.json()["version"], answer.json()["content"]) == (3, before)
    assert (answer.json()["restored"], answer.json()["reason"]) == (1, body["reason"])
    assert PlaybookVersion.objects.get(number=2).content != before
    assert content_of(agent) == before


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({}, 400),
        ({"to_version": 1}, 400),
        ({"to_version": 1, "reason": ""}, 400),
        ({"to_version": 1, "reason": "  "}, 400),
        ({"to_version": "1", "reason": "x"}, 400),
        ({"to_version": 2, "reason": "x"}, 400),
        ({"to_version": 2**31, "reason": "x"}, 400),
        ({"to_version": 7, "reason": "x"}, 404),
    ],
)
def test_a_roll_back_that_makes_no_sense_is_refused(agent, propose, body, status):
    propose(add("New."))
    assert is_problem(Caller(None).post("playbooks/bot/rollback", body), status)
    assert PlaybookVersion.objects.count() == 2


def test_rolling_back_needs_the_scope_and_one_s_own_agent(agent, propose):
    propose(add("New."))
    body = {"to_version": 1, "reason": "x"}
    assert is_problem(Caller("bot").post("playbooks/bot/rollback", body), 403)
    other = Caller("other", "playbooks:review")
    assert is_problem(other.post("playbooks/bot/rollback", body), 404)
    assert PlaybookVersion.objects.count() == 2


def test_a_repeated_roll_back_happens_once(agent, propose):
    propose(add("New."))
    service, body = Caller(None), {"to_version": 1, "reason": "x"}
    first = service.post("playbooks/bot/rollback", body, idempotency_key="k")
    again = service.post("playbooks/bot/rollback", body, idempotency_key="k")
    assert again.content == first.content
    assert PlaybookVersion.objects.count() == 3


@pytest.mark.parametrize("path", ["versions", "versions/1", "diff?from=1&to=1"])
def test_history_is_the_agent_s_own_and_read_only(agent, path):
    assert Caller("bot").get(f"playbooks/bot/{path}").status_code == 200
    assert is_problem(Caller("other").get(f"playbooks/bot/{path}"), 404)
    assert is_problem(Caller("bot", "traces:read").get(f"playbooks/bot/{path}"), 403)
    assert is_problem(Caller("bot").post(f"playbooks/bot/{path}"), 405)
    assert is_problem(Caller(None).get("playbooks/bot/rollback"), 405)
