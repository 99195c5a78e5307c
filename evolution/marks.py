"""Marks: patterns that set failing runs apart on task groups not used to find them. No advice.

A mark may be the cause of a failure, its trace, or a sign of a hard task. The language of lessons
has no sentence for it, so that it is shown to a person and never proposed.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evolution.config import Config
from evolution.contrasts import compare
from evolution.holdout import Contrast, Rates, contrast, doubts, estimate
from evolution.leaks import LEAK_AUC, View, early, length_auc
from evolution.mining import frequent_tools
from evolution.patterns import Pattern, PatternKind, describe, patterns
from evolution.runs import Run
from evolution.samples import Sample, groups_with, sample_of
from evolution.stats import benjamini_hochberg, resampling_weights

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MAX_PATTERNS = 400  # looked at; the most balanced ones
MAX_RANKED = 120  # of these, compared with each other for likeness
MIN_SPREAD = 3  # task groups with a pattern, and as many without
MIN_SCORE = 1.3  # standard errors that make a pattern worth testing
SAME = 0.9  # correlation from which two patterns are one
LENGTHS = (0.25, 0.5, 0.75, 0.9)  # quantiles that a run may be longer than
NAMED_TRACES = 5
_ANY_RUN = Pattern(PatternKind.LONGER, steps=-1)


@dataclass(frozen=True, slots=True)
class Mark:
    """What failing runs show more often than others, by the runs that were held out.

    Counts are (with the mark, without it) over runs that could have shown it. `lift` is the
    difference of the failure rates, like compared with like, with its 95 % interval.
    """

    text: str
    failed: tuple[int, int]
    succeeded: tuple[int, int]
    lift: float
    interval: tuple[float, float] | None
    q_value: float
    within_group: bool  # found among runs of one task group: the stronger kind
    groups: int  # task groups that the evidence rests on
    doubts: tuple[str, ...]  # why it is a hint and not yet a result
    failed_traces: tuple[str, ...]  # some of those with the mark
    succeeded_traces: tuple[str, ...]

    @property
    def exploratory(self) -> bool:
        """Whether the evidence is a hint and not yet a result."""
        return bool(self.doubts)


@dataclass(frozen=True, slots=True)
class _Sightings:
    """Which runs (N,) could have shown each pattern (K,), and which did."""

    patterns: tuple[Pattern, ...]
    possible: Bools  # (N, K)
    shown: Bools  # (N, K), only where possible

    def part(self, rows: Bools) -> "_Sightings":
        """Return some of the runs."""
        return replace(self, possible=self.possible[rows], shown=self.shown[rows])

    def restricted(self, columns: npt.NDArray[np.intp]) -> "_Sightings":
        """Return some of the patterns."""
        return _Sightings(
            tuple(self.patterns[column] for column in columns),
            self.possible[:, columns],
            self.shown[:, columns],
        )


@dataclass(frozen=True, slots=True)
class _Suspect:
    """A pattern to test: failing runs of the discovery part show it, or fail to show it."""

    column: int
    presence: bool


@dataclass(frozen=True, slots=True)
class _Trial:
    """A suspect on the held-out part: its cases, and which of them bear the mark."""

    text: str
    rows: Bools  # (N,)
    marked: Bools  # (cases,)
    contrast: Contrast | None  # None where all cases are alike

    @property
    def rates(self) -> Rates | None:
        """The contrast that counts, None where nothing could be compared."""
        return None if self.contrast is None else self.contrast.rates


@dataclass(frozen=True, slots=True)
class _Result:
    """A suspect that stood up to the test."""

    trial: _Trial
    contrast: Contrast
    rates: Rates
    q_value: float
    doubts: tuple[str, ...]


def find_marks(
    seen: View, sample: Sample, looking: Bools, config: Config, rng: np.random.Generator
) -> tuple[Mark, ...]:
    """Return what sets failing runs apart: results first, and evidence within groups first.

    `sample` is `seen` as arrays. `looking` (N,) says which runs may be used to find patterns; the
    others test them. Where length gives the outcome away, runs are compared by their early steps
    and no length is looked at.
    """
    if config.max_marks == 0:
        return ()
    if seen.horizon is None and _tells(length_auc(seen.runs)):
        went_on = np.array([len(run.steps) > config.horizon for run in seen.runs], dtype=bool)
        seen, looking = early(seen.runs, config.horizon), looking[went_on]
        sample = sample_of(seen)
    sightings = _eligible(_sightings(seen, config.min_runs), sample, config.min_runs)
    suspects = _suspects(sample.part(looking), sightings.part(looking), config.max_candidates)
    if not suspects:
        return ()
    draws = max(config.min_draws, config.draws_per_candidate * len(suspects))
    rest, signs = sample.part(~looking), sightings.part(~looking)
    trials = [_try(rest, signs, suspect, seen.horizon, draws, rng) for suspect in suspects]
    runs = [run for run, is_used in zip(seen.runs, looking, strict=True) if not is_used]
    return tuple(_marks(_strongest(trials, config), rest, runs, config, rng))


def _tells(auc: float) -> bool:
    """Tell whether length gives the outcome away, also by a loop that stops on failure."""
    return max(auc, 1 - auc) >= LEAK_AUC


def _sightings(seen: View, min_runs: int) -> _Sightings:
    """Return the patterns that at least `min_runs` runs show and as many could but do not."""
    tools = set(frequent_tools(seen.runs, min_runs))
    rows = [patterns(run.steps) | {_ANY_RUN} for run in seen.runs]
    count = Counter(pattern for row in rows for pattern in row)
    for pattern, runs in _lengths(seen):
        count[pattern] = len(runs)
        for run in runs:
            rows[run].add(pattern)
    balance = {
        pattern: min(number, count[pattern.ground or _ANY_RUN] - number)
        for pattern, number in count.items()
        if pattern.kind is PatternKind.LONGER or pattern.tool in tools
        # Where runs are cut, the last call seen is not the last.
        if seen.horizon is None or pattern.kind is not PatternKind.CONTINUED
    }
    order = sorted(balance, key=lambda pattern: (-balance[pattern], pattern))[:MAX_PATTERNS]
    kept = tuple(pattern for pattern in order if balance[pattern] >= min_runs)
    grounds = [pattern.ground or _ANY_RUN for pattern in kept]
    return _Sightings(kept, _table(rows, grounds), _table(rows, kept))


def _table(rows: Sequence[set[Pattern]], columns: Sequence[Pattern]) -> Bools:
    """Return which rows (N,) hold which patterns, (N, K)."""
    table = np.zeros((len(rows), len(columns)), dtype=bool)
    wanted = set(columns)
    holders: dict[Pattern, list[int]] = {pattern: [] for pattern in wanted}
    for number, row in enumerate(rows):
        for pattern in row & wanted:
            holders[pattern].append(number)
    for column, pattern in enumerate(columns):
        table[holders[pattern], column] = True
    return table


def _lengths(seen: View) -> Iterator[tuple[Pattern, list[int]]]:
    """Yield lengths that runs may exceed, with the runs that do; none of runs cut to a length."""
    lengths = np.array([len(run.steps) for run in seen.runs])
    if seen.horizon is not None or not len(lengths):
        return
    for steps in np.unique(np.quantile(lengths, LENGTHS, method="lower")).tolist():
        yield (
            Pattern(PatternKind.LONGER, steps=steps),
            np.flatnonzero(lengths > steps).tolist(),
        )


def _eligible(sightings: _Sightings, sample: Sample, min_runs: int) -> _Sightings:
    """Return the patterns with a contrast in enough task groups, by conduct alone."""
    absent = sightings.possible & ~sightings.shown
    spread = np.minimum(
        groups_with(sightings.shown, sample.group), groups_with(absent, sample.group)
    )
    return sightings.restricted(np.flatnonzero(spread >= MIN_SPREAD))


def _suspects(sample: Sample, sightings: _Sightings, most: int) -> list[_Suspect]:
    """Return the patterns that set failing runs apart on the discovery part, strongest first."""
    if not sightings.patterns or not len(sample.success):
        return []
    scores = compare(
        sample.success, sightings.possible, sightings.shown, sample.group, sample.stratum
    ).overall.z
    keys = [
        (-round(abs(score), 6), score > 0, list(PatternKind).index(pattern.kind), pattern)
        for pattern, score in zip(sightings.patterns, scores.tolist(), strict=True)
    ]
    order = [
        column
        for column in sorted(range(len(keys)), key=keys.__getitem__)
        if abs(scores[column]) >= MIN_SCORE
    ][:MAX_RANKED]
    alike = _likeness(sightings, order) >= SAME
    chosen: list[int] = []
    for place in range(len(order)):
        if len(chosen) < most and not alike[place, chosen].any():
            chosen.append(place)
    return [_Suspect(order[place], bool(scores[order[place]] < 0)) for place in chosen]


def _likeness(sightings: _Sightings, columns: Sequence[int]) -> Floats:
    """Return the absolute correlations (C, C) of patterns among runs that could show both."""
    possible = sightings.possible[:, columns].astype(np.float32)  # exact up to 16 million runs
    shown = sightings.shown[:, columns].astype(np.float32)
    products = (possible.T @ possible, shown.T @ shown, shown.T @ possible)
    runs, both, one = (product.astype(np.float64) for product in products)
    spread = one * (runs - one)
    deviation = np.sqrt(spread * spread.T)
    return np.where(
        deviation > 0, np.abs(both * runs - one * one.T) / np.maximum(deviation, 1e-9), 0.0
    )


def _try(
    sample: Sample,
    sightings: _Sightings,
    suspect: _Suspect,
    horizon: int | None,
    draws: int,
    rng: np.random.Generator,
) -> _Trial:
    rows = sightings.possible[:, suspect.column]
    marked = sightings.shown[rows, suspect.column] == suspect.presence
    text = describe(sightings.patterns[suspect.column], suspect.presence)
    if horizon is not None:
        text = f"{text}, in the first {horizon} steps"
    if marked.all() or not marked.any():
        return _Trial(text, rows, marked, None)
    cases = sample.part(rows)
    return _Trial(text, rows, marked, contrast(cases, ~marked, cases.stratum, draws, rng))


def _strongest(trials: Sequence[_Trial], config: Config) -> list[_Result]:
    """Return what passes Benjamini and Hochberg's procedure at what may be shown, best first."""
    found = [trial.rates for trial in trials]
    q_values = benjamini_hochberg(np.array([1.0 if r is None else r.p_value for r in found]))
    results = [
        _Result(trial, trial.contrast, rates, q_value, doubts(trial.contrast, q_value, config))
        for trial, rates, q_value in zip(trials, found, q_values.tolist(), strict=True)
        if trial.contrast is not None and rates is not None
        if rates.lift > 0 and q_value <= config.propose_q
    ]
    return sorted(results, key=_weakness)[: config.max_marks]


