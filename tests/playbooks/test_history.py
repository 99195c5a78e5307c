"""Chains that verify, and that name the link where somebody tampered."""

import pytest
from django.core.management import CommandError, call_command
from django.db import connection

from playbooks import actors, audit, services
from playbooks.models import AuditEvent, PlaybookVersion
from tests.playbooks.factories import add, content_of


@pytest.fixture
def grown(agent, propose):
    for number in range(3):
        propose(add(f"Lesson {number}."))
    agent.playbook.refresh_from_db()
    return agent


def test_an_untouched_history_verifies(grown, capsys) -> None:
    assert audit.verify_versions(grown) is None
    assert audit.verify_events("bot") is None
    call_command("verify_history")
    assert "every link holds" in capsys.readouterr().out


def test_one_flipped_byte_of_an_old_version_is_found_and_named(grown) -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            """UPDATE context_playbook_versions SET content = replace(content::text, 'leap', 'leaq')
               ::json WHERE number = 2"""
        )
        assert cursor.rowcount == 1
    broken = audit.verify_versions(grown)
    assert broken is not None
    assert broken.link == "version 2"
    with pytest.raises(CommandError, match="bot: version 2"):
        call_command("verify_history", "bot")


@pytest.mark.parametrize(
    "change",
    [
        {"author": "person:mallory"},
        {"reason": "nothing to see"},
        {"hash": "0" * 64},
        {"restored": 1},
        {"created_at": "2020-01-01T00:00:00Z"},
    ],
)
def test_any_changed_field_of_a_version_is_found(grown, change) -> None:
    PlaybookVersion.objects.filter(number=3).update(**change)
    broken = audit.verify_versions(grown)
    assert broken is not None
    assert broken.link in ("version 3", "version 4")


def test_a_version_that_was_taken_out_is_missed(grown) -> None:
    PlaybookVersion.objects.filter(number=2).delete()
    broken = audit.verify_versions(grown)
    assert broken is not None
    assert (broken.link, broken.problem) == ("version 2", "is missing")


def test_a_head_that_was_moved_back_is_found(grown) -> None:
    PlaybookVersion.objects.filter(number=4).delete()
    assert audit.verify_versions(grown) is not None


@pytest.mark.parametrize("change", [{"actor": "person:mallory"}, {"data": {"x": 1}}])
def test_a_changed_audit_event_is_found(grown, change) -> None:
    AuditEvent.objects.filter(chain="bot", number=2).update(**change)
    broken = audit.verify_events("bot")
    assert broken is not None
    assert broken.link == "event 2"


def test_an_erased_agent_leaves_the_end_of_its_chain_under_a_pseudonym(grown) -> None:
    last = audit.end_of_chain("bot")
    assert last is not None
    services.delete_agent(agent=grown, author=actors.person("alice"))
    event = AuditEvent.objects.get(chain=audit.SYSTEM, event="agent_erased")
    assert event.data == {"events": last.number, "head": last.hash}
    assert "bot" not in event.subject
    assert not AuditEvent.objects.filter(chain="bot").exists()
    assert not PlaybookVersion.objects.exists()
    assert audit.verify_events(audit.SYSTEM) is None


def test_an_agent_made_again_after_its_erasure_starts_anew(grown) -> None:
    services.delete_agent(agent=grown, author=actors.person("alice"))
    fresh = services.get_or_create_agent(agent_id="bot", author=actors.person("bob"))
    assert content_of(fresh) == {}
    assert audit.verify_versions(fresh) is None
