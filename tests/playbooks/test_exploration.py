"""Bullets left out by chance: who draws, what is told, and what is believed afterwards."""

from statistics import fmean

import pytest

from ace_project.core.errors import InvalidInput
from playbooks import actors, audit, exploration, selectors, services
from playbooks.content import bullets
from playbooks.exploration import Exploration
from playbooks.models import Agent
from tests.callers import Caller, is_problem

CONTENT = {
    "strategies": [f"Lesson {n}." for n in range(20)],
    "Constraints": ["Never read a card back.", "Never promise."],
    "goals": {"main": "help"},
}
SHARE = 0.1


@pytest.fixture
def agent(db: None) -> Agent:
    """Return an agent with twenty lessons and two constraints, whose share is set."""
    services.create_agent(agent_id="bot", author=actors.AUTOMATIC, initial_context=CONTENT)
    found = selectors.agent_by_id("bot")
    return services.set_override(
        agent=found, name=selectors.EXPLORATION, value=SHARE, author=actors.person("ann")
    )


def test_each_bullet_is_left_out_with_the_share_and_apart_from_the_others() -> None:
    found = bullets(CONTENT)
    free, sessions = found[:20], [Exploration("bot", 1, f"s{n}", SHARE) for n in range(2000)]
    told = [set(one.told(found)) for one in sessions]
    out = [[b.bullet_id not in ids for b in free] for ids in told]
    # Both within four standard errors of the binomial.
    for column in range(20):
        assert abs(fmean(row[column] for row in out) - SHARE) < 0.027
    assert abs(fmean(row[0] and row[1] for row in out) - SHARE**2) < 0.009
    assert all({b.bullet_id for b in found[20:]} <= ids for ids in told)


def test_another_version_agent_session_or_secret_draws_anew(settings) -> None:
    found, one = bullets(CONTENT), Exploration("bot", 1, "s", 0.2)
    told = one.told(found)
    assert Exploration("bot", 1, "s", 0.2).told(found) == told
    others = [("bot", 2, "s"), ("but", 1, "s"), ("bot", 1, "t")]
    assert all(Exploration(*other, 0.2).told(found) != told for other in others)
    session = one.session
    settings.SECRET_KEY = "another one, that is as long as a secret key has to be"
    assert one.told(found) != told
    assert exploration.read("bot", 1, session) is None


@pytest.mark.parametrize("name", ["s", "a~b", "é" * 128, "~", " "])
def test_a_session_is_believed_as_it_was_signed_alone(name: str) -> None:
    one = Exploration("bot", 3, name, 0.05)
    assert len(one.session) <= 255
    assert exploration.read("bot", 3, one.session) == one
    signature = one.session.rpartition("~")[2]
    forged = [name, f"{name}~0.0001~{signature}", f"{name}~nan~{signature}", one.session + "0"]
    assert [exploration.read("bot", 3, text) for text in forged] == [None] * 4
    assert exploration.read("bot", 4, one.session) is None
    assert exploration.read("other", 3, one.session) is None


def test_a_session_reads_the_same_and_is_told_what_it_was_told(agent) -> None:
    bot = Caller("bot")
    whole, answer = bot.get("playbooks/bot"), bot.get("playbooks/bot?explore=task-7")
    body = answer.json()
    assert set(body) == {*whole.json(), "explored"}
    told = body["explored"]
    assert told["share"] == SHARE
    assert told["bullets"] == [bullet.bullet_id for bullet in bullets(body["content"])]
    assert exploration.read("bot", 1, told["session"]).told(bullets(CONTENT)) == told["bullets"]
    assert len(told["bullets"]) < 22
    assert (body["content"]["Constraints"], body["content"]["goals"]) == (
        CONTENT["Constraints"],
        CONTENT["goals"],
    )
    assert bot.get("playbooks/bot?explore=task-7").content == answer.content
    assert bot.get("playbooks/bot?explore=task-8").json()["content"] != body["content"]
    assert bot.get("playbooks/bot?version=1&explore=task-7").content == answer.content


def test_its_etag_is_the_sessions_own_and_the_versions_stays(agent) -> None:
    bot = Caller("bot")
    whole, told = bot.get("playbooks/bot"), bot.get("playbooks/bot?explore=a")
    assert "private" in told["Cache-Control"]
    etags = {whole["ETag"], told["ETag"], bot.get("playbooks/bot?explore=b")["ETag"]}
    assert len(etags) == 3
    assert bot.get("playbooks/bot?explore=a", if_none_match=told["ETag"]).status_code == 304
    assert bot.get("playbooks/bot?explore=a", if_none_match=whole["ETag"]).status_code == 200
    assert bot.get("playbooks/bot", if_none_match=told["ETag"]).content == whole.content
    services.set_override(
        agent=agent, name=selectors.EXPLORATION, value=None, author=actors.AUTOMATIC
    )
    off = bot.get("playbooks/bot?explore=a")
    assert (off.content, off["ETag"]) == (whole.content, whole["ETag"])


def test_without_the_parameter_it_is_one_statement_as_ever(agent, django_assert_num_queries):
    bot = Caller("bot")
    bot.get("playbooks/bot?explore=a")
    with django_assert_num_queries(1 + 1):  # the content, which nobody asked for yet
        assert bot.get("playbooks/bot").json()["content"] == CONTENT
    with django_assert_num_queries(1):
        assert "explored" not in bot.get("playbooks/bot").json()


def test_anothers_token_finds_nothing_and_a_session_without_a_name_is_refused(agent) -> None:
    assert is_problem(Caller("other").get("playbooks/bot?explore=a"), 404)
    for name in ("", "x" * 129, "%00"):
        assert is_problem(Caller("bot").get(f"playbooks/bot?explore={name}"), 400)


def test_the_share_is_bounded_and_audited(agent) -> None:
    for value in (0.21, -0.1, float("nan")):
        with pytest.raises(InvalidInput):
            services.set_override(
                agent=agent, name=selectors.EXPLORATION, value=value, author=actors.AUTOMATIC
            )
    event = audit.end_of_chain("bot")
    assert (event.event, event.subject, event.data["to"]) == (
        "setting_set",
        "ACE_EXPLORATION_SHARE",
        SHARE,
    )
