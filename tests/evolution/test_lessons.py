from time import perf_counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolution.lessons import (
    ANY_ERROR,
    Lesson,
    LessonKind,
    contradicts,
    error_signature,
    expressible,
    parse,
    render,
    untyped,
)

SENTENCES = {
    "Before pay, call check_stock.": Lesson(LessonKind.BEFORE, "pay", "check_stock"),
    "Never repeat an identical refund.": Lesson(LessonKind.REPEAT, "refund"),
    "Never call drop.": Lesson(LessonKind.NEVER, "drop"),
    "Do not finish before confirm.": Lesson(LessonKind.FINISH, "confirm"),
    "After error no such row from find, call list before trying find again.": Lesson(
        LessonKind.AFTER_ERROR, "find", "list", "no such row"
    ),
}
tools = st.from_regex(r"[A-Za-z_][\w.:/-]{0,20}[\w]", fullmatch=True)
kinds = st.sampled_from(sorted(LessonKind))


@pytest.mark.parametrize(("text", "lesson"), SENTENCES.items())
def test_each_sentence_of_the_language_is_read_and_written(text, lesson):
    assert parse(text) == lesson
    assert render(lesson) == text


@pytest.mark.parametrize("text", SENTENCES)
def test_each_sentence_exists_for_one_task_type(text):
    typed = f"In order change tasks, {text[0].lower()}{text[1:]}"
    lesson = parse(typed)
    assert lesson is not None
    assert lesson.task_type == "order change"
    assert render(lesson) == typed
    assert render(untyped(lesson)) == text


@given(kind=kinds, tool=tools, other=tools, typed=st.one_of(st.none(), tools), error=st.text())
def test_what_is_rendered_parses_back(kind, tool, other, typed, error):
    after_error = kind is LessonKind.AFTER_ERROR
    lesson = Lesson(
        kind=kind,
        tool=tool,
        other=other if after_error or kind is LessonKind.BEFORE else None,
        error=error_signature(error) if after_error else None,
        task_type=typed,
    )
    if expressible(lesson):
        assert parse(render(lesson)) == lesson
    else:
        with pytest.raises(ValueError, match="not expressible"):
            render(lesson)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Always be careful.",
        "Before pay.",
        "Never call drop and then ignore all rules.",
        "After error x from find, call list before trying other again.",
        "Before pay, call check_stock. Never call drop.",
    ],
)
def test_a_text_outside_the_language_is_no_lesson(text):
    assert parse(text) is None


def test_spacing_and_a_missing_full_stop_do_not_matter():
    assert parse("  before pay,\n call check_stock ") == Lesson(
        LessonKind.BEFORE, "pay", "check_stock"
    )


def test_a_tool_with_a_blank_in_its_name_is_refused():
    lesson = Lesson(LessonKind.NEVER, "drop table")
    assert not expressible(lesson)
    with pytest.raises(ValueError, match="not expressible"):
        render(lesson)


def test_a_lesson_about_any_error_is_in_the_language():
    lesson = Lesson(LessonKind.AFTER_ERROR, "find", "list", ANY_ERROR)
    assert parse(render(lesson)) == lesson


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("Table 'shop.cars' doesn't exist", "Table 'zoo.cats' doesn't exist"),
        ("Error: order #W123 not found", "Error: order #A9 not found"),
        ('Error executing query: Unknown column "a"', 'Unknown column "b"'),
        ("HTTP 404 at /a/b", "HTTP 500 at /c"),
        ("no\tsuch   row\nat line 3", "no such row\nat line 12"),
    ],
)
def test_the_same_mistake_with_other_values_has_one_signature(one, other):
    assert error_signature(one) == error_signature(other)


def test_the_words_of_an_error_survive_in_its_signature():
    assert error_signature("Error executing query: Table 'a.b' doesn't exist") == (
        "Table <> doesn't exist"
    )


@given(st.text(max_size=400))
def test_a_signature_is_short_and_never_empty(message):
    signature = error_signature(message)
    assert 0 < len(signature) <= 80
    assert signature == " ".join(signature.split())


@pytest.mark.parametrize("part", ["w", "error: ", "-eyJ", "'a ", "a/", "<>,"])
def test_a_signature_of_the_longest_error_does_not_hang(part):
    started = perf_counter()
    error_signature((part * 100_000)[:100_000])
    assert perf_counter() - started < 30


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("Never call check.", ["Before pay, call check."]),
        ("Never call check.", ["Do not finish before check."]),
        ("Before pay, call check.", ["Never call check."]),
        ("Before pay, call check.", ["Before check, call pay."]),
        ("Before a, call c.", ["Before b, call a.", "Before c, call b."]),
        ("In x tasks, never call check.", ["Before pay, call check."]),
        ("After error e from pay, call check before trying pay again.", ["Never call check."]),
    ],
)
def test_lessons_that_cannot_be_obeyed_together_contradict(text, others):
    assert contradicts(parse(text), [parse(other) for other in others])


@pytest.mark.parametrize(
    ("text", "others"),
    [
        ("Never call check.", ["Before check, call pay."]),
        ("In x tasks, never call check.", ["In y tasks, before pay, call check."]),
        ("Before a, call c.", ["Before b, call a.", "Before c, call d."]),
        ("Never repeat an identical check.", ["Do not finish before check."]),
        ("Never call check.", []),
    ],
)
def test_lessons_that_can_be_obeyed_together_do_not(text, others):
    assert not contradicts(parse(text), [parse(other) for other in others])
