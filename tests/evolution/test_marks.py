"""Marks of failing runs: found where they were planted, absent where nothing is, never advice."""

import json
from dataclasses import replace

import numpy as np
import pytest

from bench.folds import shuffled_between, shuffled_within
from evolution.config import Config
from evolution.lessons import parse
from evolution.patterns import Pattern, PatternKind, describe, patterns
from evolution.reflect import reflect
from evolution.reflector import report
from evolution.runs import Run, Step

FEW_DRAWS = Config(min_draws=200, draws_per_candidate=1, resamples=50)


def step(tool, error=None, **arguments):
    return Step(tool, json.dumps(arguments, sort_keys=True), error)


def run(number, steps, success, group=None):
    return Run(f"t{number}", group or f"g{number}", None, None, bool(success), tuple(steps))


def marks_of(runs, seed=1, config=None):
    """Return text -> mark."""
    found = reflect(runs, config or Config(), np.random.default_rng(seed)).marks
    return {mark.text: mark for mark in found}


def shopping(count=300, seed=3, harm=0.5):
    """Buy right after the search, or after something else; amounts of either type, at random."""
    rng = np.random.default_rng(seed)
    runs = []
    for number in range(count):
        hasty, typed = (rng.random(2) < 0.5).tolist()
        opening = [step(str(rng.choice(["look", "ask", "wait"]))), step("search")]
        steps = [
            *(opening if hasty else opening[::-1]),
            step("buy"),
            step("refund", amount="12" if typed else 12),
        ]
        runs.append(run(number, steps, rng.random() > 0.2 + harm * hasty))
    return runs


# ---- what is found ----
def test_a_call_directly_after_another_is_found():
    mark = marks_of(shopping())["“search” directly followed by “buy”"]
    assert mark.q_value <= 0.002
    assert mark.lift == pytest.approx(0.5, abs=0.2)
    assert mark.interval[0] < mark.lift < mark.interval[1]
    assert not mark.exploratory
    assert not mark.within_group


def test_the_type_of_an_argument_is_found():
    rng = np.random.default_rng(4)
    runs = []
    for number in range(300):
        typed = rng.random() < 0.5
        steps = [step("open"), step("refund", amount="12" if typed else 12)]
        runs.append(run(number, steps, rng.random() > 0.2 + 0.5 * typed))
    assert marks_of(runs)["“refund” called with “amount” as text"].q_value <= 0.002


def test_a_missing_argument_is_found():
    rng = np.random.default_rng(5)
    runs = []
    for number in range(300):
        reason = {"reason": "late"} if rng.random() < 0.5 else {}
        steps = [step("refund", amount=1, **reason)]
        runs.append(run(number, steps, rng.random() > 0.7 - 0.5 * bool(reason)))
    assert marks_of(runs)["“refund” called never with “reason”"].q_value <= 0.002


def test_length_is_found_where_it_does_not_give_the_outcome_away():
    rng = np.random.default_rng(6)
    runs = []
    for number in range(300):
        length = int(rng.integers(2, 9))
        runs.append(
            run(
                number,
                [step("work", item=place) for place in range(length)],
                rng.random() > 0.2 + 0.5 * (length > 5),
            )
        )
    found = [text for text, mark in marks_of(runs).items() if mark.q_value <= 0.01]
    assert any(text.startswith("longer than") for text in found)


def test_errors_repeats_and_missing_tools_are_found():
    rng = np.random.default_rng(7)
    runs = []
    for number in range(600):
        error, twice, checked = (rng.random(3) < 0.5).tolist()
        steps = [step("open", error="no such order 17" if error else None), step("pay", id=1)]
        steps += [step("note"), step("pay", id=1)] if twice else [step("note")]
        if checked:
            steps.insert(int(rng.integers(0, 5)), step("check"))
        runs.append(run(number, steps, rng.random() > 0.1 + 0.3 * (error + twice + (not checked))))
    found = marks_of(runs)
    for text in (
        "“open” gave an error",
        "“pay” repeated with identical arguments",
        "“check” not called",
    ):
        assert found[text].q_value <= 0.01


