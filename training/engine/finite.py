"""What counts as a number in a setting or a reward."""

from sys import float_info


def is_number(value: object) -> bool:
    """Tell whether a value is a finite number that a float can hold; a truth value is none.

    `math.isfinite` would raise for a whole number beyond the floats, and JSON can bring one.
    """
    if isinstance(value, bool) or not isinstance(value, int | float):
        return False
    return abs(value) <= float_info.max
