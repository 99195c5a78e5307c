"""The operator's decisions from a terminal."""

import json

import pytest
from django.contrib.auth import get_user_model
from django.core.management import CommandError, call_command

from ace_project.core.errors import InvalidInput
from playbooks import actors, selectors, services
from playbooks.models import Agent, Delta, DeltaStatus, Mode
from tests.playbooks.factories import add, content_of


@pytest.fixture
def alice(db):
    return get_user_model().objects.create_superuser("alice")


@pytest.fixture
def waiting(propose):
    return propose(add("Check the date."), may_apply=False).delta


def test_deltas_lists_what_waits(waiting, capsys) -> None:
    call_command("deltas", "bot", status="pending_review")
    line = capsys.readouterr().out.strip().split("\t")
    assert line[:4] == [str(waiting.pk), "bot", "pending_review", "0.90"]
    assert "Check the date." in line[4]


def test_approve_says_that_a_second_person_is_needed(agent, waiting, alice, capsys) -> None:
    rule = {"agent": agent, "sections": ["strategies"], "author": actors.AUTOMATIC}
    services.set_two_person_sections(**rule)
    call_command("approve", str(waiting.pk), operator="alice")
    assert "approval 1 of 2, waits for another reviewer" in capsys.readouterr().out
    waiting.refresh_from_db()
    assert waiting.status == DeltaStatus.PENDING_REVIEW


def test_approve_takes_a_number_or_a_delta_id(waiting, propose, alice, capsys) -> None:
    other = propose(add("Another."), may_apply=False).delta
    call_command("approve", str(waiting.pk), str(other.delta_id), operator="alice")
    assert set(Delta.objects.values_list("status", flat=True)) == {DeltaStatus.APPLIED}
    assert "bot v3" in capsys.readouterr().out


def test_without_as_the_first_operator_decides(waiting, alice) -> None:
    call_command("reject", str(waiting.pk), reason="no")
    waiting.refresh_from_db()
    assert waiting.decided_by == "person:alice"


def test_a_new_installation_has_an_operator_of_its_own(waiting) -> None:
    call_command("approve", str(waiting.pk))
    waiting.refresh_from_db()
    assert waiting.decided_by == "person:operator"
    assert not get_user_model().objects.get().has_usable_password()


def test_a_person_who_is_not_there_cannot_decide(waiting) -> None:
    with pytest.raises(CommandError, match="no active operator 'ghost'"):
        call_command("approve", str(waiting.pk), operator="ghost")


@pytest.mark.parametrize("name", ["999999", "not-a-delta", "9" * 40])
def test_a_delta_that_is_not_there_is_one_clear_line(alice, name) -> None:
    with pytest.raises(CommandError, match="there is no delta"):
        call_command("approve", name)


def test_rollback_and_set_mode_say_what_holds_now(agent, propose, alice, capsys) -> None:
    propose(add("One."))
    call_command("rollback", "bot", to=1, reason="worse")
    call_command("set_mode", "bot", "dry_run")
    out = capsys.readouterr().out
    assert "version 3, the content of 1" in out
    agent.refresh_from_db()
    assert agent.mode == Mode.DRY_RUN


def test_a_json_export_imports_back_to_the_same_content(agent, alice, tmp_path, capsys) -> None:
    call_command("export_playbook", "bot")
    text = capsys.readouterr().out
    path = tmp_path / "bot.json"
    path.write_text(text)
    call_command("import_playbook", path, agent="copy")
    copy = selectors.agent_by_id("copy")
    assert content_of(copy) == content_of(agent) == json.loads(text) | {}
    assert list(content_of(copy)) == list(json.loads(text))


def test_the_papers_text_form_comes_back_line_by_line(alice, tmp_path, capsys, shared_data) -> None:
    source = shared_data / "playbooks" / "appworld_offline.txt"
    call_command("import_playbook", source, agent="appworld")
    capsys.readouterr()
    call_command("export_playbook", "appworld", format="paper")
    given, came = source.read_text(encoding="utf-8"), capsys.readouterr().out
    assert came == given
    found = selectors.agent_by_id("appworld").playbook.bullets.count()
    assert found == 312


def test_importing_the_same_again_makes_no_version(agent, alice, tmp_path, capsys) -> None:
    path = tmp_path / "bot.json"
    path.write_text(json.dumps(content_of(agent)))
    call_command("import_playbook", path, agent="bot")
    assert "has this content already" in capsys.readouterr().out
    assert Agent.objects.get(agent_id="bot").playbook.version == 1


@pytest.mark.parametrize("text", ['{"a": ', "{" * 5000, "[not-an-id text"])
def test_a_file_that_is_no_playbook_is_refused(alice, tmp_path, text) -> None:
    path = tmp_path / "x"
    path.write_text(text)
    with pytest.raises(CommandError):
        call_command("import_playbook", path, agent="bot")
    assert not Agent.objects.exists()


def test_the_text_form_of_what_it_cannot_hold_is_refused(agent) -> None:
    with pytest.raises(CommandError, match="text form"):
        call_command("export_playbook", "bot", format="paper")


def test_settings_of_one_agent_have_ranges(agent) -> None:
    alice = actors.person("alice")
    for name, value in (("ACE_CONFIDENCE_THRESHOLD", 1.5), ("SECRET_KEY", 1.0)):
        with pytest.raises(InvalidInput, match=name):
            services.set_override(agent=agent, name=name, value=value, author=alice)
