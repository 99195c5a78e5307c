"""Per-bullet effects: hand-computed values, coverage with grouped trajectories, and verdicts."""

import numpy as np
import pytest

from training.engine.effects import LEVEL, bullet_effects
from training.engine.shrinkage import Outcomes

SIZE = 8
EFFECTS = np.array([[0.2, -0.2, 0.3, 0.0], [0.2, -0.2, -0.3, 0.0]])


def drawn(rng, tasks=80, effects=EFFECTS, difficulty=0.3, spread=0.0):
    kinds = rng.integers(0, len(effects), tasks)
    types, groups = np.repeat(kinds, SIZE), np.repeat(np.arange(tasks), SIZE)
    bullets = rng.random((tasks * SIZE, effects.shape[1])) < 0.5
    # A bullet's worth differs from task to task, alike for all trajectories of one.
    own = rng.normal(0, spread, (tasks, effects.shape[1]))[groups]
    level = rng.normal(0.5, difficulty, tasks)[groups]
    rewards = level + ((effects[types] + own) * bullets).sum(axis=1)
    return Outcomes(types, groups, bullets, rewards + rng.normal(0, 0.3, len(rewards)))


def test_the_effect_of_a_bullet_is_the_mean_difference_inside_tasks():
    # Tasks of two, with and without: differences 0.1 .. 0.8, levels that only mislead.
    rewards = np.array([[k / 10 + k, k] for k in range(1, 9)]).ravel()
    bullets = np.tile([[True], [False]], (8, 1))
    groups = np.repeat(np.arange(8), 2)
    found = bullet_effects(Outcomes(np.zeros(16, int), groups, bullets, rewards), 1)[0]
    error = np.std(np.arange(1, 9) / 10, ddof=1) / np.sqrt(8)
    for estimate in (found.overall, found.by_type[0]):
        assert estimate.effect == pytest.approx(0.45)
        # The jackknife of a mean is its usual error; t with 7 degrees of freedom.
        assert estimate.interval[1] - 0.45 == pytest.approx(2.364624 * error)
        assert (estimate.uses, estimate.tasks) == (8, 8)


def test_bullets_are_told_from_those_that_came_along():
    rng = np.random.default_rng(0)
    first = rng.random((640, 1)) < 0.5
    second = np.where(rng.random((640, 1)) < 0.8, first, ~first)
    groups = np.repeat(np.arange(80), SIZE)
    rewards = 0.5 * first[:, 0] + rng.normal(0, 0.2, 640)
    data = Outcomes(np.zeros(640, int), groups, np.hstack([first, second]), rewards)
    found = bullet_effects(data, 1)
    assert found[0].overall.effect == pytest.approx(0.5, abs=0.06)
    assert found[1].overall.effect == pytest.approx(0.0, abs=0.06)


@pytest.mark.parametrize("spread", [0.0, 0.4])
def test_intervals_hold_their_coverage_when_trajectories_of_a_task_are_alike(spread):
    inside, total = np.zeros(2), np.zeros(2)
    for seed in range(60):
        data = drawn(np.random.default_rng(seed), tasks=40, spread=spread)
        share = np.bincount(data.types[::SIZE], minlength=2) / 40
        for bullet, found in enumerate(bullet_effects(data, 2)):
            low, high = found.overall.interval
            inside[0] += low <= share @ EFFECTS[:, bullet] <= high
            total[0] += 1
            for number, part in enumerate(found.by_type):
                low, high = part.interval
                inside[1] += low <= EFFECTS[number, bullet] <= high
                total[1] += 1
    assert (inside / total > 0.92).all()
    assert (inside / total < 0.99).all()


def test_false_discoveries_are_rare_where_nothing_has_an_effect():
    flagged = 0
    for seed in range(20):
        data = drawn(np.random.default_rng(seed), tasks=60, effects=np.zeros((3, 12)))
        flagged += any(found.action != "keep" for found in bullet_effects(data, 3))
    assert flagged <= 3


