"""What was found about one lesson, in numbers and in sentences that a reader can check."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from evolution.holdout import Estimate, Rates, Trial
from evolution.lessons import Lesson, render
from evolution.runs import Run

MAX_TRACES = 500  # trace ids kept for and against, each


@dataclass(frozen=True, slots=True)
class Finding:
    """A candidate after its trial on the held-out part."""

    trial: Trial
    q_value: float
    confidence: float
    doubts: tuple[str, ...]  # why it is exploratory; empty if it is not
    automatic: bool
    horizon: int | None
    candidates: int  # how many were tried together
    more_runs: int | None  # further runs that would decide it; None: no gain to show

    @property
    def lesson(self) -> Lesson:
        """The lesson found."""
        return self.trial.lesson

    @property
    def exploratory(self) -> bool:
        """Whether it is a hint rather than a result."""
        return bool(self.doubts)


def evidence(finding: Finding, runs: Sequence[Run]) -> dict[str, Any]:
    """Return the evidence of a delta as JSON values.

    `counts` are successes and runs over all held-out cases, and `for` and `against` name exactly
    these; `rates` compare like with like (stratified), and `lift` is their difference.
    """
    trial, rates = finding.trial, finding.trial.rates
    kept, broken = trial.counts
    return {
        "kind": "statistical",
        "exploratory": finding.exploratory,
        "q_value": _rounded(finding.q_value),
        "lift": None if rates is None else _rounded(rates.lift),
        "interval": None if trial.estimate is None else _limits(trial.estimate),
        "counts": {"followed": list(kept), "not_followed": list(broken)},
        "within_group": trial.is_within,
        "for": [runs[row].trace_id for row in trial.supporting[:MAX_TRACES]],
        "against": [runs[row].trace_id for row in trial.opposing[:MAX_TRACES]],
        "for_total": len(trial.supporting),
        "against_total": len(trial.opposing),
        "automatic": finding.automatic,
        "action": "remove" if trial.pick.remove else "add",
        "rates": _rates(rates),
        "within": _part(trial.within),
        "between": _part(trial.between),
        "doubts": list(finding.doubts),
        "horizon": finding.horizon,
        "candidates": finding.candidates,
        "more_runs": finding.more_runs,
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _limits(estimate: Estimate) -> list[float]:
    return [_rounded(limit) for limit in estimate.interval]


def _rates(rates: Rates | None) -> dict[str, float] | None:
    if rates is None:
        return None
    return {"followed": _rounded(rates.rate), "not_followed": _rounded(rates.other_rate)}


def _part(rates: Rates | None) -> dict[str, Any] | None:
    if rates is None:
        return None
    return {
        "rates": _rates(rates),
        "lift": _rounded(rates.lift),
        "counts": {"followed": list(rates.followed), "not_followed": list(rates.not_followed)},
        "groups": rates.groups,
        "p_value": _rounded(rates.p_value),
    }


def reasoning(finding: Finding) -> str:
    """Return two to four honest sentences with numbers that the traces bear out."""
    sentences = [_raw(finding), _compared(finding), _chance(finding)]
    if finding.doubts:
        sentences.append(f"Exploratory: {'; '.join(finding.doubts)}.")
    return " ".join(sentence for sentence in sentences if sentence)


def _raw(finding: Finding) -> str:
    trial = finding.trial
    kept, broken = trial.counts
    verbs = ("broke", "kept to") if trial.pick.remove else ("kept to", "broke")
    early = "" if finding.horizon is None else f", judged by the first {finding.horizon} steps"
    return (
        f"In task groups not used to find it, {_of(kept)} that {verbs[0]} "
        f"“{render(finding.lesson)}” succeeded, and {_of(broken)} that {verbs[1]} it{early}."
    )


def _of(counts: tuple[int, int]) -> str:
    successes, runs = counts
    return f"{successes} of {runs} runs"


def _compared(finding: Finding) -> str:
    trial, rates = finding.trial, finding.trial.rates
    if rates is None:
        return "No two comparable runs differed in it."
    against = f"{rates.rate * 100:.0f} % against {rates.other_rate * 100:.0f} %"
    if trial.is_within:
        return (
            f"Among runs of the same task group it was {against} ({rates.groups} groups have "
            "both), which is the stronger kind of evidence."
        )
    return (
        f"Like compared with like (task type, version, other mistakes) it was {against}, between "
        f"{rates.groups} groups: the tasks themselves may differ."
    )


def _chance(finding: Finding) -> str:
    trial = finding.trial
    if trial.estimate is None:
        return ""
    low, high = trial.estimate.interval
    tried = "1 candidate" if finding.candidates == 1 else f"{finding.candidates} candidates"
    text = (
        f"The difference lies between {100 * low:+.0f} and {100 * high:+.0f} points (95 %); after "
        f"correction for {tried} tried, q = {finding.q_value:.2g}."
    )
    if finding.exploratory or low > 0:
        return text
    return (
        f"{text} The interval reaches below zero all the same: it also counts how the groups "
        "differ from one another, the test does not."
    )
