"""The audit log: filtered by the address, taken away as a file, verified link by link."""

import csv
from collections.abc import Callable

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from playbooks import audit, services
from playbooks.actors import person
from playbooks.models import Agent, AuditEvent, PlaybookVersion

LOG = "/audit/"
EXPORT = "/audit/export/"


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
        ({"chain": "nobody\x00"}, []),
    ],
)
def test_events_are_chosen_by_the_address(
    signed_in: Callable[..., Client], agent: Agent, asked: dict[str, str], found: list[str]
) -> None:
    record("", "signed", "ann")
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


def test_verifying_finds_every_link_whole(signed_in: Callable[..., Client], agent: Agent) -> None:
    page = signed_in("viewer").get(LOG, {"verify": "1"}).content.decode()
    assert "Every link holds: 2 chains of events, the versions of 1 playbook." in page


def test_a_changed_event_is_named(signed_in: Callable[..., Client], agent: Agent) -> None:
    AuditEvent.objects.filter(chain="airline", number=1).update(actor="person:mallory")
    viewer = signed_in("viewer")
    for asked in ({"verify": "1"}, {"verify": "1", "chain": "airline"}):
        page = viewer.get(LOG, asked).content.decode()
        assert "A chain is broken." in page
        assert "airline, event 1: its hash does not hold" in page


def test_a_changed_version_is_named_too(signed_in: Callable[..., Client], agent: Agent) -> None:
    PlaybookVersion.objects.update(content={"strategies": ["Forged."]})
    page = signed_in("viewer").get(LOG, {"verify": "1"}).content.decode()
    assert "airline, version 1: its content is not what was written" in page


def test_a_spreadsheet_runs_nothing_of_an_export(signed_in: Callable[..., Client]) -> None:
    record("", "noted", "ann", subject="=HYPERLINK(1)")
    (row,) = exported(signed_in("viewer"))
    assert row["subject"] == "'=HYPERLINK(1)"
    assert len(row["hash"]) == 64


def test_what_others_wrote_is_escaped(signed_in: Callable[..., Client], db: None) -> None:
    evil = "<script>alert(1)</script>\u202e"
    services.create_agent(agent_id="airline", author=person(evil))
    record("airline", "noted", evil, subject=evil)
    page = signed_in("viewer").get(LOG).content.decode()
    assert "<script>alert(1)" not in page
    assert "U+202E" in page
