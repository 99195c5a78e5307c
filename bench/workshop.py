"""The closed loop of the workshop through the real pipeline and database, with its controls.

    python -m bench workshop [--seeds 8] [--rounds 10] [--runs 200] [--base N]

Everything in the table is simulated. Seeds are fresh unless --base names the first.
"""

import argparse
import secrets
import sys
from statistics import fmean, stdev
from typing import Any

from bench.scratch import scratch_database

MEAN_BAR, LOWER_BAR, SEED_BAR, SECONDS_BAR = 0.85, 0.80, 0.75, 120.0
HELP_BAR, HARM_BAR, GAIN_BAR = 0.70, 0.05, 0.05
AUDIT_TASKS = 400
# Two-sided 95 % points of Student's t for n - 1 degrees of freedom, n = 2..12.
T_95 = (12.71, 4.30, 3.18, 2.78, 2.57, 2.45, 2.36, 2.31, 2.26, 2.23, 2.20)


def main(arguments: list[str]) -> int:
    """Print the loop's table; return 1 if a bar of the issue was missed."""
    parser = argparse.ArgumentParser(prog="python -m bench workshop")
    parser.add_argument("--seeds", type=int, default=8, choices=range(2, 13))
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--runs", type=int, default=200)
    parser.add_argument("--base", type=int, default=None)
    options = parser.parse_args(arguments)
    with scratch_database("ace_project.settings.test"):
        return _measure(options)


def _measure(options: argparse.Namespace) -> int:
    base = secrets.randbelow(900_000) if options.base is None else options.base
    seeds = range(base, base + options.seeds)
    print(f"simulated; worlds {seeds[0]} to {seeds[-1]}, {options.rounds} x {options.runs} runs")
    reports = [_loop(seed, "none", options) for seed in seeds]
    verdicts = [verdict for report in reports for verdict in _audit(report)]
    missed = _print_loop(reports) | _print_audit(verdicts)
    for control in ("deaf", "foreign", "shuffled"):
        missed |= _print_control(control, [_loop(seed, control, options) for seed in seeds[:3]])
    return missed


def _loop(seed: int, control: str, options: argparse.Namespace) -> Any:
    from playbooks.actors import AUTOMATIC
    from playbooks.models import Mode
    from training import services

    agent = services.make_workshop_agent(
        agent_id=f"bench-{control}-{seed}", seed=seed, mode=Mode.AUTO, author=AUTOMATIC
    )
    return services.run_rounds(
        agent=agent,
        rounds=options.rounds,
        runs=options.runs,
        control=control,
        progress=lambda _: None,
    )


def _audit(report: Any) -> list[str]:
    from evolution.lessons import parse
    from training.sandbox import UNSEEN, world_of
    from training.workshop.audit import audit_lessons

    world = world_of(report.seed)
    lessons = [lesson for text in report.applied if (lesson := parse(text)) is not None]
    tasks = world.tasks(2 * UNSEEN, AUDIT_TASKS)
    return [row.verdict for row in audit_lessons(world, lessons, tasks, report.seed)]


def _print_loop(reports: list[Any]) -> int:
    print(f"{'world':>8} {'empty':>7} {'half':>7} {'end':>7} {'lessons':>8} {'seconds':>8}")
    for r in reports:
        half = r.success[len(r.success) // 2]
        print(
            f"{r.seed:>8} {r.success[0]:>7.1%} {half:>7.1%} {r.success[-1]:>7.1%} "
            f"{len(r.applied):>8} {r.seconds:>8.1f}"
        )
    ends = [r.success[-1] for r in reports]
    low = fmean(ends) - T_95[len(ends) - 2] * stdev(ends) / len(ends) ** 0.5
    slow = max(r.seconds for r in reports)
    print(
        f"mean {fmean(ends):.1%} (bar {MEAN_BAR:.0%}), lower 95 % bound {low:.1%} "
        f"(bar {LOWER_BAR:.0%}), worst {min(ends):.1%} (bar {SEED_BAR:.0%}), "
        f"slowest {slow:.0f} s (bar {SECONDS_BAR:.0f} s)"
    )
    met = fmean(ends) >= MEAN_BAR and low >= LOWER_BAR and min(ends) >= SEED_BAR
    return int(not (met and slow <= SECONDS_BAR))


def _print_audit(verdicts: list[str]) -> int:
    count = max(1, len(verdicts))
    helps, harms = verdicts.count("helps") / count, verdicts.count("harms") / count
    print(
        f"audit of {len(verdicts)} applied lessons: {helps:.0%} help (bar {HELP_BAR:.0%}), "
        f"{harms:.0%} harm (bar {HARM_BAR:.0%})"
    )
    return int(helps < HELP_BAR or harms > HARM_BAR)


def _print_control(control: str, reports: list[Any]) -> int:
    first = fmean(r.success[0] for r in reports)
    last = fmean(r.success[-1] for r in reports)
    print(f"control {control:>9}: {first:.1%} -> {last:.1%} (no gain wanted)")
    return int(last - first > GAIN_BAR)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
