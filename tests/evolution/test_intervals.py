"""Intervals of shares, against published examples and SciPy."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binomtest

from evolution.intervals import Share, newcombe, wilson


@pytest.mark.parametrize(("wins", "runs"), [(0, 10), (1, 29), (15, 148), (81, 263), (20, 20)])
def test_the_wilson_interval_is_scipys(wins: int, runs: int) -> None:
    referee = binomtest(wins, runs).proportion_ci(0.95, method="wilson")
    assert wilson(wins, runs) == pytest.approx((referee.low, referee.high), abs=1e-9)


def test_newcombes_method_10_gives_his_published_examples() -> None:
    # Newcombe (1998), table II, method 10: 56/70 - 48/80 and 9/10 - 3/10.
    first = newcombe(Share(56, 70), Share(48, 80))
    second = newcombe(Share(9, 10), Share(3, 10))
    assert first and second
    assert (first.low, first.high) == pytest.approx((0.0524, 0.3339), abs=5e-5)
    assert (second.low, second.high) == pytest.approx((0.1705, 0.8090), abs=5e-5)


def test_without_runs_there_is_no_difference_and_no_share() -> None:
    assert newcombe(Share(), Share(1, 2)) is None
    assert newcombe(Share(1, 2), Share()) is None
    assert Share().value is None
    assert Share().interval == (0.0, 1.0)


counts = st.integers(0, 200).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))


@given(counts)
def test_a_share_lies_in_its_interval(counted: tuple[int, int]) -> None:
    share = Share(*counted)
    low, high = share.interval
    assert 0 <= low <= high <= 1
    if share.value is not None:
        assert low - 1e-12 <= share.value <= high + 1e-12


@given(counts, counts)
def test_swapping_the_sides_mirrors_the_difference(
    one: tuple[int, int], other: tuple[int, int]
) -> None:
    there, back = newcombe(Share(*one), Share(*other)), newcombe(Share(*other), Share(*one))
    assert (there is None) == (back is None)
    if there and back:
        mirrored = (-back.value, -back.high, -back.low)
        assert (there.value, there.low, there.high) == pytest.approx(mirrored, abs=1e-12)
        assert -1 - 1e-12 <= there.low <= there.value <= there.high <= 1 + 1e-12


def test_a_difference_is_clear_only_where_zero_is_outside() -> None:
    clear, unclear = newcombe(Share(90, 100), Share(50, 100)), newcombe(Share(5, 9), Share(4, 9))
    assert clear and clear.is_clear
    assert unclear and not unclear.is_clear
