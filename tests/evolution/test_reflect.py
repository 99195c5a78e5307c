"""Each trap that a prototype stepped into, as a test."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import fisher_exact

from evolution.leaks import View
from evolution.lessons import LessonKind, parse
from evolution.mining import mine
from evolution.reflect import Config, reflect, sample_of, split_groups
from evolution.runs import Run, Step

KINDS = ("refund", "exchange", "cancellation")


def make_run(number, words, success, kind=None, group=None, version=None):
    """Build a run from words: "pay" succeeded, "pay!" failed."""
    steps = tuple(
        Step(word.rstrip("!"), "{}", "no such row" if word.endswith("!") else None)
        for word in words
    )
    return Run(f"t{number}", group or f"g{number}", kind, version, bool(success), steps)


def found(runs, seed=1, **settings):
    """Return text -> proposal of one reflection."""
    reflection = reflect(runs, Config(**settings), np.random.default_rng(seed))
    return {proposal.text: proposal for proposal in reflection.proposals}


def checked_payments(count=400, gain=0.5, seed=3):
    """Payments that go better after a check, whatever else happens."""
    rng = np.random.default_rng(seed)
    runs = []
    for number in range(count):
        checked, idle = (rng.random(2) < 0.5).tolist()
        words = ["open"] + ["check"] * checked + ["pay"] + ["idle"] * idle
        runs.append(make_run(number, words, rng.random() < 0.3 + gain * checked))
    return runs


def test_a_lesson_that_holds_is_proposed_with_evidence():
    proposal = found(checked_payments())["Before pay, call check."]
    assert proposal.automatic
    assert proposal.confidence == 0.95
    assert proposal.evidence["lift"] == pytest.approx(0.5, abs=0.2)
    low, high = proposal.evidence["interval"]
    assert low < proposal.evidence["lift"] < high
    assert proposal.evidence["within_group"] is False


def test_the_counts_can_be_checked_by_hand():
    runs = {run.trace_id: run for run in checked_payments()}
    evidence = found(list(runs.values()))["Before pay, call check."].evidence

    def count(kept):
        named = [runs[name] for name in evidence["for"] + evidence["against"]]
        cases = [r for r in named if ("check" in [s.tool for s in r.steps]) == kept]
        return [sum(r.success for r in cases), len(cases)]

    assert evidence["counts"] == {"followed": count(True), "not_followed": count(False)}
    assert not set(evidence["for"]) & set(evidence["against"])


def test_the_reasoning_names_the_numbers_of_the_evidence():
    proposal = found(checked_payments())["Before pay, call check."]
    successes, runs = proposal.evidence["counts"]["followed"]
    assert f"{successes} of {runs} runs" in proposal.reasoning
    assert "q = " in proposal.reasoning


def test_the_same_seed_finds_the_same():
    runs = checked_payments(gain=0.2)
    one, other = (reflect(runs, Config(), np.random.default_rng(5)) for _ in range(2))
    assert one.proposals == other.proposals
    assert one.candidates == other.candidates


def test_no_group_is_on_both_sides_of_the_split():
    rng = np.random.default_rng(1)
    runs = [make_run(n, ["a"], True, kind=KINDS[n % 3], group=f"g{n % 40}") for n in range(300)]
    sample = sample_of(View(tuple(runs), None))
    looking = split_groups(sample, 0.5, rng)
    assert not set(sample.group[looking]) & set(sample.group[~looking])
    assert looking.mean() == pytest.approx(0.5, abs=0.1)


def test_a_rule_supported_in_one_task_type_is_not_written_for_all():
    """The decisive trap: what only cancellations were seen to need would ruin everything else."""
    rng = np.random.default_rng(4)
    runs = []
    for number in range(900):
        kind = KINDS[number % 3]
        cancels = kind == "cancellation" and rng.random() < 0.6
        success = rng.random() < (0.2 + 0.7 * cancels if kind == "cancellation" else 0.6)
        runs.append(make_run(number, ["open"] + ["cancel"] * cancels, success, kind=kind))
    texts = found(runs)
    assert "In cancellation tasks, do not finish before cancel." in texts
    assert all(parse(text).task_type == "cancellation" for text in texts)


def test_a_rule_that_holds_in_every_type_needs_no_prefix():
    runs = [
        replace(run, task_type=KINDS[number % 3])
        for number, run in enumerate(checked_payments(900))
    ]
    assert "Before pay, call check." in found(runs)


def test_a_rule_that_harms_one_type_is_not_written_for_all():
    rng = np.random.default_rng(5)
    runs = []
    for number in range(900):
        kind, checked = KINDS[number % 3], rng.random() < 0.5
        gain = -0.5 if kind == "refund" else 0.4
        success = rng.random() < (0.7 if kind == "refund" else 0.3) + gain * checked
        runs.append(make_run(number, ["check"] * checked + ["pay"], success, kind=kind))
    assert all(parse(text).task_type is not None for text in found(runs))


def test_what_an_error_prompts_is_not_blamed():
    """Confounding by indication: errors sink runs, and each error brings a repeat and a log-in."""
    rng = np.random.default_rng(6)
    runs = []
    for number in range(600):
        failed = rng.random() < 0.4
        words = ["open", "pay!", "login", "pay!", "pay"] if failed else ["open", "pay"]
        runs.append(make_run(number, words, rng.random() < (0.1 if failed else 0.7)))
    texts = found(runs)
    assert "Never call login." not in texts
    assert "Never repeat an identical pay." not in texts


def test_of_two_anchors_the_tighter_is_chosen():
    """Every exchange is closed, so that "before close" explains as much as "before exchange"."""
    rng = np.random.default_rng(7)
    runs = []
    for number in range(600):
        checked = rng.random() < 0.5
        words = ["open"] + ["check"] * checked + ["exchange", "note", "close"]
        runs.append(make_run(number, words, rng.random() < 0.3 + 0.5 * checked))
    texts = found(runs)
    assert list(texts) == ["Before exchange, call check."]


def test_what_merely_travels_with_a_mistake_is_dropped():
    """Messy cases bring both the mistake and an idle call; only the mistake matters."""
    rng = np.random.default_rng(8)
    runs = []
    for number in range(1200):
        messy = rng.random() < 0.5
        checked = rng.random() < (0.3 if messy else 0.9)
        idle = rng.random() < (0.8 if messy else 0.1)
        words = ["open"] + ["idle"] * idle + ["check"] * checked + ["pay"]
        runs.append(make_run(number, words, checked and rng.random() < 0.9))
    texts = found(runs)
    assert "Before pay, call check." in texts
    assert not any("idle" in text for text, p in texts.items() if p.automatic)


def test_what_was_never_tried_is_reported_and_not_guessed():
    rng = np.random.default_rng(9)
    runs = [make_run(n, ["pay", "check"], rng.random() < 0.4) for n in range(60)]
    reflection = reflect(runs, Config(), np.random.default_rng(1))
    assert "Before pay, call check." in [entry["text"] for entry in reflection.not_explored]
    assert not reflection.proposals


def test_a_loop_that_stops_on_success_is_judged_by_early_steps():
    """From length alone success is certain; what helped is looking after the first error."""
    rng = np.random.default_rng(10)
    runs = []
    for number in range(600):
        looked = rng.random() < 0.5
        success = rng.random() < 0.2 + 0.5 * looked
        words = ["try!", "look" if looked else "try!"]
        words += ["try"] if success else ["try!"] * 6
        runs.append(make_run(number, words, success, group=f"g{number % 30}"))
    reflection = reflect(runs, Config(), np.random.default_rng(1))
    texts = [proposal.text for proposal in reflection.proposals]
    assert reflection.settings["horizon"] == 2
    assert "After error no such row from try, call look before trying try again." in texts
    assert "Never repeat an identical try." not in texts[:1]
    assert any("Length gives the outcome away" in note for note in reflection.notes)


def repeated_tasks(inside, seed=11):
    """40 tasks, 6 runs each: the check varies inside tasks, or is a habit of whole tasks."""
    rng = np.random.default_rng(seed)
    runs = []
    for task in range(40):
        habit = task % 2 == 0
        for trial in range(6):
            checked = trial % 2 == 0 if inside else habit
            words = ["check"] * checked + ["pay"]
            success = rng.random() < 0.25 + 0.5 * checked
            runs.append(make_run(task * 6 + trial, words, success, group=f"task{task}"))
    return runs


def test_evidence_within_tasks_is_marked_as_the_stronger_kind():
    proposal = found(repeated_tasks(inside=True))["Before pay, call check."]
    assert proposal.evidence["within_group"] is True
    assert proposal.evidence["exploratory"] is False
    assert proposal.evidence["within"]["groups"] >= 3
    assert "stronger kind" in proposal.reasoning


def test_what_only_tells_tasks_apart_stays_exploratory():
    """Most rules between tasks mark hard tasks, they are not advice."""
    for proposal in found(repeated_tasks(inside=False)).values():
        assert proposal.evidence["within_group"] is False
        assert proposal.evidence["exploratory"] is True


def test_too_few_groups_stay_exploratory():
    for proposal in found(checked_payments(30, gain=0.7), min_runs=4).values():
        assert proposal.evidence["exploratory"]
        assert not proposal.automatic


def test_fewer_than_four_groups_teach_nothing():
    runs = [make_run(n, ["a"], n % 2, group=f"g{n % 3}") for n in range(90)]
    reflection = reflect(runs, Config(), np.random.default_rng(1))
    assert reflection.proposals == ()
    assert "4 are needed" in reflection.notes[0]


@pytest.mark.parametrize("runs", [[], [make_run(0, [], True)]])
def test_nothing_to_learn_from_is_no_error(runs):
    assert reflect(runs, Config(), np.random.default_rng(1)).proposals == ()


def test_a_lesson_of_the_playbook_is_not_proposed_again():
    text = "Before pay, call check."
    assert text not in found(checked_payments(), existing=(text, "Be careful."))


def test_nothing_that_contradicts_the_playbook_is_proposed():
    texts = found(checked_payments(), existing=("Never call check.",))
    assert "Before pay, call check." not in texts


def test_a_rejected_lesson_returns_only_with_clearly_more_evidence():
    text = "Before pay, call check."
    assert text not in found(checked_payments(), rejected={text: 200})
    assert text in found(checked_payments(), rejected={text: 90})


def test_a_lesson_of_the_playbook_that_hurts_is_proposed_for_removal():
    text = "Before pay, call check."
    proposal = found(checked_payments(gain=-0.28), existing=(text,))[text]
    assert proposal.action == "remove"
    assert proposal.evidence["lift"] > 0


def test_at_most_so_many_deltas_are_proposed():
    assert len(found(checked_payments(), max_deltas=1)) == 1


def test_without_a_result_the_account_says_what_would_decide():
    runs = checked_payments(80, gain=0.12, seed=12)
    reflection = reflect(runs, Config(propose_q=0.0), np.random.default_rng(1))
    assert reflection.proposals == ()
    strongest = reflection.candidates[0]
    assert strongest["more_runs"] is None or strongest["more_runs"] >= 0
    assert "strongest was" in reflection.notes[0]


def test_permutations_keep_pace_with_the_candidates():
    settings = reflect(checked_payments(), Config(), np.random.default_rng(1)).settings
    assert settings["permutations"] >= max(5000, 500 * settings["candidates"])
    assert settings["candidates"] <= 36


def noisy_world(seed, count=240):
    """Ten tools called at random; the outcome has nothing to do with any of them."""
    rng = np.random.default_rng(seed)
    tools = [f"tool{n}" for n in range(10)]
    runs = []
    for number in range(count):
        words = rng.permutation([tool for tool in tools if rng.random() < 0.6])
        runs.append(make_run(number, words, rng.random() < 0.4))
    return runs


def naive_rules(runs):
    """What a Fisher test over everything lets through at confidence 0.7."""
    conduct = mine(View(tuple(runs), None), Config().min_runs)
    success = np.array([run.success for run in runs])
    passed = 0
    for column in range(len(conduct.lessons)):
        kept = conduct.followed[:, column]
        broken = conduct.at_risk[:, column] & ~kept
        rows = [[(side & won).sum() for won in (success, ~success)] for side in (kept, broken)]
        passed += 1 - fisher_exact(rows, alternative="greater").pvalue >= 0.7
    return passed


def test_a_naive_test_lets_dozens_of_rules_through_noise_and_this_one_none():
    assert naive_rules(noisy_world(1)) >= 24
    firm = automatic = 0
    for seed in range(40):
        proposals = found(noisy_world(seed), seed=seed).values()
        firm += any(not proposal.evidence["exploratory"] for proposal in proposals)
        automatic += sum(proposal.automatic for proposal in proposals)
    assert firm <= 4
    assert automatic == 0


def test_lessons_of_every_kind_can_be_found():
    rng = np.random.default_rng(13)
    runs = []
    for number in range(1600):
        doubled, damaged, ended = (rng.random(3) < 0.25).tolist()
        words = ["open", "pay"] + ["pay"] * doubled + ["drop"] * damaged + ["close"] * (not ended)
        runs.append(make_run(number, words, not (doubled or damaged or ended)))
    kinds = {parse(text).kind for text in found(runs)}
    assert kinds >= {LessonKind.REPEAT, LessonKind.NEVER, LessonKind.FINISH}