def _weakness(result: _Result) -> tuple[bool, bool, float, float]:
    is_between = not result.contrast.is_within
    return bool(result.doubts), is_between, result.q_value, -result.rates.lift


def _marks(
    results: Sequence[_Result],
    sample: Sample,
    runs: Sequence[Run],
    config: Config,
    rng: np.random.Generator,
) -> Iterator[Mark]:
    groups, columns = np.unique(sample.group, return_inverse=True)
    weights = resampling_weights(len(groups), config.resamples, rng)
    for result in results:
        trial, found = result.trial, result.contrast
        success, column = sample.success[trial.rows], columns[trial.rows]
        known = estimate(success, ~trial.marked, found.strata, column, found.members, weights)
        yield Mark(
            text=trial.text,
            lift=result.rates.lift,
            interval=None if known is None else known.interval,
            q_value=result.q_value,
            within_group=found.is_within,
            groups=result.rates.groups,
            doubts=result.doubts,
            **_cases(trial, runs),
        )


def _cases(trial: _Trial, runs: Sequence[Run]) -> dict[str, Any]:
    """Return the counts of a mark and some of the traces that bear it."""
    cases = [run for run, is_case in zip(runs, trial.rows, strict=True) if is_case]
    bearing = [run for run, is_marked in zip(cases, trial.marked, strict=True) if is_marked]
    failed = [run.trace_id for run in bearing if not run.success]
    succeeded = [run.trace_id for run in bearing if run.success]
    won = sum(run.success for run in cases) - len(succeeded)
    return {
        "failed": (len(failed), len(cases) - len(bearing) - won),
        "succeeded": (len(succeeded), won),
        "failed_traces": tuple(failed[:NAMED_TRACES]),
        "succeeded_traces": tuple(succeeded[:NAMED_TRACES]),
    }
