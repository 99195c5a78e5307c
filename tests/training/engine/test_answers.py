"""An answer is the one expected by its words or its value, however it is written."""

from typing import Any

import pytest

from training.engine.answers import same_answer


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("  Sent.\n", "sent"),
        ("Order  SEVEN", "order seven"),
        ("**42**", "42"),
        ("ﬁne", "fine"),
        ("42", 42),
        ("42.0", 42),
        ('{"b": [1, 2], "a": null}', {"a": None, "b": [1, 2.0]}),
        (True, True),
        ([], []),
    ],
)
def test_the_same_is_found_the_same(answer: Any, expected: Any) -> None:
    assert same_answer(answer, expected)


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        ("not sent", "sent"),
        ("sent", "not sent"),
        ("-5", "5"),
        ("4.2", "42"),
        ("1", True),
        (1, True),
        ("forty-two", 42),
        ("[" * 100_000, [1]),
        ({"a": 1}, {"a": 1, "b": 2}),
        ([1, 2], [2, 1]),
        ([1], [1, 1]),
        ({"a": True}, {"a": 1}),
        (7, "7 "),
        ("NaN", float("nan")),
    ],
)
def test_what_differs_is_not(answer: Any, expected: Any) -> None:
    assert not same_answer(answer, expected)
