"""JSON Web Tokens: issued, checked, revoked."""

import uuid
from datetime import timedelta

import jwt
import pytest
from django.utils import timezone

from ace_project.core import tokens
from ace_project.core.errors import InvalidInput, Unauthenticated
from ace_project.core.models import ApiToken, IdempotencyKey

pytestmark = pytest.mark.django_db
NOW = 1_800_000_000.0


def test_a_token_says_who_it_is_for_and_what_it_may():
    text, row = tokens.issue("bot")
    found = tokens.principal(f"Bearer {text}", timezone.now().timestamp())
    assert (found.subject, found.agent_id, found.jti) == ("agent:bot", "bot", str(row.jti))
    assert found.scopes == frozenset(tokens.AGENT_SCOPES)


def test_a_service_s_token_names_no_agent():
    text, _ = tokens.issue(None, scopes=["agents:write"], name="ops")
    found = tokens.principal(f"bearer {text}", timezone.now().timestamp())
    assert (found.subject, found.agent_id) == ("service:ops", None)
    assert found.scopes == {"agents:write"}


@pytest.mark.parametrize("options", [{"scopes": ["root"]}, {"days": 0}, {"days": 99_999}])
def test_a_token_that_makes_no_sense_is_not_issued(options):
    with pytest.raises(InvalidInput):
        tokens.issue("bot", **options)
    assert not ApiToken.objects.exists()


def test_an_expired_token_is_refused_though_its_text_was_seen_before():
    text, row = tokens.issue("bot", days=1)
    before = row.expires_at - timedelta(seconds=2)
    assert tokens.principal(f"Bearer {text}", before.timestamp())
    with pytest.raises(Unauthenticated):
        tokens.principal(f"Bearer {text}", row.expires_at.timestamp() + 1)


@pytest.mark.parametrize(
    "header",
    ["", "Bearer", "Bearer ", "Basic eDp5", "Bearer not.a.token", "Bearer " + "x" * 5000, "é"],
)
def test_a_header_that_is_no_token_is_refused(header):
    with pytest.raises(Unauthenticated):
        tokens.principal(header, NOW)


def claims(**changed: object) -> dict[str, object]:
    base = {"sub": "agent:bot", "agent_id": "bot", "scope": "playbooks:read", "exp": NOW + 60}
    return {**base, "jti": str(uuid.uuid4()), **changed}


@pytest.mark.parametrize("key", ["another key of enough length, 32", ""])
def test_a_token_signed_by_another_is_refused(key):
    algorithm = "HS256" if key else "none"
    text = jwt.encode(claims(), key, algorithm=algorithm)
    with pytest.raises(Unauthenticated):
        tokens.principal(f"Bearer {text}", NOW)


@pytest.mark.parametrize(
    "changed",
    [{"scope": ["a"]}, {"agent_id": 7}, {"jti": None}, {"jti": "no uuid"}, {"exp": "soon"}],
)
def test_a_token_with_claims_of_the_wrong_type_is_refused(changed, settings):
    text = jwt.encode(claims(**changed), tokens._key(settings.SECRET_KEY), algorithm="HS256")
    with pytest.raises(Unauthenticated):
        tokens.principal(f"Bearer {text}", NOW)


def test_a_revoked_token_is_not_live_and_is_revoked_once():
    _, row = tokens.issue("bot")
    assert tokens.is_live(str(row.jti))
    assert tokens.revoke(str(row.jti))
    assert not tokens.is_live(str(row.jti))
    assert not tokens.revoke(str(row.jti))


def test_erasing_an_agent_s_tokens_takes_the_answers_kept_for_it_too():
    _, mine = tokens.issue("bot")
    _, other = tokens.issue("bot2")
    for key, token, text in (
        ("own", str(mine.jti), "{}"),
        ("service", "a service", '{"agent_id":"bot","content":{}}'),
        ("other", str(other.jti), '{"agent_id":"bot2"}'),
    ):
        IdempotencyKey.objects.create(
            token=token, key=key, body_hash="", status=200, body={"text": text}
        )
    tokens.erase("bot")
    assert [row.key for row in IdempotencyKey.objects.all()] == ["other"]
    assert [row.agent_id for row in ApiToken.objects.all()] == ["bot2"]
