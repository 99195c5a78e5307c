"""The delta page of an offer of maintenance: what it rests on, in words and not in JSON."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client

from playbooks import services
from playbooks.content import bullet_id
from playbooks.models import Agent, Delta, Source
from tests.console.conftest import RUN

pytestmark = pytest.mark.django_db

LONG, SHORT = "Check the booking date before a refund.", "Check the booking date before refunds."
KEPT, GOES = bullet_id("strategies", LONG), bullet_id("strategies", SHORT)


@pytest.fixture
def agent(db: None) -> Agent:
    """Return an agent that was told the same more than once."""
    content = {"strategies": [LONG, SHORT, "Open with a summary.", SHORT]}
    return services.create_agent(agent_id="airline", author=RUN, initial_context=content)


@pytest.fixture
def read(signed_in: Callable[..., Client], propose: Callable[..., Delta]) -> Callable[..., str]:
    """Return a reader of the page of an offer with these operations and this evidence."""

    def make(operations: list[dict[str, Any]], evidence: dict[str, Any]) -> str:
        delta = propose(operations=operations, evidence=evidence, source=Source.STATISTICAL)
        return signed_in("viewer").get(f"/review/{delta.pk}/").content.decode()

    return make


def _removal() -> list[dict[str, Any]]:
    return [{"op": "remove", "bullet_id": KEPT}]


def _merge() -> list[dict[str, Any]]:
    return [{"op": "merge", "bullet_ids": [KEPT, GOES], "text": LONG}]


def _pair(one: str, other: str, cosine: Any) -> dict[str, Any]:
    return {"a": one, "b": other, "cosine": cosine}


def _twins(*pairs: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"kind": "near_duplicates", "kept": KEPT, "pairs": list(pairs), **more}


def test_a_merge_shows_the_words_that_go_and_the_cosine(read: Callable[..., str]) -> None:
    page = read(_merge(), _twins(_pair(KEPT, GOES, 0.912), tokens_saved=11))
    assert "<del>refunds</del>" in page
    assert "<ins>a refund</ins>" in page
    assert ">0.912</span>" in page
    assert "11 <small>tokens by estimate</small>" in page
    assert "2 <small>cosine 0.91</small>" in page
    assert "as it was sent" not in page


def test_what_a_merge_keeps_is_not_struck_out(read: Callable[..., str]) -> None:
    page = read(_merge(), _twins(_pair(KEPT, GOES, 0.912)))
    assert f"<del>{SHORT}</del>" in page
    assert f"<del>{LONG}</del>" not in page


def test_a_lesson_that_stands_twice_is_counted_twice(read: Callable[..., str]) -> None:
    pairs = [_pair(KEPT, GOES, 0.9), _pair(GOES, KEPT, 0.9), _pair(GOES, GOES, 1.0)]
    page = read(_merge(), _twins(*pairs))
    assert "3 <small>cosine 0.90 to 1.00</small>" in page
    assert "stands 2 times" in page
    assert "among those that go" not in page


def test_equal_lessons_are_told_to_be_kept_once(read: Callable[..., str]) -> None:
    add = {"op": "add", "section": "strategies", "text": SHORT, "position": 1}
    operations = [{"op": "remove", "bullet_id": GOES}, add]
    page = read(operations, _twins(_pair(GOES, GOES, 1.0)) | {"kept": GOES})
    assert f"Keep “{SHORT}” once in strategies" in page
    assert "The same text, word by word." in page
    assert "stands" not in page.split("The same text, word by word.")[1].split("</div>")[0]


def test_a_harmful_lesson_is_shown_with_and_without(read: Callable[..., str]) -> None:
    counts = {"followed": [44, 102], "not_followed": [131, 198]}
    effect = {"lift": 0.21, "interval": [0.08, 0.33], "q_value": 0.0031}
    page = read(_removal(), {"kind": "harmful", "counts": counts, **effect})
    assert "Without it, predicted" in page
    assert "44 of 102" in page
    assert "131 of 198" in page
    assert "Points without the lesson" in page
    assert "Runs that kept to it" not in page


def test_a_stale_lesson_is_shown_with_the_runs_that_passed_it_by(read: Callable[..., str]) -> None:
    page = read(_removal(), {"kind": "stale", "counts": {"idle": 1260}, "used": 1})
    assert "1,260 <small>that could have used it</small>" in page
    assert "1 time<" in page


def test_what_is_over_budget_is_shown_with_what_it_takes(read: Callable[..., str]) -> None:
    sizes = {"playbook_tokens": 31250, "budget": 30000, "tokens": 88, "used": 0, "gained": 1.5}
    page = read(_removal(), {"kind": "over_budget", **sizes})
    assert "1,250 <small>of 31,250 tokens by estimate</small>" in page
    assert "<dd>1.5</dd>" in page


@pytest.mark.parametrize(
    ("evidence", "brief"),
    [
        ({"kind": "stale", "counts": {"idle": 1260}, "used": 1}, "not used in 1,260 runs"),
        ({"kind": "over_budget", "tokens": 88}, "over budget"),
        ({"kind": "harmful"}, "fails with it"),
        (_twins(_pair(KEPT, GOES, 0.9)), "2 alike"),
    ],
)
def test_the_queue_says_why_in_a_few_words(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    evidence: dict[str, Any],
    brief: str,
) -> None:
    operations = _merge() if "pairs" in evidence else _removal()
    propose(operations=operations, evidence=evidence, source=Source.STATISTICAL)
    page = signed_in("viewer").get("/review/").content.decode()
    assert brief in page
    assert "none sent" not in page


@pytest.mark.parametrize(
    "evidence",
    [
        {"kind": "near_duplicates"},
        _twins(_pair(KEPT, "gone-0123456789abcdef", 0.9)),
        _twins(_pair(KEPT, GOES, "high"), _pair(KEPT, GOES, -1), tokens_saved="many"),
        {"kind": "near_duplicates", "kept": KEPT, "pairs": [1, None, {"cosine": True}]},
        {"kind": "harmful"},
        {"kind": "harmful", "counts": {"followed": [0, 0], "not_followed": [0, 0]}},
        {"kind": "stale", "counts": [260], "used": True},
        {"kind": "over_budget", "playbook_tokens": -1, "budget": None, "gained": "1"},
    ],
)
def test_nonsense_in_an_offer_does_no_harm(
    read: Callable[..., str], evidence: dict[str, Any]
) -> None:
    assert "Where it comes from" in read(_merge(), evidence)
