"""What the statistical reflector is worth on recorded runs, over folds and shuffled outcomes.

    python -m bench reflector [FILE ...] [--format F] [--folds N] [--shuffles N] [--quick] [--json]

Without a file: the recordings in ACE_SHARED (default ../shared). AUC and precision are means over
seeded grouped folds (`bench/folds.py` defines them); `--json` publishes the splits.
"""

import argparse
import json
import os
import sys
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

if __package__ in (None, ""):  # run as a script
    sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from bench.folds import (
    applies_itself,
    calibration_error,
    calibration_limit,
    grouped_folds,
    is_firm,
    measure,
    naive_rules,
    shuffled_between,
    shuffled_within,
    upper_limit,
)
from evolution.importers import Format, Found, read_traces
from evolution.reflect import Config, reflect
from evolution.runs import Run, Step

CALIBRATION_FOLDS = 300
SEEDS = 20
BOOTSTRAPS = 500
NAIVE_SHUFFLES = 20
ERROR_BAR, SHUFFLE_BAR, LESSONS_NEEDED = 0.08, 0.10, 200
# What a prototype reached on the recordings in ACE_SHARED: AUC, precision of the top ten.
REFERENCE = {"intercode_sql_gpt35.jsonl.gz": (0.745, 0.70), "tau_airline_gpt4o.json": (0.745, 0.68)}
RECORDINGS = (*REFERENCE, "intercode_bash_gpt4.jsonl.gz")


@dataclass(frozen=True, slots=True)
class Row:
    """One recording's line in the table."""

    name: str
    runs: int
    groups: int
    horizon: int | None
    auc: float
    precision: float
    lessons: int
    error: float
    error_limit: float
    firm_within: float  # upper limit of the share of shuffles with a firm proposal
    firm_between: float
    applied_shuffled: int  # deltas that would have applied themselves, over all shuffles
    applied: float  # the same on the true outcomes, mean over seeds
    naive: float  # rules a Fisher test lets through per shuffle
    firm: dict[str, float]  # firm proposals on the true outcomes, share of seeds
    folds: list[list[str]]


