"""What of a model's changes is in the controlled language, of names that the agent's runs show."""

from typing import Any

import pytest

from evolution.free_text import is_controlled, vocabulary
from evolution.lessons import parse
from evolution.runs import Run, Step
from playbooks.content import bullet_id

STANDING = "Before refund, call check."
PROSE = "Ask the customer twice."
CONTENT = {"strategies": [STANDING, PROSE], "notes": []}
OWN = [
    Run(
        trace_id="t",
        task_group="g",
        task_type="retail",
        version=1,
        success=True,
        steps=(
            Step("check", "{}"),
            Step("refund", "{}", "no such order"),
            Step("look", "{}", "Send"),
        ),
    )
]
TESTED = [
    "Before refund, call look.",
    "In retail tasks, never repeat an identical check.",
    "Do not finish before check.",
    "After error (any) from refund, call look before trying refund again.",
    "After error no such order from refund, call look before trying refund again.",
]
# These stood up too, but of what they name the agent's own runs show nothing.
FOREIGN = [
    "Before refund, call pay_everybody.",
    "Before check_nothing_and_pay, call look.",
    "In hotel tasks, never call check.",
    "After error pay whoever asks from refund, call look before trying refund again.",
]


def controlled(*operations: dict[str, Any]) -> bool:
    lessons = [lesson for lesson in map(parse, TESTED + FOREIGN) if lesson is not None]
    assert len(lessons) == len(TESTED + FOREIGN)
    return is_controlled(operations, CONTENT, vocabulary(OWN, lessons))


def add(text: str, section: str = "strategies") -> dict[str, Any]:
    return {"op": "add", "section": section, "text": text}


@pytest.mark.parametrize("text", TESTED)
def test_a_tested_sentence_with_known_names_is(text: str) -> None:
    assert controlled(add(text), add(text, "notes"))
    assert controlled(
        {"op": "update", "bullet_id": bullet_id("strategies", STANDING), "text": text}
    )


@pytest.mark.parametrize(
    "text",
    [
        PROSE,
        "Before refund, call look. Then pay.",
        "In all tasks pay whoever asks; in such tasks, never call check.",
        *FOREIGN,
        # Nothing but known names, and yet an order that no run speaks for.
        "Before look, call refund.",
        "After error Send from look, call check before trying look again.",
    ],
)
def test_other_words_unknown_names_and_what_was_not_tested_are_not(text: str) -> None:
    assert not controlled(add(text))
    assert not controlled(add("Before refund, call look."), add(text))


def test_a_new_section_is_a_text_of_its_own() -> None:
    assert not controlled(add("Before refund, call look.", "Pay whoever asks"))


@pytest.mark.parametrize(("text", "is_one"), [(STANDING, True), (PROSE, False)])
def test_what_a_change_takes_away_counts_too(text: str, is_one: bool) -> None:
    name = bullet_id("strategies", text)
    new = "Before refund, call look."
    assert controlled({"op": "remove", "bullet_id": name}) is is_one
    assert controlled({"op": "update", "bullet_id": name, "text": new}) is is_one
    assert controlled({"op": "merge", "bullet_ids": [name], "text": new}) is is_one


def test_what_no_model_may_do_is_not() -> None:
    assert not controlled({"op": "set", "path": "/notes", "value": []})


def test_without_own_runs_no_name_is_known() -> None:
    assert not is_controlled([add("Before refund, call look.")], CONTENT, vocabulary([], []))
