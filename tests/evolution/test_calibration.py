"""Calibrated confidence: sceptical at first, right in the end, never jumping."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolution.calibration import (
    HIGH,
    LOW,
    Record,
    calibration_error,
    fit,
    outcome_of_applied,
    reliability_table,
)
from evolution.intervals import Share

STATED = np.array([0.7, 0.75, 0.8, 0.85, 0.9, 0.95])
HOW_OFTEN = np.array([0.05, 0.1, 0.2, 0.25, 0.25, 0.15])

# The real chance of being right, by the number stated.
MODELS = {
    "always confident, right half of the time": lambda raw: np.full_like(raw, 0.5),
    "always confident, right one time in ten": lambda raw: np.full_like(raw, 0.1),
    "25 points too confident": lambda raw: raw - 0.25,
    "right only when very sure": lambda raw: np.where(raw > 0.85, 0.8, 0.3),
    "honest": lambda raw: raw,
    "too modest": lambda raw: np.minimum(raw + 0.2, 0.95),
}


def history(model, count, seed):
    rng = np.random.default_rng(seed)
    raw = rng.choice(STATED, count, p=HOW_OFTEN)
    right = rng.random(count) < MODELS[model](raw)
    return [Record(float(r), float(o)) for r, o in zip(raw, right, strict=True)]


def error_of(records, model):
    """Return the expected calibration error against the real chances, over new deltas."""
    curve = fit(records)
    given = np.array([curve.at(raw) for raw in STATED])
    return float(np.abs(given - MODELS[model](STATED)) @ HOW_OFTEN)


@pytest.mark.parametrize("model", MODELS)
def test_after_300_decisions_what_is_stored_is_what_happens(model):
    errors = [error_of(history(model, 300, seed), model) for seed in range(20)]
    assert np.mean(errors) < 0.05


def test_an_over_confident_model_is_believed_less_with_every_hundred_decisions():
    model = "always confident, right one time in ten"
    believed = [fit(history(model, count, 1)).at(0.9) for count in (0, 10, 100, 1000)]
    assert believed == sorted(believed, reverse=True)
    assert believed[0] > 0.5
    assert believed[-1] == pytest.approx(0.1, abs=0.03)


@pytest.mark.parametrize("model", MODELS)
def test_five_decisions_move_it_and_do_not_throw_it(model):
    before = fit([])
    for seed in range(20):
        after = fit(history(model, 5, seed))
        assert max(abs(after.at(raw) - before.at(raw)) for raw in STATED) < 0.31


def test_one_decision_moves_it_little():
    for outcome in (0.0, 1.0):
        moved = abs(fit([Record(0.95, outcome)]).at(0.95) - fit([]).at(0.95))
        assert 0.01 < moved < 0.15


def test_without_a_history_no_number_passes_the_default_threshold_on_its_word():
    assert 0.6 <= fit([]).at(0.95) <= 0.7
    assert fit([]).at(1.0) < 0.7


def test_a_model_that_proved_right_passes_it():
    assert fit([Record(0.9, 1.0)] * 20).at(0.9) > 0.8


RECORDS = st.lists(st.builds(Record, st.floats(0, 1), st.floats(0, 1)), max_size=60)


@given(RECORDS, st.floats(0, 1), st.floats(0, 1))
def test_who_states_more_never_gets_less_and_certainty_is_never_granted(records, one, other):
    curve = fit(records)
    low, high = sorted((one, other))
    assert LOW <= curve.at(low) <= curve.at(high) <= HIGH
    assert curve.decisions == len(records)


def test_a_model_that_is_worse_when_surer_gets_one_number_for_both():
    curve = fit([Record(0.7, 1.0)] * 60 + [Record(0.9, 0.0)] * 60)
    assert curve.at(0.7) == pytest.approx(curve.at(0.9))
    assert 0.3 < curve.at(0.8) < 0.7


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        (None, None, 1.0),
        (Share(10, 20), Share(0, 20), 1.0),  # too few to tell
        (Share(50, 100), Share(60, 100), 1.0),
        (Share(50, 100), Share(50, 100), 1.0),
        (Share(50, 100), Share(48, 100), 0.777),
        (Share(60, 100), Share(40, 100), 0.005),
        (Share(0, 100), Share(0, 100), 1.0),
    ],
)
def test_an_applied_delta_counts_less_the_clearer_success_fell_after_it(before, after, expected):
    assert outcome_of_applied(before, after) == pytest.approx(expected, abs=0.001)


def test_the_reliability_table_counts_each_delta_once_and_shows_the_gap():
    records = [Record(0.9, 1.0), Record(0.95, 0.0), Record(1.0, 0.0), Record(0.3, 0.5)]
    table = reliability_table(records)
    assert [row.count for row in table] == [0, 0, 0, 1, 0, 0, 0, 0, 0, 3]
    last = table[-1]
    assert last.stated == pytest.approx(0.95)
    assert last.true == pytest.approx(1 / 3)
    assert last.interval is not None
    assert last.interval[0] < 1 / 3 < last.interval[1]
    assert (table[0].stated, table[0].true, table[0].interval) == (None, None, None)
    gap = (3 * (0.95 - 1 / 3) + 1 * 0.2) / 4
    assert calibration_error(table) == pytest.approx(gap)
    assert calibration_error(reliability_table([])) is None
