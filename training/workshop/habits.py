"""How sloppy this world's agent is: what it forgets, doubles and misorders, and how often."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod
from random import Random

from training.workshop.rules import CHECKS, TASK_TYPES, Rules
from training.workshop.tasks import (
    CONTESTED_SHARE,
    DISPUTED_SHARE,
    MESSY_SHARE,
    STATED_RIGHT_SHARE,
)

MESSY_FACTOR = 1.5
TIDY_FACTOR = (1 - MESSY_SHARE * MESSY_FACTOR) / (1 - MESSY_SHARE)
MEAN_SUCCESS = 0.40
MAX_RATE = 0.6
VICE = 0.45  # before scaling; every agent has one slip that outdoes the others


@dataclass(frozen=True, slots=True)
class Slips:
    """Chances, for one task type, that a tidy or messy case tempts the agent into a slip."""

    forget: Mapping[str, float]  # required check -> left out or done too late
    basis: float  # the check under a derived check left out or done after it
    early: float  # stops right after the action
    prior: float  # leaves out the closer before the seal, or calls it after
    seal: float  # leaves out the seal
    special: float  # leaves out a required, or calls an unwanted, special closer
    harmful: float  # calls the damaging extra
    double: float  # calls the tool twice that counts twice

    def scaled(self, factor: float) -> "Slips":
        """Return the same slips, `factor` times as likely, capped."""
        return Slips(
            forget={check: min(MAX_RATE, rate * factor) for check, rate in self.forget.items()},
            basis=min(MAX_RATE, self.basis * factor),
            early=min(MAX_RATE, self.early * factor),
            prior=min(MAX_RATE, self.prior * factor),
            seal=min(MAX_RATE, self.seal * factor),
            special=min(MAX_RATE, self.special * factor),
            harmful=min(MAX_RATE, self.harmful * factor),
            double=min(MAX_RATE, self.double * factor),
        )


@dataclass(frozen=True, slots=True)
class Habits:
    """The agent's nature in one world."""

    tidy: Mapping[str, Slips]  # task type -> slips in an ordinary case
    messy: Mapping[str, Slips]  # the same in a messy one
    check_order: tuple[str, ...]  # the order in which it likes to check
    extra_check: Mapping[str, float]  # check -> chance to run it without need
    repairs: float  # chance that it mends the cause of an error by itself
    retries: float  # chance that it just tries again, twice
    wanders: float  # chance that it does something unrelated and tries again
    idle: tuple[float, float]  # chance of the idle extra in tidy and messy cases
    fond_of_doubles: Mapping[str, float]  # harmless tool -> chance to call it twice


def draw_habits(rng: Random, rules: Rules) -> Habits:
    """Draw an agent that, without lessons, succeeds in about 40 % of this world's cases."""
    repairs = rng.uniform(0.3, 0.45)
    absent = set(rng.sample(("harmful", "double", "basis", "prior", "seal"), rng.choice((1, 2))))
    weights = {
        name: 0.0 if name in absent else rng.uniform(0.7, 1.4) * usual
        for name, usual in _USUAL.items()
    }
    weights[rng.choice([name for name in _VICES if name not in absent])] = VICE
    targets = _draw_targets(rng)
    slips = {
        kind: _fit(_draw_slips(rng, rules, kind, weights), rules, kind, repairs, targets[kind])
        for kind in TASK_TYPES
    }
    return Habits(
        tidy={kind: slips[kind].scaled(TIDY_FACTOR) for kind in TASK_TYPES},
        messy={kind: slips[kind].scaled(MESSY_FACTOR) for kind in TASK_TYPES},
        check_order=_draw_order(rng, rules),
        extra_check={check: rng.uniform(0.1, 0.4) for check in CHECKS},
        repairs=repairs,
        retries=0.35,
        wanders=0.15,
        idle=(rng.uniform(0.05, 0.15), rng.uniform(0.4, 0.6)),
        fond_of_doubles={rng.choice(CHECKS): 0.2, rules.special: 0.1},
    )


_USUAL = {
    "basis": 0.22,
    "early": 0.10,
    "prior": 0.14,
    "seal": 0.10,
    "special": 0.25,
    "harmful": 0.15,
    "double": 0.14,
}

_VICES = ("prior", "harmful", "double")


def _draw_targets(rng: Random) -> dict[str, float]:
    spread = [rng.uniform(-0.08, 0.08) for _ in TASK_TYPES]
    middle = sum(spread) / len(spread)
    return {
        kind: MEAN_SUCCESS + part - middle for kind, part in zip(TASK_TYPES, spread, strict=True)
    }


def _draw_slips(rng: Random, rules: Rules, kind: str, weights: Mapping[str, float]) -> Slips:
    free = rules.special_duty[kind] == "free"
    return Slips(
        forget={check: rng.uniform(0.2, 0.34) for check in rules.required[kind]},
        basis=weights["basis"] if rules.basis_of[1] in rules.required[kind] else 0.0,
        early=weights["early"],
        prior=weights["prior"],
        seal=weights["seal"],
        special=0.0 if free else weights["special"],
        harmful=weights["harmful"],
        double=weights["double"],
    )


def _draw_order(rng: Random, rules: Rules) -> tuple[str, ...]:
    basis, derived = rules.basis_of
    rest = [check for check in CHECKS if check not in rules.basis_of]
    rng.shuffle(rest)
    cut = rng.randrange(len(rest) + 1)
    return (*rest[:cut], basis, derived, *rest[cut:])


def _fit(slips: Slips, rules: Rules, kind: str, repairs: float, target: float) -> Slips:
    low, high = 0.05, 4.0
    for _ in range(30):
        middle = (low + high) / 2
        if _expected_success(slips.scaled(middle), rules, kind, repairs) > target:
            low = middle
        else:
            high = middle
    return slips.scaled(low)


def _expected_success(slips: Slips, rules: Rules, kind: str, repairs: float) -> float:
    mixed = MESSY_SHARE * _clean(slips.scaled(MESSY_FACTOR), rules, kind, repairs)
    mixed += (1 - MESSY_SHARE) * _clean(slips.scaled(TIDY_FACTOR), rules, kind, repairs)
    return mixed * (1 - DISPUTED_SHARE) * (1 - CONTESTED_SHARE * (1 - repairs))


def _clean(slips: Slips, rules: Rules, kind: str, repairs: float) -> float:
    """Chance of a case without a slip that counts, slips taken as independent."""
    unlucky = 1 - STATED_RIGHT_SHARE
    mended = 1 - repairs if rules.strict[kind] else 1.0
    checks = prod(1 - rate * unlucky * mended for rate in slips.forget.values())
    others = (
        slips.basis,
        slips.early,
        slips.prior,
        slips.seal,
        slips.special,
        slips.harmful,
        slips.double,
    )
    return checks * prod(1 - rate for rate in others)
