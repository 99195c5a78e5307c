"""History: any two versions side by side, and the way back, which says first what it changes."""

from collections.abc import Callable

import pytest
from django.test import Client
from django.utils import timezone

from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, AuditEvent, Bullet, Delta, DeltaStatus, PlaybookVersion

COMPARE = "/playbooks/airline/compare/"
BACK = "/playbooks/airline/rollback/"
BOB = person("bob")


@pytest.fixture
def changed(agent: Agent, propose: Callable[..., Delta]) -> Delta:
    """Return the applied delta that made version 2."""
    return services.approve_delta(delta=propose("Quote the fare."), by=BOB)


def number_of_versions() -> int:
    return PlaybookVersion.objects.count()


@pytest.mark.parametrize("url", [COMPARE, BACK])
def test_a_stranger_is_sent_to_sign_in_and_a_viewer_reads(
    client: Client, signed_in: Callable[..., Client], changed: Delta, url: str
) -> None:
    assert client.get(url).status_code == 302
    assert signed_in("viewer").get(url).status_code == 200


@pytest.mark.parametrize("url", [COMPARE, BACK])
def test_other_methods_are_refused(
    signed_in: Callable[..., Client], changed: Delta, url: str
) -> None:
    assert signed_in("operator").put(url).status_code == 405


@pytest.mark.parametrize("url", [f"{COMPARE}?from=7", f"{BACK}?to=7", "/playbooks/nobody/compare/"])
def test_a_version_that_never_was_is_a_404(
    signed_in: Callable[..., Client], changed: Delta, url: str
) -> None:
    assert signed_in("viewer").get(url).status_code == 404


def test_two_versions_are_compared_word_by_word_in_both_directions(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    name = Bullet.objects.get(text="Open with a summary.").bullet_id
    change = {"op": "update", "bullet_id": name, "text": "Open with a question."}
    services.approve_delta(delta=propose(operations=[change]), by=BOB)
    viewer = signed_in("viewer")
    there = viewer.get(COMPARE, {"from": 1, "to": 2}).content.decode()
    assert "<del>summary</del> <ins>question</ins>" in there
    back = viewer.get(COMPARE, {"from": 2, "to": 1}).content.decode()
    assert "<del>question</del> <ins>summary</ins>" in back


def test_the_comparison_says_what_was_measured_with_its_interval(
    signed_in: Callable[..., Client], agent: Agent, changed: Delta
) -> None:
    for number in range(80):
        ExecutionTrace.objects.create(
            agent=agent,
            trace_id=f"t{number}",
            success=number >= 40,
            playbook_version=1 if number < 40 else 2,
            captured_at=timezone.now(),
        )
    page = signed_in("viewer").get(COMPARE).content.decode()
    assert "+100.0 points" in page
    assert "The interval excludes zero." in page


# ---- the way back ----
def test_the_preview_says_what_changes_and_which_delta_is_taken_out(
    signed_in: Callable[..., Client], changed: Delta
) -> None:
    page = signed_in("operator").get(BACK, {"to": 1}).content.decode()
    assert "<del>Quote the fare.</del>" in page
    assert f"Delta {changed.pk} is taken out." in page


def test_an_operator_rolls_back_with_a_reason_that_the_audit_keeps(
    signed_in: Callable[..., Client], agent: Agent, changed: Delta
) -> None:
    fields = {"to": 1, "live": 2, "reason": "It cost us"}
    answer = signed_in("operator", "ann").post(BACK, fields, follow=True)
    assert "v3 is live with the content of v1." in answer.content.decode()
    version = PlaybookVersion.objects.get(number=3)
    assert (version.author, version.reason, version.restored) == ("person:ann", "It cost us", 1)
    assert Delta.objects.get().status == DeltaStatus.UNDONE
    moved, published = AuditEvent.objects.filter(chain="airline")[:2]
    assert (published.event, published.data["reason"]) == ("version_published", "It cost us")
    assert (moved.event, moved.data["reason"]) == ("delta_undone", "roll back to version 1")


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_only_an_operator_rolls_back(
    signed_in: Callable[..., Client], changed: Delta, role: str
) -> None:
    visitor = signed_in(role)
    assert visitor.post(BACK, {"to": 1, "live": 2, "reason": "x"}).status_code == 403
    assert "needs the role operator" in visitor.get(BACK).content.decode()
    assert number_of_versions() == 2


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"to": 1, "live": 2, "reason": " "}, "needs a version and a reason"),
        ({"to": "x", "live": 2, "reason": "y"}, "needs a version and a reason"),
        ({"to": 2, "live": 2, "reason": "y"}, "Version 2 is live already"),
        ({"to": 9, "live": 2, "reason": "y"}, "There is no version 9"),
        ({"to": 1, "live": 1, "reason": "y"}, "V2 went live meanwhile, by bob"),
    ],
)
def test_a_roll_back_that_cannot_be_changes_nothing_and_says_why(
    signed_in: Callable[..., Client], changed: Delta, fields: dict[str, object], words: str
) -> None:
    operator = signed_in("operator")
    operator.post(BACK, fields)
    assert words in operator.get(BACK).content.decode()
    assert number_of_versions() == 2


def test_the_first_version_has_nothing_to_go_back_to(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    assert "Nothing to roll back to" in signed_in("operator").get(BACK).content.decode()


def test_a_long_comparison_comes_in_pages(signed_in: Callable[..., Client], agent: Agent) -> None:
    content = {"strategies": [f"Lesson {n}." for n in range(250)]}
    services.import_playbook(agent=agent, content=content, author=BOB, reason="more")
    viewer = signed_in("viewer")
    first = viewer.get(COMPARE, {"from": 1, "to": 2}).content.decode()
    assert "Changes 1 to 200 of 252" in first
    assert "Lesson 249." not in first
    rest = viewer.get(COMPARE, {"from": 1, "to": 2, "start": 200}).content.decode()
    assert "Changes 201 to 252 of 252" in rest
    assert "Lesson 249." in rest


def test_two_roll_backs_at_the_same_moment_are_one(
    signed_in: Callable[..., Client], changed: Delta
) -> None:
    seen = {"to": 1, "live": 2, "reason": "It cost us"}
    signed_in("operator", "ann").post(BACK, seen)
    page = signed_in("operator", "cid").post(BACK, seen, follow=True).content.decode()
    assert "V3 went live meanwhile, by ann" in page
    assert number_of_versions() == 3
