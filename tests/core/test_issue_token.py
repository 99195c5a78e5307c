"""`manage.py issue_token`."""

import time
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from ace_project.core import tokens
from ace_project.core.models import ApiToken

pytestmark = pytest.mark.django_db


def issued(*words: str) -> tokens.Principal:
    out = StringIO()
    call_command("issue_token", *words, stdout=out)
    return tokens.principal(f"Bearer {out.getvalue().split()[-1]}", time.time())


def test_the_token_is_the_last_word():
    found = issued("bot", "--scope", "playbooks:read", "--scope", "traces:read", "--days", "2")
    assert found.agent_id == "bot"
    assert found.scopes == {"playbooks:read", "traces:read"}
    assert 1.9 * 86400 < found.expires - time.time() <= 2 * 86400


def test_an_agent_s_token_has_the_usual_scopes_without_any_named():
    assert issued("bot").scopes == frozenset(tokens.AGENT_SCOPES)


def test_a_star_stands_for_a_service():
    found = issued("*", "--scope", "agents:write", "--name", "ci")
    assert (found.agent_id, found.subject) == (None, "service:ci")


@pytest.mark.parametrize("words", [["no/agent"], ["bot", "--days", "0"], ["bot", "--scope", "all"]])
def test_what_makes_no_sense_is_refused(words):
    with pytest.raises(CommandError):
        call_command("issue_token", *words)
    assert not ApiToken.objects.exists()
