"""Intervals of a share and of a difference of two shares. Pure, closed forms."""

from dataclasses import dataclass
from math import sqrt

Z_95 = 1.959963984540054


@dataclass(frozen=True, slots=True)
class Share:
    """Successes among runs; `value` and `interval` are shares 0..1."""

    successes: int = 0
    runs: int = 0

    @property
    def failures(self) -> int:
        """The runs that did not succeed."""
        return self.runs - self.successes

    @property
    def value(self) -> float | None:
        """The share, or None where there were no runs."""
        return self.successes / self.runs if self.runs else None

    @property
    def interval(self) -> tuple[float, float]:
        """The Wilson interval of the share (95 %)."""
        return wilson(self.successes, self.runs)

    def __add__(self, other: "Share") -> "Share":
        return Share(self.successes + other.successes, self.runs + other.runs)


@dataclass(frozen=True, slots=True)
class Difference:
    """A difference of two shares with its interval (95 %), all in shares."""

    value: float
    low: float
    high: float

    @property
    def is_clear(self) -> bool:
        """Whether the interval excludes zero."""
        return self.low > 0 or self.high < 0


def wilson(successes: float, runs: float, z: float = Z_95) -> tuple[float, float]:
    """Return the score interval of a share, (0, 1) without runs.

    Wilson, E. B. (1927), Probable inference, the law of succession, and statistical inference.
    """
    if runs == 0:
        return 0.0, 1.0
    share = successes / runs
    weight = 1 + z * z / runs
    middle = (share + z * z / (2 * runs)) / weight
    half = z * sqrt(share * (1 - share) / runs + z * z / (4 * runs * runs)) / weight
    return max(0.0, middle - half), min(1.0, middle + half)


def newcombe(now: Share, before: Share) -> Difference | None:
    """Return `now` less `before` with the hybrid score interval; None where one has no runs.

    Newcombe, R. G. (1998), Interval estimation for the difference between independent
    proportions: comparison of eleven methods (method 10).
    """
    if now.value is None or before.value is None:
        return None
    difference = now.value - before.value
    now_low, now_high = now.interval
    before_low, before_high = before.interval
    down = sqrt((now.value - now_low) ** 2 + (before_high - before.value) ** 2)
    up = sqrt((now_high - now.value) ** 2 + (before.value - before_low) ** 2)
    return Difference(difference, difference - down, difference + up)
