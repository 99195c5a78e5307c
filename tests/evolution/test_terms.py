"""What a trace is found by: words, facets, and what errors of one kind have in common."""

from typing import Any

import pytest

from evolution import terms


def made(**fields: Any) -> str:
    given: dict[str, Any] = {
        "success": True,
        "origin": "agent",
        "task_id": "",
        "task_group": "",
        "task_type": "",
        "version": None,
        "error_message": "",
        "steps": [],
    }
    return terms.terms_of(**(given | fields))


def test_a_trace_has_its_state_its_facets_and_its_words() -> None:
    steps = [
        {"tool": "get_fare", "arguments": {"secret": "word"}, "result": "also not"},
        {"tool": "get_fare", "error": "No fare on 12 May"},
    ]
    found = made(
        success=False, task_id="T-9", task_group="G", task_type="refund", version=3, steps=steps
    )
    assert found.split(" ") == [
        *("=xfea", "'=it-9'", "'=gg'", "'=v3'", "'=eNo", "fare", "on", "#", "May'"),
        *("'=tget_fare'", "'=krefund'", "'refund'", "'get'", "'fare'"),
        *("'no'", "'fare'", "'on'", "'12'", "'may'"),
    ]


def test_quotes_and_backslashes_stay_inside_their_term() -> None:
    assert made(task_id="a'b\\c") == "=xsna '=ia''b\\\\c'"


def test_no_trace_has_more_terms_than_a_few_others() -> None:
    steps = [{"tool": f"tool{n}", "error": f"error{n} " * 500} for n in range(5_000)]
    assert len(made(steps=steps).split("' '")) < 150


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("timeout after 30 s", "timeout after 4.5 s"),
        ("no order 0193ab77c0de", "no order ffe1234567"),
        ("broken\nat line 3", "  broken \nat line 9"),
    ],
)
def test_errors_that_differ_by_their_numbers_are_of_one_kind(one: str, other: str) -> None:
    assert terms.signature(one) == terms.signature(other)


def test_errors_in_other_words_are_of_another_kind() -> None:
    assert terms.signature("no fare") != terms.signature("no seat")


def test_a_signature_is_cut_and_has_no_space_at_its_end() -> None:
    found = terms.signature(("x" * 99 + " ") * 3)
    assert found == "x" * 99


def test_what_holds_no_word_asks_for_nothing() -> None:
    assert terms.asked_words("% _ -") is None


@pytest.mark.parametrize("origin", ["agent", "imported", "third_party", "workshop", "test"])
def test_a_state_is_read_as_it_was_written(origin: str) -> None:
    for success in (True, False):
        for errors in (True, False):
            term = terms.state(success, errors, origin)
            assert terms.read_state(term) == (success, errors, origin)