def test_verdicts_keep_drop_and_restrict():
    found = bullet_effects(drawn(np.random.default_rng(1), tasks=200), 2)
    assert [row.action for row in found] == ["keep", "drop", "restrict", "keep"]
    assert [row.types for row in found] == [(0, 1), (), (0,), (0, 1)]
    assert [part.sign for part in found[2].by_type] == [1, -1]


def test_what_is_bad_overall_stays_where_it_is_good():
    effects = np.array([[0.3], [-0.3], [-0.3]])
    found = bullet_effects(drawn(np.random.default_rng(2), 200, effects), 3)[0]
    assert (found.action, found.types) == ("restrict", (0,))


def test_a_bullet_is_chosen_first_and_its_tests_meet_a_level_that_shrinks_with_the_choice():
    found = bullet_effects(drawn(np.random.default_rng(3), tasks=60), 2)
    families = [[part.p_value for part in (row.overall, *row.by_type)] for row in found]
    simes = [passing(family)[1] for family in families]
    chosen = passing(simes, LEVEL)[0]
    assert 0 < len(chosen) < len(found)
    for number, row in enumerate(found):
        level = LEVEL * len(chosen) / len(found) if number in chosen else 0.0
        signs = [part.sign != 0 for part in (row.overall, *row.by_type)]
        assert np.flatnonzero(signs).tolist() == sorted(passing(families[number], level)[0])


def passing(p_values, level=LEVEL):
    """Return what passes Benjamini and Hochberg's step-up at `level`, and Simes' p value."""
    order = np.argsort(p_values)
    steps = [p_values[place] * len(order) / rank for rank, place in enumerate(order, 1)]
    last = max((rank for rank, step in enumerate(steps, 1) if step <= level), default=0)
    return set(order[:last].tolist()), min(steps)


def test_sure_discoveries_do_not_let_false_ones_about_other_bullets_pass():
    effects = np.zeros((6, 24))
    effects[:, :6] = -0.4
    false = true = 0
    for seed in range(12):
        found = bullet_effects(drawn(np.random.default_rng(seed), tasks=150, effects=effects), 6)
        flags = [row.action != "keep" for row in found]
        true, false = true + sum(flags[:6]), false + sum(flags[6:])
    assert true == 6 * 12
    # Corrected as one lot of tests it would be one in eight.
    assert false / (true + false) < 0.07


def test_what_cannot_be_told_is_not_guessed():
    data = drawn(np.random.default_rng(4), tasks=30)
    bullets = data.bullets.copy()
    bullets[:, 2] = True  # always in
    bullets[:, 3] = bullets[:, 0]  # always together
    found = bullet_effects(Outcomes(data.types, data.groups, bullets, data.rewards), 3)
    for number in (0, 2, 3):
        assert found[number].overall is None
        assert found[number].by_type == (None, None, None)
        assert found[number].action == "keep"
    assert found[1].overall is not None
    assert found[1].by_type[2] is None  # a type without trajectories


def test_without_repeats_trajectories_of_a_type_are_compared():
    rng = np.random.default_rng(5)
    types, bullets = rng.integers(0, 2, 600), rng.random((600, 4)) < 0.5
    rewards = types * 5.0 + (EFFECTS[types] * bullets).sum(axis=1) + rng.normal(0, 0.1, 600)
    found = bullet_effects(Outcomes(types, np.arange(600), bullets, rewards), 2)
    assert found[0].overall.effect == pytest.approx(0.2, abs=0.05)
    assert [part.effect for part in found[2].by_type] == pytest.approx([0.3, -0.3], abs=0.05)


def test_rounding_is_no_evidence():
    data = drawn(np.random.default_rng(6))
    for rewards in (np.full(640, 0.1), 0.1 + 0.3 * data.bullets[:, 0]):
        found = bullet_effects(Outcomes(data.types, data.groups, data.bullets, rewards), 2)
        assert [part.overall.sign for part in found[1:]] == [0, 0, 0]
        assert [part.action for part in found] == ["keep"] * 4
    assert found[0].overall.sign == 1
