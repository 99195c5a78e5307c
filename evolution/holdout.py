"""What a candidate lesson is worth on task groups that were not used to find it."""

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
import numpy.typing as npt

from evolution.config import Config
from evolution.contrasts import Evidence, compare
from evolution.discovery import STRONG_SCORE, Pick, blocks, broken, likeness
from evolution.lessons import Lesson
from evolution.mining import Conduct
from evolution.samples import Sample
from evolution.stats import (
    Units,
    cluster_bootstrap,
    exact_p,
    permutation_p,
    resampling_weights,
    stratified_rates,
    tables,
)

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

LEVEL = 0.95
ENTANGLED = 0.5  # correlation from which two lessons are not held against each other
VETO_SCORE = -1.645


@dataclass(frozen=True, slots=True)
class Rates:
    """Success with and without the conduct: raw counts and rates over the same mix of strata."""

    followed: tuple[int, int]  # successes, runs
    not_followed: tuple[int, int]
    rate: float
    other_rate: float
    groups: int
    p_value: float

    @property
    def lift(self) -> float:
        """Difference of the standardised rates, within [-1, 1]; nan without a contrast."""
        return self.rate - self.other_rate


@dataclass(frozen=True, slots=True)
class Estimate:
    """A lift with its standard error and 95 % interval from the cluster bootstrap."""

    lift: float
    error: float
    interval: tuple[float, float]


@dataclass(frozen=True, slots=True)
class Contrast:
    """Runs that differ in one conduct, compared in the two ways there are."""

    within: Rates | None
    between: Rates | None
    is_within: bool
    repeated: bool  # most cases are repeats of a task, so that conduct could have varied inside
    members: Bools  # (N,) the cases that the kind of evidence that counts rests on
    strata: Ints  # (N,) inside which these are compared

    @property
    def rates(self) -> Rates | None:
        """The contrast that counts, None where nothing could be compared."""
        return self.within if self.is_within else self.between


@dataclass(frozen=True, slots=True)
class Trial:
    """One candidate on the held-out part; the kind of evidence that counts is `rates`."""

    pick: Pick
    contrast: Contrast
    counts: tuple[tuple[int, int], tuple[int, int]]  # all cases: followed, not followed
    estimate: Estimate | None  # of the lift that `rates` show
    overall: Estimate | None  # over all cases, within and between groups
    losing_types: tuple[str | None, ...]
    supporting: Ints  # rows of the sample: kept it and succeeded, or broke it and failed
    opposing: Ints

    @property
    def lesson(self) -> Lesson:
        """The lesson tried."""
        return self.pick.lesson

    @property
    def within(self) -> Rates | None:
        """Runs of one group compared with each other."""
        return self.contrast.within

    @property
    def between(self) -> Rates | None:
        """Whole groups compared with each other."""
        return self.contrast.between

    @property
    def is_within(self) -> bool:
        """Whether the evidence within groups is what counts."""
        return self.contrast.is_within

    @property
    def rates(self) -> Rates | None:
        """The contrast that counts, None where nothing could be compared."""
        return self.contrast.rates

    @property
    def runs(self) -> int:
        """Number of held-out runs that were a case for the lesson."""
        return self.counts[0][1] + self.counts[1][1]


@dataclass(frozen=True, slots=True)
class Holdout:
    """The held-out runs, with what is needed to try every candidate alike."""

    sample: Sample
    conduct: Conduct
    breaches: Ints  # (N,) of lessons in the playbook
    adjust: bool
    draws: int  # permutations
    weights: Floats  # (draws of the bootstrap, groups)
    columns: Ints  # (N,) column of `weights` of each run's group


def hold_out(
    sample: Sample,
    conduct: Conduct,
    breaches: Ints,
    *,
    adjust: bool,
    draws: int,
    resamples: int,
    rng: np.random.Generator,
) -> Holdout:
    """Prepare the held-out runs; the resampled groups are the same for every candidate."""
    groups, columns = np.unique(sample.group, return_inverse=True)
    weights = resampling_weights(len(groups), resamples, rng)
    return Holdout(sample, conduct, breaches, adjust, draws, weights, columns.astype(np.int64))


