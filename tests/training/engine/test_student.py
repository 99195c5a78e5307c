"""Student's t against another implementation."""

import pytest
from scipy.stats import t

from training.engine.student import critical, two_sided_p


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 9, 25, 100, 249, 1999])
def test_chances_and_critical_values_are_right(freedom):
    for value in (0, 0.3, -1, 2.1, 5):
        assert two_sided_p(value, freedom) == pytest.approx(
            2 * t.sf(abs(value), freedom), abs=1e-12
        )
    assert critical(freedom) == pytest.approx(t.ppf(0.975, freedom), rel=1e-9)


def test_with_much_freedom_it_is_the_normal_distribution():
    assert two_sided_p(1.959963984540054, 10**6) == pytest.approx(0.05)
    assert critical(10**6) == pytest.approx(1.959963984540054)


def test_without_freedom_there_is_no_distribution():
    with pytest.raises(ValueError, match="degree of freedom"):
        two_sided_p(1.0, 0)