def test_the_counts_and_the_traces_can_be_checked_by_hand():
    runs = {one.trace_id: one for one in shopping()}
    mark = marks_of(list(runs.values()))["“search” directly followed by “buy”"]
    assert sum(mark.failed) + sum(mark.succeeded) == pytest.approx(len(runs) / 2, abs=2)
    for names, success in ((mark.failed_traces, False), (mark.succeeded_traces, True)):
        assert names
        for name in names:
            assert runs[name].success is success
            assert [one.tool for one in runs[name].steps[1:3]] == ["search", "buy"]


# ---- what is not ----
def test_a_mark_is_never_proposed():
    reflection = reflect(shopping(), Config(), np.random.default_rng(1))
    assert reflection.marks
    assert all(parse(mark.text) is None for mark in reflection.marks)
    said = {proposal.text for proposal in reflection.proposals}
    assert not said & {mark.text for mark in reflection.marks}


def test_what_is_proposed_does_not_depend_on_the_marks():
    runs = shopping()
    one, other = (
        reflect(runs, Config(max_marks=most), np.random.default_rng(2)) for most in (12, 0)
    )
    assert one.marks and not other.marks
    assert (one.proposals, one.candidates) == (other.proposals, other.candidates)


def test_the_same_seed_finds_the_same():
    assert marks_of(shopping(), seed=5) == marks_of(shopping(), seed=5)


def share_with_a_find(runs, shuffle, shuffles=120):
    """Return in how many shuffles of the outcomes any mark has q <= 0.05."""
    finds = 0
    for seed in range(shuffles):
        shuffled = shuffle(runs, np.random.default_rng((11, seed)))
        finds += any(m.q_value <= 0.05 for m in marks_of(shuffled, seed, FEW_DRAWS).values())
    return finds / shuffles


# Without an effect every find is false, so that at most 5 % of the shuffles may have one; by
# chance 10 % or more of 120 would come about in one of sixty such tests.
def test_outcomes_shuffled_inside_groups_have_marks_as_rarely_as_promised():
    runs = repeated(6, 30, harm=0.5, hard=0, seed=1)
    assert share_with_a_find(runs, shuffled_within) < 0.1


def test_outcomes_shuffled_between_groups_have_marks_as_rarely_as_promised():
    assert share_with_a_find(shopping(120), shuffled_between) < 0.1


def test_where_a_loop_stops_on_success_no_length_is_offered():
    rng = np.random.default_rng(8)
    runs = []
    for number in range(300):
        hasty = rng.random() < 0.5
        opening = [step("buy" if hasty else "look")]
        solved = rng.random() < (0.2 if hasty else 0.8)
        length = int(rng.integers(3, 6)) if solved else 8
        work = [step("work", item=place) for place in range(length)]
        runs.append(run(number, opening + work, solved))
    found = marks_of(runs)
    assert "“buy” called, in the first 2 steps" in found
    assert all(text.endswith("in the first 2 steps") for text in found)


def test_where_a_loop_stops_on_failure_no_length_is_offered_either():
    rng = np.random.default_rng(9)
    runs = []
    for number in range(300):
        solved = rng.random() < 0.5
        work = [step("work", item=place) for place in range(9 if solved else rng.integers(3, 8))]
        runs.append(run(number, [*work, step("close")] if solved else work, solved))
    assert marks_of(runs) == {}


# ---- the two kinds of evidence ----
def repeated(per_group, groups, harm, hard, seed):
    """Runs of repeated tasks; `hard` tasks fail more and are met with haste as a whole."""
    rng = np.random.default_rng(seed)
    runs = []
    for group in range(groups):
        is_hard = group % 2 == 0
        for trial in range(per_group):
            hasty = is_hard if hard else rng.random() < 0.5
            opening = [step(str(rng.choice(["look", "ask", "wait"]))), step("search")]
            steps = [*(opening if hasty else opening[::-1]), step("buy")]
            chance = 0.2 + (hard * 0.5 * is_hard) + harm * hasty
            number = group * per_group + trial
            runs.append(run(number, steps, rng.random() > chance, group=f"g{group}"))
    return runs


