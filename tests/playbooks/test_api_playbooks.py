"""REST for playbooks: made and read."""

import json

import pytest
from django.core.cache import caches

from ace_project.core import metrics, tokens
from playbooks import selectors, services
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent
from tests.callers import Caller, is_problem
from tests.playbooks.factories import add

pytestmark = pytest.mark.django_db


def test_an_agent_makes_its_own_playbook():
    content = {"z": ["é", "b"], "a": {"n": 10**30}}
    answer = Caller("new").post("playbooks", {"agent_id": "new", "initial_context": content})
    body = answer.json()
    assert answer.status_code == 201
    assert set(body) == {"playbook_id", "agent_id", "version", "content", "created_at"}
    assert (body["version"], body["content"]) == (1, content)
    assert list(body["content"]) == ["z", "a"]


def test_a_second_playbook_is_a_409(agent):
    body = {"agent_id": "bot", "initial_context": {}}
    assert is_problem(Caller("bot").post("playbooks", body), 409)


def test_making_one_for_another_agent_is_a_404_and_needs_the_scope():
    body = {"agent_id": "other", "initial_context": {}}
    assert is_problem(Caller("bot").post("playbooks", body), 404)
    assert is_problem(Caller("other", "playbooks:read").post("playbooks", body), 403)
    assert not Agent.objects.exists()


@pytest.mark.parametrize(
    "body", [{}, {"agent_id": "new"}, {"agent_id": "new", "initial_context": []}]
)
def test_a_playbook_of_the_wrong_shape_is_a_400(body):
    assert is_problem(Caller("new").post("playbooks", body), 400)


def test_a_repeated_key_makes_one_playbook_and_keeps_the_order_of_sections():
    caller = Caller("new")
    body = {"agent_id": "new", "initial_context": {"z": 1, "a": 2}}
    first = caller.post("playbooks", body, idempotency_key="k")
    assert caller.post("playbooks", body, idempotency_key="k").content == first.content
    assert is_problem(caller.post("playbooks", {**body, "x": 1}, idempotency_key="k"), 422)


def test_the_live_version_comes_with_its_etag_in_one_statement(agent, django_assert_num_queries):
    bot = Caller("bot")
    bot.get("playbooks/bot")
    with django_assert_num_queries(1):
        answer = bot.get("playbooks/bot")
    body = answer.json()
    assert set(body) == {
        "playbook_id",
        "agent_id",
        "version",
        "content",
        "last_updated",
        "metadata",
    }
    head = selectors.head(agent.playbook)
    assert (body["version"], body["content"]) == (1, head.content)
    assert answer["ETag"] == f'"1-{head.content_hash[:32]}"'
    assert answer["Content-Type"] == "application/json"
    assert "private" in answer["Cache-Control"]


@pytest.mark.parametrize("form", ["{}", "W/{}", '"x", {}', "*"])
def test_who_has_it_already_gets_a_304(agent, form):
    bot = Caller("bot")
    etag = bot.get("playbooks/bot")["ETag"]
    answer = bot.get("playbooks/bot", if_none_match=form.format(etag))
    assert (answer.status_code, answer.content, answer["ETag"]) == (304, b"", etag)


def test_who_has_an_older_one_gets_the_new(agent, propose):
    bot = Caller("bot")
    etag = bot.get("playbooks/bot")["ETag"]
    propose(add("New."))
    answer = bot.get("playbooks/bot", if_none_match=etag)
    assert (answer.status_code, answer.json()["version"]) == (200, 2)
    assert "New." in answer.json()["content"]["strategies"]


def test_an_old_version_is_read_by_its_number(agent, propose):
    bot = Caller("bot")
    before = bot.get("playbooks/bot")
    propose(add("New."))
    answer = bot.get("playbooks/bot?version=1")
    assert (answer.json(), answer["ETag"]) == (before.json(), before["ETag"])
    assert is_problem(bot.get("playbooks/bot?version=3"), 404)


@pytest.mark.parametrize("number", ["0", "-1", "x", "", "1.0", "9" * 30, "%00"])
def test_a_version_that_is_no_number_is_a_400(agent, number):
    assert is_problem(Caller("bot").get(f"playbooks/bot?version={number}"), 400)


def test_head_answers_like_get(agent):
    assert Caller("bot").call("head", "playbooks/bot")["ETag"]


def test_another_agent_s_playbook_is_a_404_like_one_that_never_was(agent):
    other = Caller("other")
    found, never = other.get("playbooks/bot"), other.get("playbooks/never")
    assert is_problem(found, 404)
    assert found.json()["detail"].replace("bot", "never") == never.json()["detail"]
    assert is_problem(other.get("playbooks/bot?version=1"), 404)
    assert is_problem(Caller(None).get("playbooks/never"), 404)


def test_reading_needs_a_live_token_and_the_scope(agent):
    bot = Caller("bot")
    assert is_problem(bot.get("playbooks/bot", authorization=""), 401)
    assert is_problem(Caller("bot", "traces:read").get("playbooks/bot"), 403)
    tokens.revoke(str(bot.row.jti))
    answer = bot.get("playbooks/bot")
    assert is_problem(answer, 401)
    assert answer["WWW-Authenticate"]


def test_an_agent_without_a_playbook_yet_gets_a_404():
    assert is_problem(Caller("new").get("playbooks/new"), 404)


def test_metadata_is_the_agent_s(agent):
    Caller(None).patch("agents/bot", {"metadata": {"team": "é"}})
    assert Caller("bot").get("playbooks/bot").json()["metadata"] == {"team": "é"}


