"""What the sloppy agent means to do in a case, before any lesson speaks: a list of tools."""

from collections.abc import Sequence
from random import Random

from training.workshop.habits import Habits, Slips
from training.workshop.rules import ACTIONS, CHECKS, OPEN, TOOLS, Rules
from training.workshop.tasks import Task

LATE_SHARE = 0.4  # of the forgotten checks, those done after the action instead
SLOTS = (
    *(f"{what} {check}" for what in ("forget", "late", "extra") for check in CHECKS),
    *(f"react {tool}" for tool in TOOLS),
    *(f"double {tool}" for tool in TOOLS),
    *(
        "basis",
        "basis late",
        "early",
        "early place",
        "prior",
        "prior late",
        "seal",
        "special",
        "special last",
    ),
    *("harmful", "harmful place", "idle", "idle place"),
)
_SLOT = {name: place for place, name in enumerate(SLOTS)}


class Moods:
    """One number in [0, 1) per temptation; the same for a case and seed under any playbook."""

    __slots__ = ("_values",)

    def __init__(self, world_seed: int, task_id: str, seed: int) -> None:
        """Draw them all at once, so that no choice shifts another's number."""
        draw = Random(f"{world_seed}/{task_id}/{seed}").random
        self._values = [draw() for _ in SLOTS]

    def __getitem__(self, slot: str) -> float:
        return self._values[_SLOT[slot]]


def make_plan(task: Task, rules: Rules, habits: Habits, moods: Moods) -> list[str]:
    """Return the tools in the order in which the agent would call them by nature."""
    slips = (habits.messy if task.messy else habits.tidy)[task.task_type]
    checks, late = _checks(task, rules, habits, slips, moods)
    plan = [OPEN, *checks]
    if moods["idle"] < habits.idle[task.messy]:
        plan.insert(1 + int(moods["idle place"] * len(plan)), rules.idle)
    plan += [ACTIONS[task.task_type], *late]
    closers = _closers(task, rules, slips, moods)
    if moods["early"] < slips.early:
        closers = _cut_short(closers, rules, moods)
    plan += closers
    if moods["harmful"] < slips.harmful:
        plan.insert(1 + int(moods["harmful place"] * len(plan)), rules.harmful)
    return _doubled(plan, rules, habits, slips, moods)


def _checks(
    task: Task, rules: Rules, habits: Habits, slips: Slips, moods: Moods
) -> tuple[list[str], list[str]]:
    required = rules.required[task.task_type]
    basis, derived = rules.basis_of
    checks: list[str] = []
    late: list[str] = []
    for check in habits.check_order:
        if check in required:
            if moods[f"forget {check}"] >= slips.forget[check]:
                checks.append(check)
            elif moods[f"late {check}"] < LATE_SHARE:
                late.append(check)
        elif check == basis and derived in required:
            if moods["basis"] >= slips.basis:
                checks.append(check)
        elif check != derived and moods[f"extra {check}"] < habits.extra_check[check]:
            checks.append(check)
    if derived in checks and basis not in checks and moods["basis late"] < LATE_SHARE:
        checks.insert(checks.index(derived) + 1, basis)
    return checks, late


def _closers(task: Task, rules: Rules, slips: Slips, moods: Moods) -> list[str]:
    closers = [] if moods["seal"] < slips.seal else [rules.seal]
    if moods["prior"] >= slips.prior:
        closers.insert(0, rules.prior)
    elif moods["prior late"] < LATE_SHARE:
        closers.append(rules.prior)
    if _calls_special(task, rules, slips, moods):
        closers.insert(len(closers) if moods["special last"] < 0.5 else 0, rules.special)
    return closers


def _cut_short(closers: list[str], rules: Rules, moods: Moods) -> list[str]:
    """Stop somewhere before the seal."""
    end = closers.index(rules.seal) if rules.seal in closers else len(closers)
    return closers[: int(moods["early place"] * (end + 1))]


def _calls_special(task: Task, rules: Rules, slips: Slips, moods: Moods) -> bool:
    match rules.special_duty[task.task_type]:
        case "required":
            return moods["special"] >= slips.special
        case "forbidden":
            return moods["special"] < slips.special
        case "free":
            return moods["special"] < 0.5


def _doubled(
    plan: Sequence[str], rules: Rules, habits: Habits, slips: Slips, moods: Moods
) -> list[str]:
    chances = {**habits.fond_of_doubles, rules.once: slips.double}
    return [
        tool
        for planned in plan
        for tool in (planned,) * (1 + (moods[f"double {planned}"] < chances.get(planned, 0.0)))
    ]
