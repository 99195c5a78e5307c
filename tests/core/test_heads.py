"""The head pointer in Redis: never older than what was written, never more than a help."""

from dataclasses import replace
from datetime import UTC, datetime

import pytest

from ace_project.core import heads, tokens
from ace_project.core.heads import Head

HEAD = Head(5, "a-public-id", 3, "c" * 64, datetime(2026, 1, 2, 3, 4, 5, 6, tzinfo=UTC), '{"a": 1}')


def stored(agent_id: str = "bot") -> Head | None:
    return heads.cached(agent_id)[0]


@pytest.mark.redis
def test_what_was_written_is_read(live_redis):
    assert stored() is None
    heads.advance("bot", HEAD)
    assert stored() == HEAD


@pytest.mark.redis
@pytest.mark.parametrize("older", [{"version": 2}, {"version": 9, "playbook_id": 4}, {}])
def test_an_older_or_equal_pointer_never_overwrites(live_redis, older):
    heads.advance("bot", HEAD)
    heads.advance("bot", replace(HEAD, **older, content_hash="d" * 64))
    assert stored() == HEAD


@pytest.mark.redis
@pytest.mark.parametrize("newer", [{"version": 4}, {"version": 1, "playbook_id": 6}])
def test_a_newer_pointer_overwrites(live_redis, newer):
    heads.advance("bot", HEAD)
    heads.advance("bot", replace(HEAD, **newer))
    assert stored() == replace(HEAD, **newer)


@pytest.mark.redis
def test_changed_metadata_replaces_the_pointer_of_the_same_version_alone(live_redis):
    heads.advance("bot", HEAD)
    heads.advance("bot", replace(HEAD, metadata="{}"), replace=True)
    assert stored() == replace(HEAD, metadata="{}")
    heads.advance("bot", replace(HEAD, version=2), replace=True)
    assert stored() == replace(HEAD, metadata="{}")


@pytest.mark.redis
def test_an_erased_agent_is_not_put_back_by_a_slow_reader_but_may_be_made_again(live_redis):
    heads.advance("bot", HEAD)
    heads.forget("bot", HEAD.playbook_id)
    assert stored() is None
    heads.advance("bot", HEAD)
    assert stored() is None
    again = replace(HEAD, playbook_id=6, version=1)
    heads.advance("bot", again)
    assert stored() == again


@pytest.mark.redis
def test_the_pointer_and_a_key_beside_it_come_together(live_redis):
    heads.advance("bot", HEAD)
    tokens.remember_live("some-jti")
    assert heads.cached("bot", beside=tokens.live_key("some-jti")) == (HEAD, tokens.LIVE)
    assert heads.cached("bot", beside=tokens.live_key("other")) == (HEAD, None)


@pytest.mark.redis
def test_a_reader_who_found_a_token_live_does_not_undo_its_revocation(live_redis, db):
    _, row = tokens.issue("bot")
    jti = str(row.jti)
    tokens.remember_live(jti)
    tokens.revoke(jti)
    tokens.remember_live(jti)
    assert heads.cached("bot", beside=tokens.live_key(jti))[1] != tokens.LIVE


@pytest.mark.redis
def test_with_the_cache_switched_off_nothing_is_read(live_redis, settings):
    heads.advance("bot", HEAD)
    settings.ACE_ENABLE_CACHE = False
    assert stored() is None


def test_a_dead_redis_slows_and_changes_nothing(dead_redis, db):
    _, row = tokens.issue("bot")
    heads.advance("bot", HEAD)
    heads.forget("bot", 5)
    tokens.remember_live(str(row.jti))
    assert stored() is None
    assert tokens.revoke(str(row.jti))


def test_without_redis_there_is_no_pointer():
    heads.advance("bot", HEAD)
    assert stored() is None