def try_picks(part: Holdout, picks: Sequence[Pick], rng: np.random.Generator) -> list[Trial]:
    """Try each candidate among runs that broke equally many of the other strong ones."""
    strong = [pick for pick in picks if pick.score >= STRONG_SCORE and not pick.remove]
    return [_try(part, pick, _other_breaches(part, pick, strong), rng) for pick in picks]


def _other_breaches(part: Holdout, pick: Pick, strong: Sequence[Pick]) -> Ints:
    breaches = part.breaches.copy()
    if pick.remove:
        breaches -= broken(part.conduct, part.sample, pick)
    if not part.adjust:
        return breaches
    for other in strong:
        entangled = abs(likeness(part.sample, part.conduct, other, pick)) >= ENTANGLED
        if other is not pick and not entangled:
            breaches += broken(part.conduct, part.sample, other)
    return breaches


def _try(part: Holdout, pick: Pick, breaches: Ints, rng: np.random.Generator) -> Trial:
    rows = part.conduct.at_risk[:, pick.column].copy()
    if pick.kind is not None:
        rows &= part.sample.kind == pick.kind
    cases = part.sample.part(rows)
    followed = part.conduct.followed[rows, pick.column] ^ pick.remove
    block = blocks(cases, breaches[rows])
    found = contrast(cases, followed, block, part.draws, rng)
    column = part.columns[rows]
    every = np.ones_like(followed)
    supports = followed == cases.success
    index = np.flatnonzero(rows)
    return Trial(
        pick=pick,
        contrast=found,
        counts=_counts(cases.success, followed),
        estimate=estimate(
            cases.success, followed, found.strata, column, found.members, part.weights
        ),
        overall=estimate(cases.success, followed, block, column, every, part.weights),
        losing_types=_losing(pick, cases, followed, block),
        supporting=index[supports],
        opposing=index[~supports],
    )


def contrast(
    cases: Sample, followed: Bools, block: Ints, draws: int, rng: np.random.Generator
) -> Contrast:
    """Compare cases that kept to a conduct, `followed` (N,), with the others of their block."""
    unit = _pairs(block, cases.group)
    mixed, repeated = _units(unit, followed)
    is_within = bool(_evidence(cases, followed, block).is_within[0])
    return Contrast(
        within=_within(cases, followed, unit, mixed),
        between=_between(cases, followed, unit, block, mixed, draws, rng),
        is_within=is_within,
        repeated=repeated,
        members=mixed if is_within else ~mixed,
        strata=unit if is_within else block,
    )


def doubts(found: Contrast, q_value: float, config: Config) -> tuple[str, ...]:
    """Return why a contrast is a hint and not yet a result; empty if it is one."""
    reasons = []
    if q_value > config.exploratory_q:
        reasons.append(f"q is above {config.exploratory_q:g}")
    groups = 0 if found.rates is None else found.rates.groups
    needed = config.min_mixed_groups if found.is_within else config.min_groups
    if groups < needed:
        kind = "within" if found.is_within else "between"
        reasons.append(f"evidence {kind} only {groups} task groups, {needed} are needed")
    if not found.is_within and found.repeated:
        reasons.append("tasks were repeated, but it never made a difference within one")
    return tuple(reasons)


def _pairs(block: Ints, group: Ints) -> Ints:
    """Return one id (N,) per pair of block and group."""
    _, index = np.unique(np.stack([block, group]), axis=1, return_inverse=True)
    return np.asarray(index.reshape(-1), dtype=np.int64)


def _units(unit: Ints, followed: Bools) -> tuple[Bools, bool]:
    """Return where (N,) the conduct varies inside the unit, and if most cases are repeats."""
    if not len(unit):
        return np.zeros(0, dtype=bool), False
    size, kept = np.bincount(unit), np.bincount(unit, weights=followed)
    mixed = (kept > 0) & (kept < size)
    return mixed[unit], bool(np.mean(size[unit] > 1) > 0.5)


