"""Student's t distribution for whole degrees of freedom, in closed form."""

from math import atan2, cos, erfc, pi, sin, sqrt
from statistics import NormalDist

_NORMAL = 2000  # degrees of freedom from which the normal distribution differs by less than 1e-4


def two_sided_p(value: float, freedom: int) -> float:
    """Return the chance that |T| passes |value|; exact to about 1e-15, 0 below that.

    Abramowitz and Stegun 1964, equations 26.7.3 and 26.7.4. Raise ValueError without freedom.
    """
    if freedom < 1:
        raise ValueError("a t distribution needs at least one degree of freedom")
    if freedom >= _NORMAL:
        return erfc(abs(value) / sqrt(2))
    angle = atan2(abs(value), sqrt(freedom))
    odd = freedom % 2
    term, total = (cos(angle) if odd else 1.0), 0.0
    for step in range(1 + odd, freedom, 2):
        total += term
        term *= step / (step + 1) * cos(angle) ** 2
    inside = 2 / pi * (angle + sin(angle) * total) if odd else sin(angle) * total
    return min(1.0, max(0.0, 1 - inside))


def critical(freedom: int, level: float = 0.95) -> float:
    """Return the value that |T| stays below with chance `level`, to about 1e-12."""
    low, high = 0.0, 1.0
    if freedom >= _NORMAL:
        return NormalDist().inv_cdf((1 + level) / 2)
    while two_sided_p(high, freedom) > 1 - level:
        high *= 2
    for _ in range(60):
        middle = (low + high) / 2
        outside = two_sided_p(middle, freedom) > 1 - level
        low, high = (middle, high) if outside else (low, middle)
    return (low + high) / 2
