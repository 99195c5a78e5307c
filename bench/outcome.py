"""How far the patterns in the steps foretell success: the reflector's rules without a grammar."""

import json
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import log1p
from typing import Any

import numpy as np
import numpy.typing as npt

from evolution.leaks import View
from evolution.lessons import ANY_ERROR, error_signature
from evolution.patterns import Pattern, PatternKind, patterns
from evolution.runs import Step

Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]
Features = dict[str, float]

PENALTY = 30.0  # per pattern: with hundreds of them and few runs, close to a vote of all
CROWD = 0.1  # how much less each pattern of a numerous kind counts
MIN_RUNS = 4
MAX_DEVIATION = 4.0
ITERATIONS = 15
OPENING = 2  # steps whose shape counts by place


def features(steps: Sequence[Step], whole: bool) -> Features:
    """Return the patterns of one run: tools, orders, repeats, errors, argument shapes, length.

    Length and counts of errors are left out where only the early steps are seen.
    """
    found: Features = {name: 1.0 for pattern in patterns(steps) for name in _named(pattern)}
    for pairs in (_tools(steps), _orders(steps), _errors(steps), _arguments(steps)):
        found.update(pairs)
    if steps:
        found[f"starts {steps[0].tool}"] = 1.0
    if whole and steps:
        found[f"ends {steps[-1].tool}"] = 1.0
    if whole:
        found["length"] = log1p(len(steps))
        found["errors"] = float(sum(not step.succeeded for step in steps))
        tools = Counter(step.tool for step in steps)
        found["tools"] = float(len(tools))
        found["idle"] = float(not steps)
        found["share of one tool"] = max(tools.values(), default=0) / max(1, len(steps))
    return found


def _named(pattern: Pattern) -> Iterator[str]:
    """Yield the name of a pattern of the product that counts here too."""
    match pattern.kind:
        case PatternKind.CALLED:
            yield f"calls {pattern.tool}"
        case PatternKind.REPEATED:
            yield f"repeats {pattern.tool}"
        case PatternKind.FOLLOWED:
            yield f"directly {pattern.tool} then {pattern.detail}"
        case PatternKind.ERROR if pattern.detail == ANY_ERROR:
            yield f"error of {pattern.tool}"
        case PatternKind.ERROR:
            yield f"error of {pattern.tool}: {pattern.detail}"
        case PatternKind.ARGUMENT:
            yield f"argument {pattern.tool}.{pattern.detail}"


def _tools(steps: Sequence[Step]) -> Iterator[tuple[str, float]]:
    for tool, count in Counter(step.tool for step in steps).items():
        yield f"times {tool}", float(count)
    for tool in {step.tool for step in steps if step.succeeded}:
        yield f"succeeds {tool}", 1.0


def _orders(steps: Sequence[Step]) -> Iterator[tuple[str, float]]:
    earlier: list[str] = []
    for step in steps:
        for tool in earlier:
            yield f"before {step.tool} came {tool}", 1.0
        if step.tool not in earlier:
            earlier.append(step.tool)


def _errors(steps: Sequence[Step]) -> Iterator[tuple[str, float]]:
    for place, step in enumerate(steps):
        if step.error is None:
            continue
        signature = error_signature(step.error)
        yield "any error", 1.0
        if place + 1 < len(steps):
            yield f"after error of {step.tool}, {steps[place + 1].tool}", 1.0
            yield f"after error {signature}, {steps[place + 1].tool}", 1.0


def _arguments(steps: Sequence[Step]) -> Iterator[tuple[str, float]]:
    total = 0
    for place, step in enumerate(steps):
        words = re.findall(r"\w+", step.arguments)
        total += len(words)
        where = str(place) if place < OPENING else "later"
        yield f"words {where}", log1p(len(words))
        yield f"marks {where}", log1p(len(re.findall(r"[^\w\s]", step.arguments)))
        yield f"letters {where}", log1p(len(step.arguments))
        yield f"capitals {where}", log1p(sum(word.isupper() for word in words))
        yield f"numbers {where}", log1p(sum(word.isdigit() for word in words))
        yield from _shape(step)
    yield "words in all", log1p(total)


