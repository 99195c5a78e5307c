"""REST for agents."""

import pytest

from ace_project.core import tokens
from playbooks import selectors
from playbooks.models import Agent, AuditEvent, PlaybookVersion
from tests.callers import Caller, is_problem

pytestmark = pytest.mark.django_db
FIELDS = {
    "agent_id",
    "playbook_id",
    "name",
    "metadata",
    "mode",
    "simulated",
    "version",
    "created_at",
}


def test_a_service_makes_an_agent_with_its_playbook_s_first_version():
    body = {"agent_id": "new", "name": "New", "initial_context": {"a": [1]}, "metadata": {"k": 1}}
    answer = Caller(None).post("agents", body)
    assert answer.status_code == 201
    assert set(answer.json()) == FIELDS
    assert answer.json()["mode"] == "strict"
    assert answer.json()["version"] == 1
    version = PlaybookVersion.objects.get(playbook__agent__agent_id="new")
    assert (version.content, version.author) == ({"a": [1]}, "service:ops")


def test_without_content_the_first_version_is_empty():
    Caller(None).post("agents", {"agent_id": "new"})
    assert selectors.head(selectors.agent_by_id("new").playbook).content == {}


def test_an_agent_that_exists_is_a_409(agent):
    assert is_problem(Caller(None).post("agents", {"agent_id": "bot"}), 409)


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, "/agent_id"),
        ({"agent_id": 7}, "/agent_id"),
        ({"agent_id": ""}, "/agent_id"),
        ({"agent_id": "a/b"}, "/agent_id"),
        ({"agent_id": "a\n"}, "/agent_id"),
        ({"agent_id": "-a"}, "/agent_id"),
        ({"agent_id": "a" * 256}, "/agent_id"),
        ({"agent_id": "new", "name": 1}, "/name"),
        ({"agent_id": "new", "name": "n" * 256}, "/name"),
        ({"agent_id": "new", "metadata": []}, "/metadata"),
        ({"agent_id": "new", "initial_context": "x"}, "/initial_context"),
        ({"agent_id": "new", "initial_context": None}, "/initial_context"),
        ({"agent_id": "new", "initial_context": {"s": ["x" * 20_001]}}, "/initial_context/s/0"),
        ([], ""),
        ("{", ""),
    ],
)
def test_an_agent_of_the_wrong_shape_is_a_400_that_points_at_it(body, pointer):
    answer = Caller(None).post("agents", body)
    assert is_problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == pointer
    assert not Agent.objects.exists()


def test_making_an_agent_needs_the_scope_and_an_agent_makes_no_other():
    assert is_problem(Caller("new").post("agents", {"agent_id": "new"}), 403)
    assert is_problem(Caller("bot", "agents:write").post("agents", {"agent_id": "new"}), 404)
    assert not Agent.objects.exists()


def test_an_agent_reads_itself_and_nobody_else(agent, django_assert_num_queries):
    bot = Caller("bot")
    with django_assert_num_queries(2):
        answer = bot.get("agents/bot")
    assert (answer.status_code, set(answer.json())) == (200, FIELDS)
    other, never = Caller("other").get("agents/bot"), Caller("other").get("agents/never")
    assert is_problem(other, 404)
    assert other.json()["detail"] == never.json()["detail"].replace("never", "bot")


def test_name_and_metadata_change(agent):
    answer = Caller(None).patch("agents/bot", {"name": "Bot", "metadata": {"k": [1]}})
    assert answer.status_code == 200
    assert (answer.json()["name"], answer.json()["metadata"]) == ("Bot", {"k": [1]})
    assert Caller(None).get("agents/bot").json() == answer.json()


def test_nothing_to_change_changes_nothing(agent):
    before = AuditEvent.objects.count()
    assert Caller(None).patch("agents/bot", {}).status_code == 200
    assert AuditEvent.objects.count() == before


@pytest.mark.parametrize("who", ["bot", None])
def test_no_token_sets_a_mode(agent, who):
    caller = Caller(who, "agents:write")
    assert is_problem(caller.patch("agents/bot", {"mode": "dry_run"}), 403)
    assert is_problem(caller.post("agents", {"agent_id": "new", "mode": "auto"}), 403)
    agent.refresh_from_db()
    assert agent.mode == "auto"


def test_changing_needs_the_scope_the_right_shape_and_one_s_own_agent(agent):
    assert is_problem(Caller("bot").patch("agents/bot", {"name": "x"}), 403)
    assert is_problem(Caller(None).patch("agents/bot", {"name": None}), 400)
    assert is_problem(Caller("other", "agents:write").patch("agents/bot", {"name": "x"}), 404)
    assert is_problem(Caller(None).patch("agents/never", {"name": "x"}), 404)


def test_erasing_an_agent_takes_all_of_it_and_leaves_its_chain_s_end(agent):
    bot = Caller("bot")
    answer = Caller(None).delete("agents/bot")
    assert (answer.status_code, answer.content) == (204, b"")
    assert not Agent.objects.exists()
    assert not tokens.ApiToken.objects.filter(agent_id="bot").exists()
    assert is_problem(bot.get("playbooks/bot"), 401)
    event = AuditEvent.objects.get(event="agent_erased")
    assert (event.chain, event.actor) == ("", "service:ops")


def test_erasing_needs_the_scope_and_one_s_own_agent(agent):
    assert is_problem(Caller("bot").delete("agents/bot"), 403)
    assert is_problem(Caller("other", "agents:write").delete("agents/bot"), 404)
    assert Agent.objects.filter(agent_id="bot").exists()


@pytest.mark.parametrize(("method", "path"), [("get", "agents"), ("post", "agents/bot")])
def test_a_wrong_method_is_a_405(agent, method, path):
    assert is_problem(Caller(None).call(method, path), 405)


@pytest.mark.parametrize("path", ["agents/a%00b", "agents/%2e%2e", "agents/bot/", "agents/a%20b"])
def test_an_address_that_no_agent_can_have_is_a_404(path):
    assert is_problem(Caller(None).get(path), 404)


def test_both_prefixes_lead_to_the_same(agent):
    assert Caller("bot", prefix="/internal/context/").get("agents/bot").json() == (
        Caller("bot").get("agents/bot").json()
    )
