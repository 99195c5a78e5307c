"""What is compared in pairs of neighbouring blocks: the ratio and how sure it is."""

import statistics
from math import exp, log

import numpy as np

BAR = 1.05


def ratio(pairs: list[tuple[float, float]]) -> tuple[float, float, float]:
    """Return the geometric mean of second over first, with its 95 % bootstrap interval."""
    logs = np.array([log(after / before) for before, after in pairs])
    drawn = np.random.default_rng(1).choice(logs, (4000, len(logs))).mean(axis=1)
    low, high = np.percentile(drawn, [2.5, 97.5])
    return exp(logs.mean()), exp(low), exp(high)


def line(name: str, pairs: list[tuple[float, float]], unit: str, bar: float | None = BAR) -> int:
    """Print medians, ratio and interval of a comparison; return 1 if the bar is missed."""
    mean, low, high = ratio(pairs)
    before = statistics.median(pair[0] for pair in pairs)
    after = statistics.median(pair[1] for pair in pairs)
    missed = bar is not None and mean >= bar
    said = "" if bar is None else f"bar {bar:.2f}  {'MISSED' if missed else ''}"
    print(
        f"{name:<30}{before:>10.2f}{after:>10.2f} {unit:<8}{mean:>7.3f}"
        f"  [{low:.3f}, {high:.3f}]  {said}".rstrip(),
        flush=True,
    )
    return int(missed)