def _shape(step: Step) -> Iterator[tuple[str, float]]:
    try:
        arguments: Any = json.loads(step.arguments)
    except ValueError:
        return
    if not isinstance(arguments, dict):
        return
    for key, value in arguments.items():
        if isinstance(value, str):
            for word in set(re.findall(r"[A-Za-z_]+", value.lower())):
                yield f"word {key}={word}", 1.0
        elif isinstance(value, list):
            yield f"items {step.tool}.{key}", float(len(value))
        elif value is None or isinstance(value, bool):
            yield f"value {step.tool}.{key}={value}", 1.0


@dataclass(frozen=True, slots=True)
class OutcomeModel:
    """A ridge logistic regression over standardised patterns."""

    names: tuple[str, ...]
    centre: Floats  # (P,)
    scale: Floats  # (P,)
    weights: Floats  # (P,)
    intercept: float

    def predict(self, seen: View) -> Floats:
        """Return the log-odds of success (N,); patterns not met in learning count nothing."""
        values = _matrix(seen, self.names)
        return _standardised(values, self.centre, self.scale) @ self.weights + self.intercept


def fit(seen: View) -> OutcomeModel:
    """Fit success to the patterns that at least `MIN_RUNS` runs show."""
    met = Counter(name for run in seen.runs for name in features(run.steps, seen.horizon is None))
    names = tuple(sorted(name for name, count in met.items() if count >= MIN_RUNS))
    values = _matrix(seen, names)
    centre, scale = values.mean(axis=0), values.std(axis=0) + 1e-9
    say = _say(names)
    success = np.array([run.success for run in seen.runs], dtype=np.float64)
    weights = _newton(_standardised(values, centre, scale) * say, success, float(say @ say))
    return OutcomeModel(names, centre, scale, weights[1:] * say, float(weights[0]))


def _say(names: Sequence[str]) -> Floats:
    """Return the scale of each pattern (P,): a word among hundreds weighs less than an order."""
    kinds = [name.split(" ", 1)[0] for name in names]
    size = Counter(kinds)
    return np.array([size[kind] ** -CROWD for kind in kinds])


def _matrix(seen: View, names: Sequence[str]) -> Floats:
    column = {name: index for index, name in enumerate(names)}
    values = np.zeros((len(seen.runs), len(names)))
    for row, run in enumerate(seen.runs):
        for name, value in features(run.steps, seen.horizon is None).items():
            if name in column:
                values[row, column[name]] = value
    return values


def _standardised(values: Floats, centre: Floats, scale: Floats) -> Floats:
    return np.clip((values - centre) / scale, -MAX_DEVIATION, MAX_DEVIATION)


def _newton(values: Floats, success: Floats, total: float) -> Floats:
    """Return intercept and weights (1 + P,) by iteratively reweighted least squares.

    Hastie, Tibshirani and Friedman, The Elements of Statistical Learning, 4.4.1, with a ridge of
    PENALTY times `total`, the summed squares of the patterns' scales.
    """
    design = np.column_stack([np.ones(len(values)), values])
    ridge = np.full(design.shape[1], PENALTY * total)
    ridge[0] = 1e-6
    weights = np.zeros(design.shape[1])
    for _ in range(ITERATIONS):
        chance = 1 / (1 + np.exp(-design @ weights))
        spread = np.maximum(chance * (1 - chance), 1e-3)
        slope = design.T @ (success - chance) - ridge * weights
        curvature = design.T @ (design * spread[:, None]) + np.diag(ridge)
        weights = weights + np.linalg.solve(curvature, slope)
    return weights


def auc(scores: Floats, success: Bools) -> float:
    """Return the chance that a success scores above a failure (ties half); nan with one class."""
    won, lost = np.sort(scores[success]), np.sort(scores[~success])
    if not len(won) or not len(lost):
        return float("nan")
    below = np.searchsorted(lost, won, side="left").sum()
    level = np.searchsorted(lost, won, side="right").sum()
    return float((below + level) / 2 / (len(won) * len(lost)))
