"""Where the outcome leaks through the length of a run, and what may be compared then."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from evolution.lessons import error_signature
from evolution.runs import Run, Step

LEAK_AUC = 0.9
MIN_RUNS_FOR_LEAK = 20


@dataclass(frozen=True, slots=True)
class View:
    """The runs as they may be compared: whole, or the first `horizon` steps of unsolved ones."""

    runs: tuple[Run, ...]
    horizon: int | None
    usual: frozenset[str] = frozenset()  # tools that at least half of the whole runs call

    def situation(self, run: Run) -> str:
        """Return what a run met at its first step, where only early steps are compared.

        The second step is often an answer to the first, so that only runs that met the same
        thing are alike.
        """
        return entry_situation(run.steps) if self.horizon is not None else ""


def entry_situation(steps: Sequence[Step]) -> str:
    """Return the error signature of the first step, an empty text where there was none."""
    if not steps or steps[0].error is None:
        return ""
    return error_signature(steps[0].error)


def length_auc(runs: Sequence[Run]) -> float:
    """Return the chance that a successful run is shorter than a failed one (ties count half)."""
    lengths = np.array([len(run.steps) for run in runs])
    success = np.array([run.success for run in runs], dtype=bool)
    won, lost = np.sort(lengths[success]), np.sort(lengths[~success])
    if not len(won) or not len(lost):
        return 0.5
    below = np.searchsorted(won, lost, side="left").sum()
    level = np.searchsorted(won, lost, side="right").sum()
    return float((below + level) / 2 / (len(won) * len(lost)))


def view(runs: Sequence[Run], horizon: int) -> View:
    """Return the runs whole, or, where length gives the outcome away, their early steps.

    A loop that stops at success makes short runs successful by construction, and everything that
    takes steps looks harmful. Then only runs that went on after `horizon` steps are kept, and of
    them only these first steps.
    """
    if len(runs) < MIN_RUNS_FOR_LEAK or length_auc(runs) < LEAK_AUC:
        return View(tuple(runs), None)
    return early(runs, horizon)


def early(runs: Sequence[Run], horizon: int) -> View:
    """Return the first `horizon` steps of the runs that went on after them."""
    unsolved = [run for run in runs if len(run.steps) > horizon]
    callers = Counter(tool for run in unsolved for tool in {step.tool for step in run.steps})
    usual = frozenset(tool for tool, count in callers.items() if 2 * count >= len(unsolved))
    cut = tuple(replace(run, steps=run.steps[:horizon]) for run in unsolved)
    return View(cut, horizon, usual)
