"""Ten seconds to take a decision back, and only one's own."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from playbooks import services
from playbooks.actors import person
from playbooks.models import Delta, DeltaStatus

pytestmark = pytest.mark.django_db


def _age(client: Client, seconds: float) -> None:
    session = client.session
    session["undo"] = session["undo"] | {"until": session["undo"]["until"] - seconds}
    session.save()


@pytest.fixture
def decided(signed_in: Callable[..., Client], propose: Callable[..., Delta]) -> tuple[Any, Delta]:
    """Return a reviewer's browser and the delta that it rejected just now."""
    client, delta = signed_in("reviewer", "ann"), propose()
    client.post(f"/review/{delta.pk}/", {"do": "reject", "reason": "no"})
    return client, delta


def _status(delta: Delta) -> str:
    return Delta.objects.get(pk=delta.pk).status


def test_the_offer_stands_on_every_page_until_it_is_taken(decided: tuple[Any, Delta]) -> None:
    client, delta = decided
    assert "Undo within" in client.get("/").content.decode()
    assert client.post("/undo/").headers["Location"] == f"/review/{delta.pk}/"
    assert _status(delta) == DeltaStatus.PENDING_REVIEW
    assert "Undo within" not in client.get("/").content.decode()


def test_after_ten_seconds_it_is_no_longer_offered(decided: tuple[Any, Delta]) -> None:
    client, _ = decided
    _age(client, 10.5)
    assert "Undo within" not in client.get("/").content.decode()


def test_a_press_that_comes_too_late_changes_nothing_and_says_so(
    decided: tuple[Any, Delta],
) -> None:
    client, delta = decided
    _age(client, 13)
    assert "Too late" in client.post("/undo/", follow=True).content.decode()
    assert _status(delta) == DeltaStatus.REJECTED


def test_a_decision_that_another_made_since_is_not_undone(decided: tuple[Any, Delta]) -> None:
    client, delta = decided
    services.undo_decision(delta=delta, by=person("bob"))
    services.approve_delta(delta=delta, by=person("bob"))
    page = client.post("/undo/", follow=True).content.decode()
    assert "was decided again since" in page
    assert _status(delta) == DeltaStatus.APPLIED


def test_an_erased_delta_cannot_be_undone(decided: tuple[Any, Delta]) -> None:
    client, delta = decided
    services.delete_agent(agent=delta.playbook.agent, author=person("bob"))
    answer = client.post("/undo/")
    assert answer.status_code == 302
    assert f"Delta {delta.pk} is gone." in client.get("/").content.decode()


def test_with_nothing_decided_there_is_nothing_to_undo(signed_in: Callable[..., Client]) -> None:
    assert "Too late" in signed_in("reviewer").post("/undo/", follow=True).content.decode()


def test_only_a_reviewer_may_undo_and_only_by_posting(
    signed_in: Callable[..., Client], client: Client
) -> None:
    assert "/sign-in/" in client.post("/undo/").headers["Location"]
    assert signed_in("viewer").post("/undo/").status_code == 403
    assert signed_in("reviewer").get("/undo/").status_code == 405
