"""Which deltas are a matter for the council: constraints, losses, and little evidence."""

from typing import Any

import pytest

from playbooks.content import bullet_id
from playbooks.judges.council import council_reasons, little_evidence
from tests.playbooks.factories import add

CONTENT = {
    "strategies": ["Look before you leap.", "Ask twice."],
    "constraints": ["Never pay twice."],
    "goals": {"main": "help", "tone": "kind"},
}
FIRST = bullet_id("strategies", "Look before you leap.")
RULE = bullet_id("constraints", "Never pay twice.")
STRONG = {
    "kind": "statistical", "exploratory": False, "q_value": 0.001, "within_group": False,
    "counts": {"followed": [30, 40], "not_followed": [5, 20]}, "between": {"groups": 34},
    "within": None, "for": ["t1"], "against": [],
}  # fmt: skip


def reasons(*operations: dict[str, Any], source: str = "agent", evidence: Any = None) -> str:
    return "; ".join(council_reasons(operations, CONTENT, source, evidence or {}))


@pytest.mark.parametrize(
    "operation",
    [
        add("Never share a password.", "constraints"),
        add("Never share a password.", "Constraints"),
        {"op": "update", "bullet_id": RULE, "text": "Pay twice."},
        {"op": "move", "bullet_id": RULE, "position": 0},
        {"op": "set", "path": "/constraints/0", "value": "Pay twice."},
        {"op": "set", "path": "/constraints", "value": ["Never pay twice.", "Never leap."]},
        {"op": "set", "path": "", "value": CONTENT},
    ],
)
def test_whatever_reaches_the_constraints_is_a_matter_for_the_council(operation) -> None:
    assert "touches the constraints" in reasons(operation)


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "remove", "bullet_id": FIRST},
        {"op": "unset", "path": "/goals/tone"},
        {"op": "merge", "bullet_ids": [FIRST, RULE], "text": "Look twice."},
        {"op": "set", "path": "/strategies", "value": ["Ask twice."]},
        {"op": "set", "path": "/strategies", "value": ["Ask twice.", "Another one."]},
        {"op": "set", "path": "/strategies", "value": "nothing"},
        {"op": "set", "path": "/goals", "value": {"main": "help"}},
        {"op": "set", "path": "/goals/main", "value": None},
        {"op": "set", "path": "/goals/main", "value": ""},
    ],
)
def test_whatever_loses_something_is_one_too_however_it_is_spelled(operation) -> None:
    assert "loses what stands there" in reasons(operation)


@pytest.mark.parametrize(
    "operation",
    [
        add("Check the date."),
        add("Mind the constraints."),
        {"op": "update", "bullet_id": FIRST, "text": "Look twice before you leap."},
        {"op": "move", "bullet_id": FIRST, "position": 1},
        {"op": "set", "path": "/goals/main", "value": "serve"},
        {"op": "set", "path": "/goals/new", "value": "serve"},
        {"op": "set", "path": "/limits", "value": []},
        {"op": "set", "path": "/strategies/7/x", "value": 1},
    ],
)
def test_what_adds_or_rewords_elsewhere_is_not(operation) -> None:
    assert reasons(operation) == ""


@pytest.mark.parametrize("source", ["agent", "operator", "scripted"])
def test_who_owes_no_evidence_never_gives_too_little(source) -> None:
    assert reasons(add("Check the date."), source=source) == ""
    assert little_evidence(source, {"exploratory": True, "counts": {"followed": [1, 2]}}) == ""


def test_a_generators_strong_evidence_needs_no_council() -> None:
    assert reasons(add("Check the date."), source="statistical", evidence=STRONG) == ""


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({"exploratory": True}, "exploratory"),
        ({"counts": {"followed": [5, 10], "not_followed": [1, 9]}}, "19 runs"),
        ({"between": {"groups": 9}}, "9 task groups"),
        ({"within_group": True, "within": {"groups": 4}}, "4 task groups"),
    ],
)
def test_a_generators_little_evidence_is_named(changed, why) -> None:
    said = reasons(add("Check."), source="statistical", evidence=STRONG | changed)
    assert said.startswith("rests on little evidence") and why in said


def test_within_a_task_group_fewer_groups_are_enough() -> None:
    evidence = STRONG | {"within_group": True, "within": {"groups": 5}}
    assert little_evidence("statistical", evidence) == ""


@pytest.mark.parametrize(
    ("cited", "little"),
    [([], True), (["a", "b"], True), (["a", "b", "b"], True), (["a", "b", "c"], False)],
)
def test_a_model_needs_three_citations_that_hold(cited, little) -> None:
    assert bool(little_evidence("llm", {"kind": "llm", "for": cited, "against": []})) is little


@pytest.mark.parametrize(
    "evidence",
    [
        {"counts": 3, "within": [], "between": "x", "for": 7},
        {"counts": {"followed": [None, "9"], "not_followed": []}, "for": [None, {}]},
        {"counts": {"a": float("nan"), "b": True}, "within_group": "yes"},
    ],
)
def test_evidence_that_makes_no_sense_raises_nothing(evidence) -> None:
    for source in ("statistical", "llm", "training", "agent"):
        assert isinstance(reasons(add("Check."), source=source, evidence=evidence), str)


def test_several_reasons_are_all_given() -> None:
    found = council_reasons(
        [{"op": "remove", "bullet_id": RULE}], CONTENT, "llm", {"for": ["a"], "against": []}
    )
    assert len(found) == 4


@pytest.mark.parametrize(
    ("source", "said", "free"),
    [
        ("llm", {}, True),
        ("llm", {"controlled": False}, True),
        ("llm", {"controlled": True}, False),
        ("training", {"controlled": False}, True),
        ("training", {}, False),
        ("statistical", {}, False),
        ("agent", {"controlled": False}, False),
    ],
)
def test_a_models_own_words_are_a_matter_for_the_council(source, said, free) -> None:
    evidence = STRONG | {"for": ["a", "b", "c"]} | said
    found = reasons(add("Check the date."), source=source, evidence=evidence)
    assert found == ("is free text of a model" if free else "")
