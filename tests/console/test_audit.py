"""The audit log: filtered by the address, taken away as a file, verified link by link."""

import csv
import json
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ace_project.console import audit_export
from playbooks import audit, services
from playbooks.actors import person
from playbooks.models import Agent, AuditEvent, Mode, PlaybookVersion, Verification
from playbooks.services import verification

LOG = "/audit/"
EXPORT = "/audit/export/"
VERIFY = "/audit/verify/"


def record(chain: str, event: str, who: str, subject: str = "") -> None:
    audit.record(chain, event, person(who), now=timezone.now(), subject=subject)


def exported(client: Client, **asked: str) -> list[dict[str, str]]:
    body = b"".join(client.get(EXPORT, asked).streaming_content).decode()
    return list(csv.DictReader(body.splitlines()))


def test_a_stranger_is_sent_to_sign_in(client: Client, db: None) -> None:
    assert client.get(LOG).status_code == client.get(EXPORT).status_code == 302


def test_other_methods_are_refused(signed_in: Callable[..., Client]) -> None:
    admin = signed_in("admin")
    assert admin.post(LOG).status_code == admin.delete(EXPORT).status_code == 405


def test_an_empty_log_says_so(signed_in: Callable[..., Client]) -> None:
    assert "Nothing has happened yet." in signed_in("viewer").get(LOG).content.decode()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({"chain": "airline"}, ["version_published", "agent_created"]),
        ({"chain": "system"}, ["signed"]),
        ({"event": "signed"}, ["signed"]),
        ({"actor": "ANN"}, ["signed"]),
        ({"actor": "person:an"}, ["signed"]),
        ({"actor": "nn"}, []),
        ({"q": "ticket-7"}, ["signed"]),
        ({"q": "TICK"}, ["signed"]),
        ({"q": "it's \\ & !"}, []),
        ({"q": "strict"}, ["agent_created"]),
        ({"since": "2020-01-01", "event": "signed"}, ["signed"]),
        ({"until": "2020-01-01"}, []),
        ({"since": "2990-01-01"}, []),
        ({"since": "no day", "chain": "system"}, ["signed"]),
        ({"until": "9999-12-31", "chain": "system"}, ["signed"]),
        ({"chain": "nobody\x00"}, []),
    ],
)
def test_events_are_chosen_by_the_address(
    signed_in: Callable[..., Client], agent: Agent, asked: dict[str, str], found: list[str]
) -> None:
    record("", "signed", "ann", subject="ticket-7")
    viewer = signed_in("viewer")
    shown = viewer.get(LOG, asked).context["page"].rows
    assert [row.event for row in shown] == found
    assert [row["event"] for row in exported(viewer, **asked)] == found[::-1]


def test_the_log_asks_nothing_per_row(signed_in: Callable[..., Client], agent: Agent) -> None:
    viewer = signed_in("viewer")
    viewer.get(LOG)
    with CaptureQueriesContext(connection) as few:
        viewer.get(LOG)
    for number in range(60):
        record("airline", "noted", f"ann-{number}")
    with CaptureQueriesContext(connection) as many:
        page = viewer.get(LOG).context["page"]
    assert len(few) == len(many) <= 8
    assert len(page.rows) == 50
    assert len(viewer.get(LOG + page.next_url).context["page"].rows) == 12


# ---- verification ----
def verified(client: Client, **fields: str) -> str:
    return client.post(VERIFY, fields, follow=True).content.decode()


