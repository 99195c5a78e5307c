"""Numbers that a spec gives, within bounds."""

from collections.abc import Mapping
from typing import Any

from training.runtimes.base import InvalidRuntime


def number_of(spec: Mapping[str, Any], name: str, default: float, low: float, high: float) -> float:
    """Return `spec[name]` as a number from `low` to `high`; raises InvalidRuntime."""
    value = spec.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise InvalidRuntime(f"runtime.{name}", f"must be a number from {low:g} to {high:g}")
    return float(value)


def count_of(spec: Mapping[str, Any], name: str, default: int, low: int, high: int) -> int:
    """Return `spec[name]` as a whole number from `low` to `high`; raises InvalidRuntime."""
    value = spec.get(name, default)
    if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
        raise InvalidRuntime(f"runtime.{name}", f"must be a whole number from {low} to {high}")
    return value
