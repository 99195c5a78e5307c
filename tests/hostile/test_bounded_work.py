"""Texts made to take long: what reads them ends, however they are built.

The limit is a guard against hanging: before, each of these took minutes or hours.
"""

import signal
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from evolution.changes import Change
from evolution.constitution import constitution_of
from evolution.delta_parser import AnswerInvalid, parse_answer
from evolution.llm import documents
from evolution.mandates import Matter, Standing, deliberate

HANGS = 20


@contextmanager
def ending() -> Iterator[None]:
    """Fail, and do not hang, where the block takes for ever."""

    def stop(*_: object) -> None:
        raise AssertionError("it hangs")

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.mark.parametrize(
    "text",
    [
        "```" + "\n" * 1_500_000 + "x",
        "```json" + " " * 1_500_000 + "\nx",
        "```json\n" * 150_000,
        "<think>" * 200_000,
        "{" * 1_000_000,
    ],
    ids=["line breaks", "blanks", "fences", "thoughts", "brackets"],
)
def test_an_answer_of_any_shape_is_searched_for_a_document_in_time(text: str) -> None:
    with ending():
        assert documents.find(text) is None


def test_fences_that_never_close_are_read_in_time() -> None:
    with ending(), pytest.raises(AnswerInvalid, match="not JSON"):
        parse_answer("```json\n" * 24_000, {}, 5)


@pytest.mark.parametrize("piece", ["a", "a-", "-0123456789abcdef", "a1-"])
def test_a_council_reads_long_lessons_in_time(piece: str) -> None:
    long = (piece * 20_000)[:20_000]
    matter = Matter(
        changes=[Change("remove", "strategies", lost=("Look twice.",), bullet_ids=("s-1",))],
        staying=[Standing("strategies", f"{n} {long}") for n in range(40)],
        constitution=constitution_of("default"),
        source="agent",
    )
    with ending():
        assert len(deliberate(matter)) == 4


@pytest.mark.parametrize(
    ("answer", "found"),
    [
        ('```json\n{"deltas": []}\n```', 0),
        ('Here it is:\n```\n{"deltas": []}\n```  \nDone.', 0),
        ('```json \t\n{"deltas":\n[]}\n```', 0),
    ],
)
def test_an_answer_in_a_fence_is_still_read(answer: str, found: int) -> None:
    assert len(parse_answer(answer, {}, 5).deltas) == found
    assert documents.find(answer) == {"deltas": []}
