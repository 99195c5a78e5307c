"""Measures of the reflector over grouped folds and shuffled outcomes; splits follow from a seed."""

from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt
from scipy.stats import beta, fisher_exact  # type: ignore[import-untyped]

from bench.outcome import auc, fit
from evolution.findings import Finding
from evolution.leaks import View, early
from evolution.lessons import untyped
from evolution.mining import mine
from evolution.reflect import Config, Reflection, reflect, sample_of
from evolution.runs import Run
from evolution.stats import stratified_rates, tables

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

PARTS = 3  # a fold holds out a third: as much as the reflector then holds out itself
TOP = 10
BINS = 10
THRESHOLD = 0.7  # confidence from which a delta may apply itself


def grouped_folds(runs: Sequence[Run], count: int, seed: int) -> list[list[str]]:
    """Return the held-out task groups of `count` folds, about a third of the runs each.

    Groups come in an order drawn from `seed` and go to the emptiest of three parts; each part is
    a fold, then the next order is drawn.
    """
    size = Counter(run.task_group for run in runs)
    groups, rng = sorted(size), np.random.default_rng(seed)
    folds: list[list[str]] = []
    while len(folds) < count:
        parts: list[list[str]] = [[] for _ in range(PARTS)]
        for index in rng.permutation(len(groups)):
            smallest = min(parts, key=lambda part: sum(size[group] for group in part))
            smallest.append(groups[index])
        folds += [sorted(part) for part in parts]
    return folds[:count]


@dataclass(frozen=True, slots=True)
class Scored:
    """A lesson of one fold: its confidence, and if its sign held where nobody had looked."""

    confidence: float
    held: float  # 1 held, 0 did not, 0.5 no difference at all
    shown: bool  # among the fold's top ten


@dataclass(frozen=True, slots=True)
class Fold:
    """What one fold measured."""

    auc: float
    lessons: tuple[Scored, ...]

    @property
    def precision(self) -> float:
        """Share of the top ten lessons whose sign held; nan if none could be measured."""
        held = [lesson.held for lesson in self.lessons if lesson.shown]
        return float(np.mean(held)) if held else float("nan")


def measure(runs: Sequence[Run], held_out: Sequence[str], seed: int, with_auc: bool) -> Fold:
    """Learn from all but the held-out groups and look at these.

    AUC: success of the held-out runs by a model of rule patterns fitted to the others. Top ten:
    the ten strongest candidates that still showed a gain on the reflector's own held-out half.
    A sign holds if followed beats not followed in the stratified rates of all held-out cases; a
    lesson that the fold has no contrast for is not counted. Where outcomes leak through length,
    everything is seen by the early steps of still unsolved runs.
    """
    taken = set(held_out)
    learning = [run for run in runs if run.task_group not in taken]
    rest = [run for run in runs if run.task_group in taken]
    reflection = reflect(learning, Config(), np.random.default_rng(seed))
    horizon = reflection.settings["horizon"]
    seen, unseen = _seen(learning, horizon), _seen(rest, horizon)
    gained = [f for f in reflection.findings if f.trial.overall and f.trial.overall.lift > 0]
    shown = {finding.lesson for finding in gained[:TOP]}
    signs = _signs(reflection.findings, unseen)
    lessons = [
        Scored(finding.confidence, sign, finding.lesson in shown)
        for finding, sign in zip(reflection.findings, signs, strict=True)
        if sign is not None
    ]
    success = np.array([run.success for run in unseen.runs], dtype=bool)
    area = auc(fit(seen).predict(unseen), success) if with_auc else float("nan")
    return Fold(area, tuple(lessons))


def _seen(runs: Sequence[Run], horizon: int | None) -> View:
    return View(tuple(runs), None) if horizon is None else early(runs, horizon)


def _signs(findings: Sequence[Finding], unseen: View) -> list[float | None]:
    sample, conduct = sample_of(unseen), mine(unseen, 1)
    column = {lesson: index for index, lesson in enumerate(conduct.lessons)}
    signs: list[float | None] = []
    for finding in findings:
        index = column.get(untyped(finding.lesson))
        if index is None:
            signs.append(None)
            continue
        rows = conduct.at_risk[:, index].copy()
        if finding.lesson.task_type is not None:
            rows &= [run.task_type == finding.lesson.task_type for run in unseen.runs]
        followed = conduct.followed[rows, index] ^ finding.trial.pick.remove
        counts = tables(sample.success[rows], followed, sample.stratum[rows])
        rate, other = stratified_rates(counts)
        signs.append(None if np.isnan(rate) else (1 + float(np.sign(rate - other))) / 2)
    return signs