def test_a_budget_is_named_by_whose_it_is_and_its_month(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    for subject in ("global 2026-03", f"agent:{agent.pk} 2026-03", "agent:99999 2026-03"):
        record(audit.SYSTEM, "budget_threshold", "ann", subject)
    page = signed_in("viewer").get(LOG).content.decode()
    for words in ("all agents, Mar 2026", f"{agent.agent_id}, Mar 2026", "an erased agent, Mar"):
        assert words in page
    assert "agent:" not in page


def test_verifying_finds_every_link_whole_and_says_who_asked(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer", "ann")
    assert "No chain was verified here yet." in viewer.get(LOG).content.decode()
    page = verified(viewer)
    assert "Every link holds: 2 events in 1 chain, 1 version of 1 playbook." in page
    row = Verification.objects.get()
    assert (row.status, row.asked_by, row.links) == ("whole", "person:ann", row.expected)


def test_a_changed_event_is_named(signed_in: Callable[..., Client], agent: Agent) -> None:
    AuditEvent.objects.filter(chain="airline", number=1).update(actor="person:mallory")
    viewer = signed_in("viewer")
    for fields in ({}, {"chain": "airline"}):
        page = verified(viewer, **fields)
        assert "A chain is broken." in page
        assert "airline, event 1: its hash does not hold" in page


def test_a_changed_version_is_named_too(signed_in: Callable[..., Client], agent: Agent) -> None:
    PlaybookVersion.objects.update(content={"strategies": ["Forged."]})
    page = verified(signed_in("viewer"))
    assert "airline, version 1: its content is not what was written" in page


def test_a_long_chain_goes_on_in_the_worker_and_the_page_says_how_far_it_is(
    signed_in: Callable[..., Client], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "SLICE", 30)
    for number in range(20):
        record("airline", "noted", "ann", subject=f"note {number}")
    viewer = signed_in("viewer")
    assert "10 of about 23 links." in verified(viewer)
    part = viewer.get(LOG, headers={"HX-Request": "true"}).content.decode()
    assert 'hx-trigger="every 2s' in part
    assert "<html" not in part
    while Verification.objects.filter(status="running").exists():
        before = Verification.objects.get().links
        verification.verify_what_is_asked()
        row = Verification.objects.get()
        assert row.links > before or row.status == "whole"
    assert (row.events, row.versions, row.problems) == (22, 1, [])
    assert "hx-trigger" not in viewer.get(LOG, headers={"HX-Request": "true"}).content.decode()


def test_who_asks_while_it_goes_on_joins_it(
    signed_in: Callable[..., Client], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "SLICE", 1)
    verified(signed_in("viewer", "ann"))
    verified(signed_in("viewer", "bob"))
    assert Verification.objects.get().asked_by == "person:ann"


def test_an_agent_that_is_erased_while_it_goes_on_is_no_broken_link(
    signed_in: Callable[..., Client], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verification, "SLICE", 1)
    verified(signed_in("viewer"))
    services.delete_agent(agent=agent, author=person("bob"))
    while Verification.objects.filter(status="running").exists():
        verification.verify_what_is_asked()
    assert Verification.objects.get().status == "whole"


def test_a_chain_that_is_none_is_not_verified(signed_in: Callable[..., Client]) -> None:
    assert "There is no chain nobody." in verified(signed_in("viewer"), chain="nobody")
    assert not Verification.objects.exists()


def test_a_stranger_verifies_nothing_and_it_is_asked_by_post(
    client: Client, signed_in: Callable[..., Client]
) -> None:
    assert client.post(VERIFY).status_code == 302
    assert signed_in("admin").get(VERIFY).status_code == 405
    assert not Verification.objects.exists()


# ---- taking it away ----
def test_a_spreadsheet_runs_nothing_of_an_export(signed_in: Callable[..., Client]) -> None:
    record("", "noted", "ann", subject="=HYPERLINK(1)")
    (row,) = exported(signed_in("viewer"))
    assert row["subject"] == "'=HYPERLINK(1)"
    assert len(row["hash"]) == 64


def test_the_export_for_programs_has_a_line_of_json_for_each_event(
    signed_in: Callable[..., Client], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(audit_export, "AT_ONCE", 1)
    answer = signed_in("viewer").get(EXPORT, {"format": "jsonl", "chain": "airline"})
    lines = [json.loads(line) for line in b"".join(answer.streaming_content).splitlines()]
    assert [line["number"] for line in lines] == [1, 2]
    assert lines[0]["data"] == {"mode": "strict"}
    assert 'filename="audit.jsonl"' in answer.headers["Content-Disposition"]


def test_a_row_says_what_was_set_and_leads_to_what_it_is_about(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    services.set_mode(agent=agent, mode=Mode.DRY_RUN, author=person("ann"))
    page = signed_in("viewer").get(LOG).content.decode()
    assert "from strict to dry run" in page
    assert 'href="/playbooks/airline/?version=1"' in page


def test_what_others_wrote_is_escaped(signed_in: Callable[..., Client], db: None) -> None:
    evil = "<script>alert(1)</script>\u202e"
    services.create_agent(agent_id="airline", author=person(evil))
    record("airline", "noted", evil, subject=evil)
    page = signed_in("viewer").get(LOG).content.decode()
    assert "<script>alert(1)" not in page
    assert "U+202E" in page
