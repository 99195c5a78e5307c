import numpy as np
import pytest

from bench.outcome import auc, features, fit
from evolution.leaks import View
from evolution.runs import Run, Step


def run(number, success, words):
    steps = tuple(Step(w.rstrip("!"), '{"id":"A 1"}', "bad" if "!" in w else None) for w in words)
    return Run(f"t{number}", f"g{number}", None, None, bool(success), steps)


def mixed(count, seed):
    rng = np.random.default_rng(seed)
    runs = []
    for number in range(count):
        looked = rng.random() < 0.5
        words = ["look", "pay"] if looked else ["pay", "look"]
        runs.append(run(number, rng.random() < (0.8 if looked else 0.2), words))
    return View(tuple(runs), None)


def test_order_alone_foretells_the_outcome_of_other_runs():
    unseen = mixed(200, 2)
    success = np.array([r.success for r in unseen.runs])
    assert auc(fit(mixed(200, 1)).predict(unseen), success) > 0.7


def test_noise_foretells_nothing():
    rng = np.random.default_rng(3)
    views = [
        View(
            tuple(run(n, rng.random() < 0.5, rng.choice(["a", "b", "c"], 4)) for n in range(200)),
            None,
        )
        for _ in range(2)
    ]
    success = np.array([r.success for r in views[1].runs])
    assert auc(fit(views[0]).predict(views[1]), success) == pytest.approx(0.5, abs=0.1)


def test_every_kind_of_pattern_is_seen():
    steps = run(0, True, ["look", "pay!", "pay!", "look"]).steps
    found = features(steps, whole=True)
    for name in (
        "calls pay",
        "repeats pay",
        "succeeds look",
        "directly look then pay",
        "before pay came look",
        "error of pay: bad",
        "after error of pay, look",
        "argument pay.id",
        "word id=a",
        "length",
    ):
        assert name in found


def test_early_steps_do_not_know_the_length():
    found = features(run(0, True, ["look", "pay"]).steps, whole=False)
    assert not {"length", "errors", "tools"} & set(found)


def test_arguments_that_are_no_json_object_have_no_shape():
    steps = (Step("a", "not json"), Step("a", "[1]"))
    assert not any(name.startswith("argument") for name in features(steps, whole=True))


def test_auc_counts_ties_half():
    assert auc(np.array([1.0, 1.0]), np.array([True, False])) == 0.5
    assert np.isnan(auc(np.array([1.0]), np.array([True])))
