"""Figures as words: the one place that decides how a number reads in the console.

Shares and differences of shares are fractions (0.77, -0.142); they are shown in percent and points.
"""

from datetime import UTC, datetime
from decimal import Decimal

NARROW_SPACE = "\u202f"
MINUS = "\u2212"


def percent(share: float, digits: int = 1) -> str:
    """A share 0..1 as `77.0 %`."""
    return f"{share * 100:.{digits}f}{NARROW_SPACE}%"


def signed(value: float, digits: int = 1) -> str:
    """A number with its sign, a true minus, and no sign on a rounded zero."""
    text = f"{abs(value):.{digits}f}"
    if float(text) == 0:
        return text
    return f"{MINUS if value < 0 else '+'}{text}"


def points(difference: float, digits: int = 1) -> str:
    """A difference of two shares as points, `+23.7`."""
    return signed(difference * 100, digits)


def interval(low: float, high: float, digits: int = 1) -> str:
    """The interval of a difference of shares in points, `+11.3 to +35.1`."""
    return f"{points(low, digits)} to {points(high, digits)}"


def tone(low: float | None, high: float | None) -> str:
    """`good` above zero, `bad` below it; `mute` where the interval covers zero or is unknown."""
    if low is None or high is None:
        return "mute"
    if low > 0:
        return "good"
    return "bad" if high < 0 else "mute"


def small_share(share: float) -> str:
    """Return a probability with two digits that count, or that it is under 0.001."""
    return "under 0.001" if share < 0.001 else f"{share:.2g}"


def thousands(number: float | Decimal) -> str:
    """A count with grouping commas, `4,816`."""
    return f"{number:,.0f}"


def dollars(amount: float | Decimal, digits: int = 2) -> str:
    """A known amount of money in US dollars, `$61.84`."""
    sign = MINUS if amount < 0 else ""
    return f"{sign}${abs(amount):,.{digits}f}"


def usd(amount: float | Decimal) -> str:
    """A known amount that may be tiny: `$61.84`, `$0.0041`; what is not nothing is never $0.00."""
    size = abs(float(amount))
    if size == 0 or size >= 1:
        return dollars(amount)
    if size < 0.0001:
        return "under $0.0001"
    return dollars(amount, 2 if size >= 0.1 else 4)


def brief_usd(amount: float | Decimal) -> str:
    """An amount without cents where it has none: `$100`, `$12.50`, `$0.0001`."""
    return dollars(amount, 0) if amount == int(amount) else usd(amount)


def duration(seconds: float) -> str:
    """A length of time at a reader's precision: `2 ms`, `0.42 s`, `41 s`, `3 min`, `2 h 5 min`."""
    if seconds < 0.001:
        return f"{seconds * 1000:.2f}{NARROW_SPACE}ms"
    if seconds < 0.1:
        return f"{seconds * 1000:.0f}{NARROW_SPACE}ms"
    if seconds < 1:
        return f"{seconds:.2f}{NARROW_SPACE}s"
    if seconds < 10:
        return f"{seconds:.1f}{NARROW_SPACE}s"
    if seconds < 120:
        return f"{seconds:.0f}{NARROW_SPACE}s"
    minutes = round(seconds / 60)
    if minutes < 60:
        return f"{minutes} min"
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def age(moment: datetime, now: datetime) -> str:
    """The distance between two moments in its largest unit: `8 s`, `12 min`, `3 h`, `6 d`."""
    seconds = abs((now - moment).total_seconds())
    # What lies ahead is rounded, so that a token of 90 days does not begin with 89.
    ahead = moment > now
    for size, unit in ((86400, "d"), (3600, "h"), (60, "min")):
        if seconds >= size:
            return f"{round(seconds / size) if ahead else int(seconds // size)} {unit}"
    return f"{int(seconds)} s"


def relative(moment: datetime, now: datetime) -> str:
    """`3 h ago`, or `in 12 min` for a moment to come. static/console.js keeps it fresh."""
    return f"in {age(moment, now)}" if moment > now else f"{age(moment, now)} ago"


def absolute(moment: datetime) -> str:
    """The moment in UTC to the second, as a hover shows it."""
    return f"{moment.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"


def initials(name: str) -> str:
    """Two letters for a person's round mark: `R. Lindqvist` -> `RL`, `operator` -> `OP`."""
    words = [word for word in name.replace(".", " ").replace("@", " ").split() if word]
    if not words:
        return "?"
    letters = words[0][:2] if len(words) == 1 else words[0][0] + words[-1][0]
    return letters.upper()
