"""What a bullet is worth by the runs that used it: like compared with like, or an honest "too few".

A comparison, not an experiment: who uses a bullet chooses to. Runs are compared inside task types,
and apart from that inside task groups, where the very same task was tried with and without it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import sqrt

import numpy as np

from evolution.intervals import Difference, Share, wilson
from evolution.stats import Bools, Ints, Tables, benjamini_hochberg, exact_p, tables

# Fewer uses than these say nothing about a lesson (console.md, honesty marks).
ENOUGH_USES = 50
# Fewer runs on the smaller side say nothing within task groups.
_ENOUGH_WITHIN = 10
# Harmful is said at this false discovery rate over all bullets judged together.
_FALSE_ALARMS = 0.05


@dataclass(frozen=True, slots=True)
class Effect:
    """Success with a bullet and without; differences are of stratified shares, None: no contrast.

    `q_value` is that of "runs with it fail more", over all bullets with enough uses.
    """

    used: Share
    unused: Share
    overall: Difference | None
    within: Difference | None
    q_value: float | None

    @property
    def is_known(self) -> bool:
        """Whether there are uses enough, and runs without it to compare them with."""
        return self.used.runs >= ENOUGH_USES and self.overall is not None

    @property
    def is_harmful(self) -> bool:
        """Whether the whole interval is below zero, and what is known within tasks agrees."""
        if not self.is_known or self.overall is None or self.q_value is None:
            return False
        agrees = self.within is None or self.within.value < 0
        return self.overall.high < 0 and self.q_value <= _FALSE_ALARMS and agrees

    @property
    def said(self) -> str:
        """What there is to say, in a few words."""
        if not self.used.runs:
            return "not used yet"
        if self.used.runs < ENOUGH_USES:
            return f"{self.used.runs} of {ENOUGH_USES} uses, too few to say"
        if self.overall is None:
            return "no run of the same kind went without it"
        low, high = self.overall.low * 100, self.overall.high * 100
        return f"{self.overall.value * 100:+.0f} points ({low:+.0f} to {high:+.0f}) with it"


NOTHING = Effect(Share(), Share(), None, None, None)


@dataclass(frozen=True, slots=True)
class Effects:
    """What the bullets of a version are worth; those of few uses as counts, small to keep."""

    total: Share
    few: Mapping[str, tuple[int, int]]
    enough: Mapping[str, Effect]

    @classmethod
    def of_runs(cls, names: Sequence[str], found: Sequence[Effect], success: Bools) -> "Effects":
        """Return the effects that `measure` found, by the names of their bullets."""
        few, enough = {}, {}
        for name, effect in zip(names, found, strict=True):
            if effect.used.runs >= ENOUGH_USES:
                enough[name] = effect
            elif effect.used.runs:
                few[name] = (effect.used.successes, effect.used.runs)
        return cls(_share(success), few, enough)

    def of(self, bullet_id: str) -> Effect:
        """Return what a bullet is worth; NOTHING for one that no run used."""
        if bullet_id in self.enough:
            return self.enough[bullet_id]
        if bullet_id in self.few:
            return _uncompared(Share(*self.few[bullet_id]), self.total)
        return NOTHING


def measure(uses: Bools, success: Bools, kind: Ints, group: Ints) -> list[Effect]:
    """Return the effect of each of B bullets over N runs.

    `uses` is (N, B): which run used which bullet; `success` (N,); `kind` (N,) numbers task types
    and `group` (N,) task groups.
    """
    total = _share(success)
    counts = zip(uses[success].sum(axis=0), uses.sum(axis=0), strict=True)
    found = [_uncompared(Share(int(won), int(runs)), total) for won, runs in counts]
    for place, few in enumerate(found):
        # Nothing more is said of so few; a long playbook has thousands of them.
        if few.used.runs >= ENOUGH_USES:
            found[place] = _effect(few, uses[:, place], success, kind, group)
    judged = [i for i, effect in enumerate(found) if effect.is_known]
    harm = np.array([_harm(found[i], uses[:, i], success, kind) for i in judged])
    for place, q_value in zip(judged, benjamini_hochberg(harm), strict=True):
        known = found[place]
        found[place] = Effect(known.used, known.unused, known.overall, known.within, float(q_value))
    return found


def _uncompared(used: Share, total: Share) -> Effect:
    without = Share(total.successes - used.successes, total.runs - used.runs)
    return Effect(used, without, None, None, None)


def _effect(few: Effect, used: Bools, success: Bools, kind: Ints, group: Ints) -> Effect:
    within = tables(success, used, group)
    contrast = (within.runs > 0) & (within.other_runs > 0)
    enough = min(within.runs[contrast].sum(), within.other_runs[contrast].sum()) >= _ENOUGH_WITHIN
    return Effect(
        used=few.used,
        unused=few.unused,
        overall=stratified(tables(success, used, kind)),
        within=stratified(within) if enough else None,
        q_value=None,
    )


def _share(outcomes: Bools) -> Share:
    return Share(int(outcomes.sum()), len(outcomes))


def _harm(effect: Effect, used: Bools, success: Bools, kind: Ints) -> float:
    """Return the p-value of harm; 1 where there is gain, which no table needs to be summed for."""
    if effect.overall is None or effect.overall.value >= 0:
        return 1.0
    return exact_p(tables(~success, used, kind))


def stratified(counts: Tables) -> Difference | None:
    """Return the Mantel-Haenszel risk difference with a stratified hybrid score interval.

    Yan, X. and Su, X. G. (2010), Stratified Wilson and Newcombe confidence intervals for multiple
    binomial proportions: each weighted rate has the Wilson interval of the runs it is worth,
    1 / sum(w^2 / n). None where no stratum has runs on both sides.
    """
    weights = counts.weights
    both = weights > 0
    if not both.any():
        return None
    share = weights[both] / weights[both].sum()
    now = _rate(counts.successes[both], counts.runs[both], share)
    before = _rate(counts.other_successes[both], counts.other_runs[both], share)
    down = sqrt((now[0] - now[1]) ** 2 + (before[2] - before[0]) ** 2)
    up = sqrt((now[2] - now[0]) ** 2 + (before[0] - before[1]) ** 2)
    value = now[0] - before[0]
    return Difference(value, max(-1.0, value - down), min(1.0, value + up))


def _rate(successes: Ints, runs: Ints, weights: Sequence[float]) -> tuple[float, float, float]:
    """Return a weighted rate with the ends of its interval."""
    share = np.asarray(weights)
    rate = float(share @ (successes / runs))
    worth = float(1 / (share**2 / runs).sum())
    low, high = wilson(rate * worth, worth)
    return rate, low, high
