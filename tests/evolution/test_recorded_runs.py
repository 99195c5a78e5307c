"""The reflector on runs of real agents that nobody here wrote."""

import numpy as np
import pytest

from bench.folds import (
    applies_itself,
    calibration_error,
    grouped_folds,
    is_firm,
    measure,
    naive_rules,
    shuffled_between,
    shuffled_within,
)
from bench.reflector import load_runs
from evolution.lessons import LessonKind
from evolution.reflect import Config, reflect

SQL, AIRLINE, BASH = (
    "intercode_sql_gpt35.jsonl.gz",
    "tau_airline_gpt4o.json",
    "intercode_bash_gpt4.jsonl.gz",
)
SEEDS = range(6)


@pytest.fixture(scope="module")
def recorded(shared_data):
    """Return the runs of each recording."""
    return {name: load_runs(shared_data / "traces" / name) for name in (SQL, AIRLINE, BASH)}


@pytest.mark.shared
def test_looking_at_the_schema_is_a_firm_lesson_of_the_sql_runs(recorded):
    firm = []
    for seed in SEEDS:
        found = reflect(recorded[SQL], Config(), np.random.default_rng(seed))
        firm += [p.lesson for p in found.proposals if not p.evidence["exploratory"]]
    looks = [lesson for lesson in firm if lesson.other == "show_tables" and lesson.tool == "select"]
    kinds = [lesson.kind for lesson in looks]
    assert kinds.count(LessonKind.BEFORE) == len(SEEDS)
    assert kinds.count(LessonKind.AFTER_ERROR) >= len(SEEDS) - 1


@pytest.mark.shared
def test_the_counts_of_an_sql_lesson_are_those_of_the_traces(recorded):
    runs = {run.trace_id: run for run in recorded[SQL]}
    found = reflect(recorded[SQL], Config(), np.random.default_rng(1))
    evidence = next(p for p in found.proposals if p.lesson.kind is LessonKind.BEFORE).evidence
    named = [runs[name] for name in evidence["for"] + evidence["against"]]
    worked = {r.trace_id: [s.tool for s in r.steps[:2] if s.succeeded] for r in named}
    looked = [r for r in named if worked[r.trace_id][:1] == ["show_tables"]]
    assert evidence["counts"]["followed"] == [sum(r.success for r in looked), len(looked)]
    assert evidence["within_group"]


@pytest.mark.shared
def test_few_airline_tasks_allow_hints_at_most(recorded):
    for seed in SEEDS:
        found = reflect(recorded[AIRLINE], Config(), np.random.default_rng(seed))
        assert not is_firm(found)
        assert found.proposals or found.candidates[0]["more_runs"] or found.notes


@pytest.mark.shared
def test_nothing_applies_itself_on_the_negative_control(recorded):
    for seed in SEEDS:
        assert not applies_itself(reflect(recorded[BASH], Config(), np.random.default_rng(seed)))


@pytest.mark.shared
@pytest.mark.parametrize("shuffle", [shuffled_within, shuffled_between])
def test_shuffled_outcomes_teach_nothing(recorded, shuffle):
    for name in (SQL, AIRLINE):
        firm = applied = 0
        for seed in range(20):
            rng = np.random.default_rng(seed)
            found = reflect(shuffle(recorded[name], rng), Config(), rng)
            firm += is_firm(found)
            applied += applies_itself(found)
        assert firm <= 3
        assert applied == 0


@pytest.mark.shared
def test_a_naive_test_is_fooled_by_the_same_shuffles(recorded):
    rng = np.random.default_rng(1)
    assert sum(naive_rules(shuffled_within(recorded[AIRLINE], rng)) for _ in range(5)) >= 24


@pytest.mark.shared
def test_folds_follow_from_the_seed_and_keep_groups_whole(recorded):
    folds = grouped_folds(recorded[SQL], 6, seed=1)
    assert folds == grouped_folds(recorded[SQL], 6, seed=1)
    groups = sorted({run.task_group for run in recorded[SQL]})
    assert sorted(folds[0] + folds[1] + folds[2]) == groups


@pytest.mark.shared
@pytest.mark.parametrize(("name", "precision"), [(SQL, 0.70), (AIRLINE, 0.68)])
def test_top_lessons_hold_on_groups_never_seen(recorded, name, precision):
    runs = recorded[name]
    folds = [
        measure(runs, held_out, index, with_auc=False)
        for index, held_out in enumerate(grouped_folds(runs, 21, seed=0))
    ]
    assert np.nanmean([fold.precision for fold in folds]) >= precision
    lessons = [lesson for fold in folds for lesson in fold.lessons]
    assert calibration_error(lessons) < 0.16  # the bench measures it on enough folds