def test_the_same_task_done_both_ways_is_evidence_within():
    mark = marks_of(repeated(6, 40, harm=0.5, hard=0, seed=1))[
        "“search” directly followed by “buy”"
    ]
    assert mark.within_group
    assert not mark.exploratory


def test_what_marks_hard_tasks_alone_is_evidence_between_and_a_hint():
    marks = marks_of(repeated(6, 60, harm=0, hard=1, seed=2))
    mark = marks["“search” directly followed by “buy”"]
    assert not mark.within_group
    assert mark.exploratory
    assert "never made a difference within one" in mark.doubts[-1]


def test_evidence_within_comes_before_evidence_between():
    both = []
    for number, one in enumerate(repeated(6, 60, harm=0.4, hard=0, seed=3)):
        group = int(one.task_group[1:])
        steps = one.steps + (step("log"),) * (group % 2)
        fails = group % 2 and number % 3 == 0
        both.append(replace(one, steps=steps, success=one.success and not fails))
    kinds = [mark.within_group for mark in marks_of(both).values() if not mark.exploratory]
    assert kinds == sorted(kinds, reverse=True)


def test_too_few_groups_make_no_more_than_a_hint():
    runs = [
        replace(one, task_group=f"g{n % 12} {one.steps[0].tool == 'search'}")
        for n, one in enumerate(shopping(240, harm=0.7))
    ]
    mark = marks_of(runs)["“search” directly followed by “buy”"]
    assert not mark.within_group
    assert mark.exploratory


# ---- odd input ----
def test_runs_without_steps_or_without_a_contrast_have_no_marks():
    assert marks_of([]) == {}
    assert marks_of([run(n, [], n % 2) for n in range(60)]) == {}
    assert marks_of([run(n, [step("a")], True) for n in range(60)]) == {}


def test_arguments_that_are_no_object_have_no_shape():
    odd = ["", "[1]", "null", '"x"', "{", "[" * 100_000, '{"n": ' + "9" * 5000 + "}"]
    found = patterns([Step("a", text) for text in odd])
    assert {pattern.kind for pattern in found} == {
        PatternKind.CALLED,
        PatternKind.CONTINUED,
        PatternKind.FOLLOWED,
    }


def test_a_long_name_of_an_argument_is_data_and_not_shown():
    found = patterns([step("a", **{"k" * 61: 1, "b": None})])
    assert {pattern.detail for pattern in found} == {"", "b"}


def test_of_very_many_arguments_only_some_are_looked_at():
    found = patterns([step("a", **{f"k{number}": 1 for number in range(500)})])
    assert len(found) == 1 + 2 * 40


@pytest.mark.parametrize("kind", list(PatternKind))
def test_every_pattern_and_its_absence_have_words_of_their_own(kind):
    pattern = Pattern(kind, "pay", "id", "text", 12)
    shown, absent = describe(pattern), describe(pattern, shown=False)
    assert shown != absent
    assert all(
        "12 steps" in text if kind == "longer" else "“pay”" in text for text in (shown, absent)
    )


def test_the_report_holds_the_marks_as_json():
    reflection = reflect(shopping(), Config(), np.random.default_rng(1))
    told = json.loads(json.dumps(report(reflection)["marks"]))
    mark = next(m for m in told if m["text"] == "“search” directly followed by “buy”")
    assert set(mark) == {
        *("text", "failed", "succeeded", "lift", "interval", "q_value", "within_group", "groups"),
        *("doubts", "exploratory", "failed_traces", "succeeded_traces"),
    }
    assert mark["failed"][0] > mark["succeeded"][0]
