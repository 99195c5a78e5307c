"""When a token was last used: written at most once a minute, and never in a call's way."""

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.db import OperationalError, connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from ace_project.core import tokens
from ace_project.core.models import ApiToken
from playbooks import services
from playbooks.actors import AUTOMATIC

pytestmark = pytest.mark.django_db
NOON = datetime(2026, 3, 20, 12, tzinfo=UTC).timestamp()


def used_at(row: ApiToken) -> datetime | None:
    return ApiToken.objects.get(pk=row.pk).last_used_at


def test_a_call_says_that_its_token_is_in_use(client: Client) -> None:
    services.create_agent(agent_id="airline", author=AUTOMATIC)
    text, row = tokens.issue("airline")
    assert used_at(row) is None
    client.get("/api/v1/playbooks/airline", headers={"Authorization": f"Bearer {text}"})
    used = used_at(row)
    assert used is not None
    assert abs(used.timestamp() - time.time()) < 60


def test_within_a_minute_nothing_is_asked_or_written_again() -> None:
    _, row = tokens.issue("airline")
    tokens.note_use(str(row.jti), NOON)
    with CaptureQueriesContext(connection) as queries:
        for seconds in (0.1, 1, 59):
            tokens.note_use(str(row.jti), NOON + seconds)
    assert len(queries) == 0
    tokens.note_use(str(row.jti), NOON + 61)
    assert used_at(row) == datetime.fromtimestamp(NOON + 61, UTC)


def test_another_process_that_noted_it_just_now_is_enough(monkeypatch: Any) -> None:
    _, row = tokens.issue("airline")
    tokens.note_use(str(row.jti), NOON)
    monkeypatch.setattr(tokens, "_noted", {})
    tokens.note_use(str(row.jti), NOON + 30)
    assert used_at(row) == datetime.fromtimestamp(NOON, UTC)


def test_a_revoked_token_is_in_use_no_more() -> None:
    _, row = tokens.issue("airline")
    tokens.revoke(str(row.jti))
    tokens.note_use(str(row.jti), NOON)
    assert used_at(row) is None


def test_a_use_that_cannot_be_written_fails_no_call(monkeypatch: Any, caplog: Any) -> None:
    _, row = tokens.issue("airline")

    def down(*_: Any, **__: Any) -> None:
        raise OperationalError("the server is down")

    monkeypatch.setattr("django.db.models.query.QuerySet.update", down)
    tokens.note_use(str(row.jti), NOON)
    assert "is not written down" in caplog.text


def test_tokens_remembered_are_bounded(monkeypatch: Any) -> None:
    monkeypatch.setattr(tokens, "_MOST_NOTED", 3)
    monkeypatch.setattr(tokens, "_noted", {})
    for number in range(10):
        _, row = tokens.issue(f"agent-{number}")
        tokens.note_use(str(row.jti), NOON + number)
    assert len(tokens._noted) <= 3


def test_who_issued_and_revoked_it_is_kept() -> None:
    _, row = tokens.issue("airline", by="person:ann", now=datetime.now(UTC) - timedelta(days=1))
    tokens.revoke(str(row.jti), by="person:bob")
    row.refresh_from_db()
    assert (row.created_by, row.revoked_by) == ("person:ann", "person:bob")
