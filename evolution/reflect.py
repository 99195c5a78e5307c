"""The statistical reflector: from runs to lessons that hold on task groups it did not look at."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from evolution.config import Config
from evolution.discovery import Pick, Search, broken, eligible_lessons, search, standing
from evolution.findings import Finding, evidence, reasoning
from evolution.holdout import Holdout, Trial, doubts, hold_out, try_picks
from evolution.leaks import LEAK_AUC, View, length_auc, view
from evolution.lessons import Lesson, LessonKind, contradicts, parse, render, untyped
from evolution.marks import Mark, find_marks
from evolution.mining import Conduct, mine
from evolution.runs import Run
from evolution.samples import Sample, sample_of, split_groups
from evolution.stats import benjamini_hochberg, fit_prior, runs_needed, sign_confidence

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

POWER = 0.8
GREW_CLEARLY = 2.0


@dataclass(frozen=True, slots=True)
class Proposal:
    """A lesson to add to, or remove from, a playbook."""

    lesson: Lesson
    text: str
    action: str  # "add" or "remove"
    confidence: float
    reasoning: str
    evidence: dict[str, Any]

    @property
    def automatic(self) -> bool:
        """Whether the evidence allows applying it without a person."""
        return bool(self.evidence["automatic"])


@dataclass(frozen=True, slots=True)
class Reflection:
    """What one reflection found, proposed, left open, and under which settings."""

    proposals: tuple[Proposal, ...]
    candidates: tuple[dict[str, Any], ...]  # tried and not proposed, the strongest first
    not_explored: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]
    settings: dict[str, Any]
    findings: tuple[Finding, ...] = ()  # everything tried, the strongest first
    marks: tuple[Mark, ...] = ()  # what sets failing runs apart: shown, never proposed


def reflect(runs: Sequence[Run], config: Config, rng: np.random.Generator) -> Reflection:
    """Return the lessons that the runs support. Deterministic by the state of `rng`.

    The order of `runs` matters only through the random split. Raises nothing on odd data: where
    nothing can be learned the notes say why.
    """
    seen = view(runs, config.horizon)
    settings = _settings(runs, seen, config)
    groups = len({run.task_group for run in seen.runs})
    if groups < 4:
        note = f"Nothing can be held out: {groups} task groups to compare, 4 are needed."
        return Reflection((), (), (), (note,), settings)
    sample = sample_of(seen)
    conduct = mine(seen, config.min_runs)
    looking = split_groups(sample, config.discovery_share, rng)
    picks, breaches = _discover(sample, conduct, looking, seen, config)
    draws = max(config.min_draws, config.draws_per_candidate * len(picks))
    part = hold_out(
        sample.part(~looking),
        _rows(conduct, ~looking),
        breaches[~looking],
        adjust=seen.horizon is None,
        draws=draws,
        resamples=config.resamples,
        rng=rng,
    )
    findings = _judge(try_picks(part, picks, rng), part, len(seen.runs), seen.horizon, config)
    held_out = [run for run, is_used in zip(seen.runs, looking, strict=True) if not is_used]
    settings |= {
        "permutations": draws,
        "candidates": len(picks),
        "groups": groups,
        "groups_held_out": len(np.unique(part.sample.group)),
        "runs_held_out": len(held_out),
    }
    found = _report(findings, held_out, sample, conduct, seen, settings, config)
    # A generator of their own: what is proposed does not depend on what is merely shown.
    return replace(found, marks=find_marks(seen, sample, looking, config, rng.spawn(1)[0]))


def _rows(conduct: Conduct, rows: Bools) -> Conduct:
    return replace(conduct, at_risk=conduct.at_risk[rows], followed=conduct.followed[rows])


def _discover(
    sample: Sample, conduct: Conduct, looking: Bools, seen: View, config: Config
) -> tuple[list[Pick], Ints]:
    """Return the candidates, and how many lessons of the playbook each run (N,) broke."""
    existing = [lesson for text in config.existing if (lesson := parse(text)) is not None]
    taken = {*existing, *_still_rejected(sample, conduct, config)}
    state = Search(
        sample=sample.part(looking),
        conduct=_rows(conduct, looking),
        eligible=eligible_lessons(sample, conduct, taken, config.min_runs),
        adjust=seen.horizon is None,
    )
    known = standing(sample, conduct, existing)
    breaches = np.zeros(len(sample.success), dtype=np.int64)
    for pick in known:
        breaches += broken(conduct, sample, pick)
    picks = search(state, config.max_candidates, known, breaches[looking])
    return picks, breaches


def _still_rejected(sample: Sample, conduct: Conduct, config: Config) -> set[Lesson]:
    """Return the lessons turned down earlier for which the evidence has not grown clearly."""
    still = set()
    for text, runs_then in config.rejected.items():
        lesson = parse(text)
        if lesson is None or untyped(lesson) not in conduct.lessons:
            continue
        rows = np.ones(len(sample.success), dtype=bool)
        if lesson.task_type in sample.types:
            rows = sample.kind == sample.types.index(lesson.task_type)
        column = conduct.lessons.index(untyped(lesson))
        held_out = conduct.at_risk[rows, column].sum() * (1 - config.discovery_share)
        if held_out < GREW_CLEARLY * runs_then:
            still.add(lesson)
    return still


def _judge(
    trials: Sequence[Trial], part: Holdout, runs: int, horizon: int | None, config: Config
) -> list[Finding]:
    """Turn trials into findings: q-values, confidence and doubts; the strongest first."""
    if not trials:
        return []
    p_values = np.array([1.0 if t.rates is None else t.rates.p_value for t in trials])
    q_values = benjamini_hochberg(p_values)
    confidences = _confidences(trials, config.confidence_cap)
    findings = []
    for trial, q_value, confidence in zip(trials, q_values.tolist(), confidences, strict=True):
        reasons = doubts(trial.contrast, q_value, config)
        findings.append(
            Finding(
                trial=trial,
                q_value=q_value,
                confidence=round(confidence, 4),
                doubts=reasons,
                automatic=not reasons and q_value <= config.automatic_q,
                horizon=horizon,
                candidates=len(trials),
                more_runs=_more_runs(trial, len(trials), runs, part, config),
            )
        )
    order = np.lexsort((-np.array([f.confidence for f in findings]), p_values))
    return [findings[index] for index in order]


def _confidences(trials: Sequence[Trial], cap: float) -> list[float]:
    """Return, for each trial, the chance that other groups show a gain too; 0.5 if unknown."""
    known = [trial.overall for trial in trials if trial.overall is not None]
    if not known:
        return [0.5] * len(trials)
    lifts, errors = (np.array([getattr(e, name) for e in known]) for name in ("lift", "error"))
    prior = fit_prior(lifts, errors)
    return [
        0.5 if e is None else sign_confidence(e.lift, e.error, trial.pick.score, prior, cap)
        for trial in trials
        for e in (trial.overall,)
    ]


def _more_runs(trial: Trial, tried: int, runs: int, part: Holdout, config: Config) -> int | None:
    """Return how many further runs would decide a candidate with 80 % power, 0 if it is decided.

    The held-out share of new runs stays as it is now; the level is Bonferroni's.
    """
    if trial.estimate is None:
        return None
    held_out = len(part.sample.success)
    level = config.exploratory_q / tried
    needed = runs_needed(trial.estimate.lift, trial.estimate.error, held_out, level, POWER)
    if needed is None:
        return None
    return max(0, round((needed - held_out) * runs / held_out))


def _report(
    findings: Sequence[Finding],
    held_out: Sequence[Run],
    sample: Sample,
    conduct: Conduct,
    seen: View,
    settings: dict[str, Any],
    config: Config,
) -> Reflection:
    chosen = _chosen(findings, config)
    others = [finding for finding in findings if finding not in chosen]
    proposals = tuple(_proposal(finding, held_out) for finding in chosen)
    return Reflection(
        proposals=proposals,
        candidates=tuple(_candidate(finding) for finding in others),
        not_explored=_not_explored(sample, conduct),
        notes=_notes(proposals, others, seen, config),
        settings=settings,
        findings=tuple(findings),
    )


def _chosen(findings: Sequence[Finding], config: Config) -> list[Finding]:
    """Return what is proposed: results before hints, nothing that cannot be obeyed together."""
    fit = [finding for finding in findings if _may_be_proposed(finding, config)]
    fit.sort(key=lambda finding: finding.exploratory)
    standing = [lesson for text in config.existing if (lesson := parse(text)) is not None]
    chosen: list[Finding] = []
    for finding in fit:
        if len(chosen) == config.max_deltas:
            break
        if finding.trial.pick.remove or not contradicts(finding.lesson, standing):
            chosen.append(finding)
            standing.append(finding.lesson)
    return chosen


def _may_be_proposed(finding: Finding, config: Config) -> bool:
    rates = finding.trial.rates
    return (
        rates is not None
        and rates.lift > 0
        and finding.q_value <= config.propose_q
        and not finding.trial.losing_types
    )


def _proposal(finding: Finding, held_out: Sequence[Run]) -> Proposal:
    return Proposal(
        lesson=finding.lesson,
        text=render(finding.lesson),
        action="remove" if finding.trial.pick.remove else "add",
        confidence=finding.confidence,
        reasoning=reasoning(finding),
        evidence=evidence(finding, held_out),
    )


def _candidate(finding: Finding) -> dict[str, Any]:
    rates = finding.trial.rates
    kept, not_kept = finding.trial.counts
    return {
        "text": render(finding.lesson),
        "lift": None if rates is None else round(rates.lift, 4),
        "q_value": float(f"{finding.q_value:.4g}"),
        "counts": {"followed": list(kept), "not_followed": list(not_kept)},
        "within_group": finding.trial.is_within,
        "losing_types": [kind for kind in finding.trial.losing_types if kind is not None],
        "more_runs": finding.more_runs,
    }


MAX_NOT_EXPLORED = 8
MIN_CASES = 10


def _not_explored(sample: Sample, conduct: Conduct) -> tuple[dict[str, Any], ...]:
    """Return lessons about which nothing is known because no run ever kept to them."""
    cases = conduct.at_risk.sum(axis=0)
    kept = conduct.followed.sum(axis=0)
    failed = (conduct.at_risk & ~sample.success[:, None]).sum(axis=0)
    ordered = {LessonKind.BEFORE, LessonKind.AFTER_ERROR}
    wanted = np.array([lesson.kind in ordered for lesson in conduct.lessons], dtype=bool)
    columns = np.flatnonzero((kept == 0) & (cases >= MIN_CASES) & wanted)
    columns = columns[np.argsort(-failed[columns], kind="stable")][:MAX_NOT_EXPLORED]
    return tuple(
        {
            "text": render(conduct.lessons[column]),
            "runs": int(cases[column]),
            "failed": int(failed[column]),
        }
        for column in columns
    )


def _notes(
    proposals: Sequence[Proposal], others: Sequence[Finding], seen: View, config: Config
) -> tuple[str, ...]:
    notes = []
    if seen.horizon is not None:
        notes.append(
            "Length gives the outcome away (the loop stops on success), so only the first "
            f"{seen.horizon} steps of the {len(seen.runs)} runs still unsolved then were compared."
        )
    if not proposals and not others:
        notes.append("No lesson of the language differs between runs that failed and succeeded.")
    elif not proposals:
        notes.append(_nearest(others[0], config))
    return tuple(notes)


def _nearest(finding: Finding, config: Config) -> str:
    text = (
        f"No candidate reached q <= {config.propose_q:g} on the held-out groups. The strongest was "
        f"“{render(finding.lesson)}” (q = {finding.q_value:.2g})"
    )
    if not finding.more_runs:
        return f"{text}."
    return f"{text}; if its lift is what it seems, about {finding.more_runs} more runs would tell."


def _settings(runs: Sequence[Run], seen: View, config: Config) -> dict[str, Any]:
    settings = asdict(config)
    settings.pop("existing")
    settings.pop("rejected")
    return settings | {
        "runs": len(runs),
        "runs_compared": len(seen.runs),
        "length_auc": round(length_auc(runs), 4),
        "leak_auc": LEAK_AUC,
        "horizon": seen.horizon,
    }
