import numpy as np
import pytest

from evolution.leaks import View, early
from evolution.lessons import parse
from evolution.mining import frequent_tools, mine
from evolution.runs import Run, Step


def step(word):
    """Build a step: "pay", "pay!" for a failed call, "pay:2" for other arguments."""
    name, _, arguments = word.rstrip("!").partition(":")
    return Step(name, arguments or "{}", "no such row" if word.endswith("!") else None)


def run(words, number=0):
    steps = tuple(step(word) for word in words.split())
    return Run(f"t{number}", f"g{number}", None, None, True, steps)


def stood(words, lesson, horizon=None):
    """Tell how a run stood to a lesson: True kept, False broken, None not a case for it."""
    runs = [run(words), run("pay check other pay! other check pay last pay other", 1)]
    seen = View(tuple(runs), None) if horizon is None else early(runs, horizon)
    conduct = mine(seen, 0)
    column = conduct.lessons.index(parse(lesson))
    if not conduct.at_risk[0, column]:
        return None
    return bool(conduct.followed[0, column])


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("check pay", True),
        ("pay check", False),
        ("pay check pay", False),
        ("check", None),
        ("check! pay", None),  # tried in vain: not left out by choice
        ("other! check pay", None),  # prompted by an error
        ("other! pay", None),  # the payment itself was
        ("check other pay", True),
        ("check! other check pay", True),
    ],
)
def test_a_call_before_another_counts_where_it_was_a_choice(words, kept):
    assert stood(words, "Before pay, call check.") is kept


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("pay:1 pay:2", True),
        ("pay:1 other pay:1", False),
        ("pay:1! other pay:1", True),  # a retry after an error that another success followed
        ("pay:1! pay:1", None),  # a repeat prompted by an error
        ("pay:1 other! pay:1", None),
        ("other", None),
    ],
)
def test_a_repeat_counts_unless_an_error_prompted_it(words, kept):
    assert stood(words, "Never repeat an identical pay.") is kept


@pytest.mark.parametrize(
    ("words", "kept"), [("other", True), ("pay", False), ("other! pay", None), ("pay!", False)]
)
def test_a_call_that_an_error_prompted_does_not_speak_against_never(words, kept):
    assert stood(words, "Never call pay.") is kept


@pytest.mark.parametrize(
    ("words", "kept"),
    [("pay other", True), ("other", False), ("pay! other", None), ("check other!", None)],
)
def test_a_run_that_an_error_ended_left_nothing_out(words, kept):
    assert stood(words, "Do not finish before pay.") is kept


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("pay! check pay", True),
        ("pay! pay check", False),
        ("pay! other", False),  # the duty also holds at the finish
        ("pay! check! pay", None),
        ("pay check", None),
    ],
)
def test_the_first_answer_to_an_error_counts(words, kept):
    lesson = "After error no such row from pay, call check before trying pay again."
    assert stood(words, lesson) is kept


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("pay! check pay pay", True),  # a failed call did nothing: the check came in time
        ("pay! pay! check pay", False),
        ("check other pay pay", True),  # most runs pay sooner or later
        ("other other pay pay", None),
    ],
)
def test_early_steps_are_judged_by_what_was_done_so_far(words, kept):
    assert stood(words, "Before pay, call check.", horizon=2) is kept


def test_early_steps_say_nothing_about_the_finish():
    kinds = {lesson.kind for lesson in mine(early([run("pay check other")], 2), 0).lessons}
    assert "finish" not in kinds


def test_rare_tools_and_errors_are_left_out():
    runs = [run("pay check", n) for n in range(5)] + [run("odd odd!", 9)]
    assert set(frequent_tools(runs, 2)) == {"pay", "check"}
    conduct = mine(View(tuple(runs), None), 2)
    assert all("odd" not in (lesson.tool, lesson.other) for lesson in conduct.lessons)


def test_every_mined_lesson_can_be_said():
    runs = [run("pay check", n) for n in range(5)]
    spaced = [Run(f"s{n}", "g", None, None, True, (Step("a tool", "{}"),)) for n in range(5)]
    lessons = mine(View((*runs, *spaced), None), 1).lessons
    assert lessons
    assert all(" " not in lesson.tool for lesson in lessons)


def test_followed_is_only_said_of_cases():
    rng = np.random.default_rng(1)
    words = ["pay", "check", "pay!", "other", "check!"]
    runs = [run(" ".join(rng.choice(words, 6)), n) for n in range(60)]
    conduct = mine(View(tuple(runs), None), 1)
    assert not (conduct.followed & ~conduct.at_risk).any()
