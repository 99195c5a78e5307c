"""What approving the ticked deltas would make, told before it is made."""

from collections.abc import Callable

import pytest
from django.test import Client

from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.content import bullet_id
from playbooks.models import Agent, Delta, DeltaStatus, PlaybookVersion, Source

pytestmark = pytest.mark.django_db
URL = "/review/selected/"
DATE = bullet_id("strategies", "Check the booking date.")


def _ask(client: Client, *deltas: Delta, fragment: bool = False) -> str:
    query = "&".join(f"delta={delta.pk}" for delta in deltas)
    headers = {"HX-Request": "true"} if fragment else {}
    return client.get(f"{URL}?{query}", headers=headers).content.decode()


def test_the_sentence_names_versions_and_changes_nothing(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, deltas = signed_in("reviewer"), [propose("One lesson."), propose("Other advice.")]
    told = _ask(client, *deltas, fragment=True)
    assert "Makes airline v2 to v3." in told
    assert "<html" not in told
    assert PlaybookVersion.objects.count() == 1


def test_what_is_foreseen_is_what_happens(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    client = signed_in("reviewer", "ann")
    signed_in("reviewer", "bob")
    rule = {"agent": agent, "sections": ["constraints"], "author": AUTOMATIC}
    services.set_two_person_sections(**rule)
    reword = {"op": "update", "bullet_id": DATE}
    deltas = [
        propose(operations=[{**reword, "text": "Check the date first."}]),
        propose(operations=[{**reword, "text": "Check the date last."}]),
        propose(operations=[{"op": "add", "section": "constraints", "text": "Never twice."}]),
        propose("Mine.", author=person("ann"), source=Source.OPERATOR),
        propose("One lesson."),
    ]
    page = _ask(client, *deltas)
    assert "Makes airline v2 to v3. 1 kept as 1 of 2 approvals. 2 stay as they are." in " ".join(
        page.replace("<span>", " ").replace("</span>", " ").split()
    )
    assert "it would not fit what comes before it here" in page
    assert "another reviewer has to approve what you wrote yourself" in page
    assert "Approve 3 deltas" in page
    client.post("/review/", {"do": "approve", "delta": [delta.pk for delta in deltas]})
    now = [Delta.objects.get(pk=delta.pk) for delta in deltas]
    assert [one.applied_version for one in now] == [2, None, None, None, 3]
    assert now[2].reviews.get().stands


def test_with_nothing_ticked_it_says_so(signed_in: Callable[..., Client]) -> None:
    assert "Tick deltas in the queue first." in _ask(signed_in("reviewer"))


def test_only_a_reviewer_asks_and_only_by_reading(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    assert signed_in("viewer").get(URL).status_code == 403
    assert signed_in("reviewer").post(URL, {"delta": delta.pk}).status_code == 405
    assert Delta.objects.get().status == DeltaStatus.PENDING_REVIEW