def calibration_error(lessons: Sequence[Scored]) -> float:
    """Return the expected calibration error over ten bins of equal width (Naeini et al. 2015)."""
    stated = np.array([lesson.confidence for lesson in lessons])
    held = np.array([lesson.held for lesson in lessons])
    place = np.minimum((stated * BINS).astype(int), BINS - 1)
    gaps = [abs((stated - held)[place == index].sum()) for index in range(BINS)]
    return float(sum(gaps) / len(lessons))


def calibration_limit(lessons: Sequence[Scored], draws: int, seed: int) -> float:
    """Return the 95 % upper limit of the calibration error over resampled lessons."""
    rng, count = np.random.default_rng(seed), len(lessons)
    errors = [
        calibration_error([lessons[index] for index in rng.integers(0, count, count)])
        for _ in range(draws)
    ]
    return float(np.quantile(errors, 0.95))


def shuffled_within(runs: Sequence[Run], rng: np.random.Generator) -> list[Run]:
    """Return the runs with outcomes permuted inside each task group."""
    rows = defaultdict(list)
    for row, run in enumerate(runs):
        rows[run.task_group].append(row)
    outcome = np.array([run.success for run in runs], dtype=bool)
    for members in rows.values():
        outcome[members] = rng.permutation(outcome[members])
    return _with(runs, outcome)


def shuffled_between(runs: Sequence[Run], rng: np.random.Generator) -> list[Run]:
    """Return the runs with the outcomes of whole groups swapped among groups of like size.

    Like size is the same power of two; a group that receives from a smaller one draws some of its
    outcomes twice.
    """
    rows = defaultdict(list)
    for row, run in enumerate(runs):
        rows[run.task_group].append(row)
    bins = defaultdict(list)
    for group, members in rows.items():
        bins[int(np.log2(len(members)))].append(group)
    before = np.array([run.success for run in runs], dtype=bool)
    after = before.copy()
    for groups in bins.values():
        for group, donor in zip(groups, rng.permutation(len(groups)), strict=True):
            given = rng.permutation(before[rows[groups[donor]]])
            missing = max(0, len(rows[group]) - len(given))
            filled = np.concatenate([given, rng.choice(given, missing)])
            after[rows[group]] = filled[: len(rows[group])]
    return _with(runs, after)


def _with(runs: Sequence[Run], outcome: Bools) -> list[Run]:
    return [replace(run, success=bool(won)) for run, won in zip(runs, outcome, strict=True)]


def applies_itself(reflection: Reflection) -> int:
    """Return how many proposals would need no person."""
    return sum(p.automatic and p.confidence >= THRESHOLD for p in reflection.proposals)


def is_firm(reflection: Reflection) -> bool:
    """Tell whether any proposal is not exploratory."""
    return any(not proposal.evidence["exploratory"] for proposal in reflection.proposals)


def upper_limit(hits: int, trials: int) -> float:
    """Return the one-sided 95 % upper limit of a share (Clopper and Pearson 1934)."""
    return 1.0 if hits == trials else float(beta.ppf(0.95, hits + 1, trials - hits))


def naive_rules(runs: Sequence[Run]) -> int:
    """Return how many rules a Fisher test over all runs lets through at confidence 0.7."""
    conduct = mine(View(tuple(runs), None), Config().min_runs)
    success = np.array([run.success for run in runs], dtype=bool)
    passed = 0
    for column in range(len(conduct.lessons)):
        kept = conduct.at_risk[:, column] & conduct.followed[:, column]
        broken = conduct.at_risk[:, column] & ~kept
        table = [[(kept & success).sum(), (kept & ~success).sum()]]
        table += [[(broken & success).sum(), (broken & ~success).sum()]]
        p_value = fisher_exact(table, alternative="greater").pvalue
        passed += 1 - p_value >= THRESHOLD
    return passed