def main(arguments: list[str]) -> int:
    """Print the table; return 1 if a bar was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench reflector")
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--format", default=Format.AUTO, choices=list(Format))
    parser.add_argument("--folds", type=int, default=20)
    parser.add_argument("--shuffles", type=int, default=200)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="20 shuffles and fewer folds")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args(arguments)
    files = options.files or _recordings()
    if not files:
        print("skipped: no recordings; name a file or set ACE_SHARED")
        return 0
    rows = [_row(path, options) for path in files]
    if options.json:
        print(json.dumps([asdict(row) for row in rows], indent=2))
    else:
        _print(rows)
    return int(any(_missed(row, options.quick) for row in rows))


def load_runs(path: Path, form: str = Format.AUTO) -> list[Run]:
    """Return the runs of a file of traces as the reflector sees them; what is no trace is left."""
    found = (record for record in read_traces(path, Format(form), "bench"))
    kept = (record for record in found if isinstance(record, Found))
    return [_run(record, f"line-{record.line}") for record in kept]


def _run(record: Found, name: str) -> Run:
    trace = record.trace
    steps = tuple(
        Step(step["tool"], json.dumps(step["arguments"], sort_keys=True), step.get("error"))
        for step in trace.steps or ()
    )
    return Run(
        trace_id=trace.trace_id or name,
        task_group=trace.task_group or trace.task_id or trace.trace_id or name,
        task_type=(trace.metadata or {}).get("task_type"),
        version=None,
        success=trace.success,
        steps=steps,
        task_id=trace.task_id,
    )


def _recordings() -> list[Path]:
    root = Path(__file__).resolve().parent.parent
    shared = Path(os.environ.get("ACE_SHARED", root.parent / "shared"))
    for folder in (shared / "data" / "traces", shared / "traces"):
        if folder.is_dir():
            return [folder / name for name in RECORDINGS]
    return []


def _row(path: Path, options: argparse.Namespace) -> Row:
    runs = load_runs(path, options.format)
    shuffles = min(options.shuffles, 20) if options.quick else options.shuffles
    wanted = options.folds if options.quick else max(options.folds, CALIBRATION_FOLDS)
    groups = grouped_folds(runs, wanted, options.seed)
    folds = [
        measure(runs, held_out, index, with_auc=index < options.folds)
        for index, held_out in enumerate(groups)
    ]
    lessons = [lesson for fold in folds for lesson in fold.lessons]
    within, applied_within = _shuffled(runs, shuffled_within, shuffles, options.seed)
    between, applied_between = _shuffled(runs, shuffled_between, shuffles, options.seed)
    firm, applied = _true(runs, options.seed)
    return Row(
        name=path.name,
        runs=len(runs),
        groups=len({run.task_group for run in runs}),
        horizon=reflect(runs, Config(), np.random.default_rng(0)).settings["horizon"],
        auc=float(np.nanmean([fold.auc for fold in folds[: options.folds]])),
        precision=float(np.nanmean([fold.precision for fold in folds[: options.folds]])),
        lessons=len(lessons),
        error=calibration_error(lessons) if lessons else 0.0,
        error_limit=calibration_limit(lessons, BOOTSTRAPS, options.seed) if lessons else 0.0,
        firm_within=within,
        firm_between=between,
        applied_shuffled=applied_within + applied_between,
        applied=applied,
        naive=_naive(runs, min(shuffles, NAIVE_SHUFFLES), options.seed),
        firm=firm,
        folds=groups[: options.folds],
    )


_Shuffle = Callable[[Sequence[Run], np.random.Generator], list[Run]]


def _shuffled(runs: Sequence[Run], shuffle: _Shuffle, count: int, seed: int) -> tuple[float, int]:
    """Return the upper limit of the share with a firm proposal, and how many would apply."""
    firm = applied = 0
    for index in range(count):
        rng = np.random.default_rng((seed, index))
        reflection = reflect(shuffle(runs, rng), Config(), rng)
        firm += is_firm(reflection)
        applied += applies_itself(reflection)
    return upper_limit(firm, count), applied


def _true(runs: Sequence[Run], seed: int) -> tuple[dict[str, float], float]:
    firm: dict[str, float] = {}
    applied = 0
    for index in range(SEEDS):
        reflection = reflect(runs, Config(), np.random.default_rng((seed, index)))
        applied += applies_itself(reflection)
        for proposal in reflection.proposals:
            if not proposal.evidence["exploratory"]:
                firm[proposal.text] = firm.get(proposal.text, 0.0) + 1 / SEEDS
    return dict(sorted(firm.items(), key=lambda pair: -pair[1])), applied / SEEDS


def _naive(runs: Sequence[Run], count: int, seed: int) -> float:
    shuffles = (shuffled_between(runs, np.random.default_rng((seed, i))) for i in range(count))
    return float(np.mean([naive_rules(shuffled) for shuffled in shuffles]))


def _missed(row: Row, quick: bool) -> bool:
    area, precision = REFERENCE.get(row.name, (0.0, 0.0))
    missed = row.auc < area or row.precision < precision or row.applied_shuffled > 0
    if row.name == RECORDINGS[-1]:
        missed |= row.applied > 0
    if quick:
        return missed
    enough = row.lessons >= LESSONS_NEEDED
    missed |= enough and row.error_limit >= ERROR_BAR
    return missed or max(row.firm_within, row.firm_between) > SHUFFLE_BAR


def _print(rows: Sequence[Row]) -> None:
    head = ("AUC", "top ten", "ECE", "limit", "lessons", "within", "between", "applied", "naive")
    print(f"{'':34}{''.join(f'{word:>9}' for word in head)}")
    for row in rows:
        cells = (row.auc, row.precision, row.error, row.error_limit)
        line = "".join(f"{cell:9.3f}" for cell in cells) + f"{row.lessons:9d}"
        line += f"{row.firm_within:9.3f}{row.firm_between:9.3f}{row.applied_shuffled:9d}"
        print(f"{row.name[:33]:34}{line}{row.naive:9.1f}")
        if row.name in REFERENCE:
            print(
                f"{'  to reach or pass':34}" + "".join(f"{bar:9.3f}" for bar in REFERENCE[row.name])
            )
    print("within, between: 95 % upper limit of the share of shuffles with a firm proposal;")
    print("applied: deltas that applied themselves on shuffled outcomes; naive: rules per shuffle")
    for row in rows:
        early = "whole runs" if row.horizon is None else f"first {row.horizon} steps of unsolved"
        print(
            f"{row.name}: {row.runs} runs, {row.groups} groups, {early}; applied {row.applied:.2f}"
        )
        for text, share in row.firm.items():
            print(f"  {share:4.0%} of seeds: {text}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