def test_content_comes_as_it_was_sent_however_large_its_numbers():
    content = {"n": 10**400, "f": 1e-300, "deep": json.loads("[" * 60 + "]" * 60), "s": "\u2028🙂"}
    Caller("new").post("playbooks", {"agent_id": "new", "initial_context": content})
    assert Caller("new").get("playbooks/new").json()["content"] == content


def test_hits_and_misses_of_the_cache_are_counted(agent):
    def counts():
        return metrics.CACHE_HITS._value.get(), metrics.CACHE_MISSES._value.get()

    bot = Caller("bot")
    hits, misses = counts()
    bot.get("playbooks/bot")
    bot.get("playbooks/bot")
    assert counts() == (hits + 1, misses + 1)


def test_without_the_cache_the_answer_is_the_same(agent, settings):
    cached = Caller("bot").get("playbooks/bot").content
    settings.ACE_ENABLE_CACHE = False
    assert Caller("bot").get("playbooks/bot").content == cached


@pytest.mark.parametrize("method", ["put", "delete", "options"])
def test_a_wrong_method_is_a_405(agent, method):
    assert is_problem(Caller("bot").call(method, "playbooks/bot"), 405)
    assert is_problem(Caller("bot").call("get", "playbooks"), 405)


def test_context_belongs_to_a_later_part(agent):
    assert is_problem(Caller("bot").get("playbooks/bot/context"), 404)


def test_bullets_come_with_where_they_are_from(agent, propose, django_assert_num_queries):
    propose(add("New."))
    bot = Caller("bot")
    bot.get("playbooks/bot/bullets")
    with django_assert_num_queries(3):
        body = bot.get("playbooks/bot/bullets").json()
    assert [(b["text"], b["position"]) for b in body["results"]] == [
        ("Look before you leap.", 0),
        ("Ask twice.", 1),
        ("New.", 2),
    ]
    new = body["results"][2]
    assert set(new) >= {"bullet_id", "section", "lineage", "counters"}
    assert (new["introduced_version"], new["introduced_by"]) == (2, "agent:bot")
    assert new["counters"] == {"used": 0, "helped": 0, "harmed": 0}
    assert body["next"] is None


def test_pages_of_bullets_stay_with_the_version_they_began_in(agent, propose):
    bot = Caller("bot")
    first = bot.get("playbooks/bot/bullets?limit=1").json()
    propose({"op": "add", "section": "strategies", "text": "First now.", "position": 0})
    second = bot.get(f"playbooks/bot/bullets?cursor={first['next']}").json()
    assert [b["text"] for b in second["results"]] == ["Ask twice."]


def test_bullets_are_the_agent_s_own_and_a_bad_page_is_a_400(agent):
    assert is_problem(Caller("other").get("playbooks/bot/bullets"), 404)
    assert is_problem(Caller("bot", "traces:read").get("playbooks/bot/bullets"), 403)
    assert is_problem(Caller("bot").get("playbooks/bot/bullets?limit=0"), 400)
    assert is_problem(Caller("bot").get("playbooks/bot/bullets?cursor=x"), 400)
    assert is_problem(Caller("bot").post("playbooks/bot/bullets"), 405)


@pytest.fixture
def live_redis(redis_url, settings):
    shared = {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": redis_url,
        "KEY_PREFIX": "ace-api-test",
    }
    settings.CACHES = {**settings.CACHES, "shared": shared}
    settings.REDIS_URL = redis_url
    caches["shared"].clear()
    yield
    caches["shared"].clear()


@pytest.mark.redis
def test_with_redis_a_hit_asks_postgresql_nothing(agent, live_redis, django_assert_num_queries):
    bot = Caller("bot")
    first = bot.get("playbooks/bot")
    with django_assert_num_queries(0):
        answer = bot.get("playbooks/bot")
    assert answer.content == first.content
    with django_assert_num_queries(0):
        assert bot.get("playbooks/bot", if_none_match=first["ETag"]).status_code == 304


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_with_redis_a_change_is_seen_at_once(live_redis):
    services.create_agent(agent_id="bot", author=AUTOMATIC, mode="auto")
    bot = Caller("bot")
    bot.get("playbooks/bot")
    change = {"operations": [add("New.")], "confidence": 1}
    assert bot.patch("playbooks/bot", change).status_code == 200
    assert bot.get("playbooks/bot").json()["version"] == 2
    Caller(None).patch("agents/bot", {"metadata": {"k": 1}})
    assert bot.get("playbooks/bot").json()["metadata"] == {"k": 1}


@pytest.mark.redis
@pytest.mark.django_db(transaction=True)
def test_with_redis_revocation_and_erasure_hold_at_once(live_redis):
    services.create_agent(agent_id="bot", author=AUTOMATIC)
    bot, service = Caller("bot"), Caller(None)
    for _ in range(2):
        assert bot.get("playbooks/bot").status_code == 200
        assert service.get("playbooks/bot").status_code == 200
    tokens.revoke(str(bot.row.jti))
    assert is_problem(bot.get("playbooks/bot"), 401)
    service.delete("agents/bot")
    assert is_problem(service.get("playbooks/bot"), 404)


@pytest.mark.redis
def test_with_redis_scope_and_agent_are_checked_on_a_hit_too(agent, live_redis):
    Caller(None).get("playbooks/bot")
    for caller, status in ((Caller("other"), 404), (Caller("bot", "traces:read"), 403)):
        tokens.remember_live(str(caller.row.jti))
        assert is_problem(caller.get("playbooks/bot"), status)