def _counts(success: Bools, followed: Bools) -> tuple[tuple[int, int], tuple[int, int]]:
    return (
        (int((success & followed).sum()), int(followed.sum())),
        (int((success & ~followed).sum()), int((~followed).sum())),
    )


def _within(cases: Sample, followed: Bools, unit: Ints, mixed: Bools) -> Rates | None:
    if not mixed.any():
        return None
    counts = tables(cases.success[mixed], followed[mixed], unit[mixed])
    kept, others = _counts(cases.success[mixed], followed[mixed])
    rate, other = stratified_rates(counts)
    groups = len(np.unique(cases.group[mixed]))
    return Rates(kept, others, rate, other, groups, exact_p(counts))


def _between(
    cases: Sample,
    followed: Bools,
    unit: Ints,
    block: Ints,
    mixed: Bools,
    draws: int,
    rng: np.random.Generator,
) -> Rates | None:
    pure = ~mixed
    counts = tables(cases.success[pure], followed[pure], block[pure])
    if not counts.weights.any():
        return None
    size = np.bincount(unit[pure])
    first = np.unique(unit[pure], return_index=True)[1]
    present = size > 0
    wins = np.bincount(unit[pure], weights=cases.success[pure])[present]
    units = Units(
        mean=wins / size[present],
        size=size[present],
        followed=followed[pure][first],
        block=block[pure][first],
    )
    informative = np.isin(block, np.unique(block[pure])[counts.weights > 0]) & pure
    kept, others = _counts(cases.success[pure], followed[pure])
    rate, other = stratified_rates(counts)
    groups = len(np.unique(cases.group[informative]))
    return Rates(kept, others, rate, other, groups, permutation_p(units, draws, rng))


def _evidence(cases: Sample, followed: Bools, block: Ints) -> Evidence:
    at_risk = np.ones((len(followed), 1), dtype=bool)
    return compare(cases.success, at_risk, followed[:, None], cases.group, block)


def estimate(
    success: Bools, followed: Bools, block: Ints, column: Ints, member: Bools, weights: Floats
) -> Estimate | None:
    """Return the lift among the member runs, None without a contrast.

    Few groups resample too smoothly: G / (G - 1) corrects the variance, and the error is never
    below that of independent runs without an effect, by half a success more (Yates 1934): three
    runs that all failed are no proof.
    """
    success, followed = success[member], followed[member]
    block, column = block[member], column[member]
    counts = tables(success, followed, block)
    informative = counts.weights > 0
    if not informative.any():
        return None
    rate, other_rate = stratified_rates(counts)
    used = informative[np.unique(block, return_inverse=True)[1]]
    groups = max(2, len(np.unique(column[used])))
    lifts = cluster_bootstrap(success, followed, block, column, weights)
    resampled = lifts.var() * groups / (groups - 1) if len(lifts) > 1 else 1.0
    independent = (counts.variance.sum() + 0.25) / counts.weights.sum() ** 2
    error = float(np.sqrt(max(resampled, independent)))
    lift = rate - other_rate
    return Estimate(lift, error, _interval(lift, error, groups))


def _interval(lift: float, error: float, groups: int) -> tuple[float, float]:
    """Return the 95 % interval with Student's quantile (Cornish-Fisher) for few groups."""
    normal = NormalDist().inv_cdf((1 + LEVEL) / 2)
    quantile = normal + (normal**3 + normal) / (4 * max(groups - 1, 1))
    return max(-1.0, lift - quantile * error), min(1.0, lift + quantile * error)


def _losing(pick: Pick, cases: Sample, followed: Bools, block: Ints) -> tuple[str | None, ...]:
    """Return the task types in which a lesson for all types clearly loses."""
    if pick.kind is not None or len(cases.types) == 1:
        return ()
    losing = []
    for kind, name in enumerate(cases.types):
        rows = cases.kind == kind
        if rows.any():
            part = _evidence(cases.part(rows), followed[rows], block[rows])
            if part.z[0] < VETO_SCORE:
                losing.append(name)
    return tuple(losing)
