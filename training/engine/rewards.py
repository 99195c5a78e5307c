"""What a trajectory is worth, put together from a few terms.

    {"outcome": 1, "length_cost": {"weight": 0.01, "free": 4}, "custom": {"name": "mine"}}

A trajectory that the machinery failed, or that nothing could judge, has no reward: it is left
out. Scoring it 0 would teach the policy to avoid whatever was chosen when the network was down.
"""

from collections.abc import Callable, Mapping
from copy import deepcopy
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from typing import Any

from training.engine.finite import is_number

GROUP = "ace.rewards"  # entry points: name -> function of a rollout that returns a number

Step = Mapping[str, Any]  # tool, arguments, result, error, seconds, tokens, reward


@dataclass(frozen=True, slots=True)
class Rollout:
    """One finished trajectory as a reward sees it."""

    success: bool | None = None
    output_quality: float | None = None  # 0..1
    steps: tuple[Step, ...] = ()
    tokens: int = 0
    seconds: float = 0.0
    expected_outcome: Any = None
    failure: str | None = None  # of the machinery: a timeout, a refused connection
    answer: Any = None


class InvalidReward(ValueError):
    """A specification that cannot be; `field` names the place."""

    def __init__(self, field: str, problem: str) -> None:
        super().__init__(f"{field} {problem}")
        self.field, self.problem = field, problem


class RewardFailed(RuntimeError):
    """A custom function raised, or returned what is no finite number."""


Function = Callable[[Rollout], float]
# Of a rollout and the term's settings; None: nothing there to judge.
Term = Callable[[Rollout, Mapping[str, Any]], float | None]


@dataclass(frozen=True, slots=True)
class Reward:
    """A sum of weighted terms."""

    terms: tuple[tuple[Term, Mapping[str, Any]], ...]

    def has(self, name: str) -> bool:
        """Return whether the term of that name is in it."""
        return any(term is _TERMS[name] for term, _ in self.terms)

    def __call__(self, rollout: Rollout) -> float | None:
        """Return the reward; None for a trajectory to leave out. Raise `RewardFailed`."""
        if rollout.failure is not None:
            return None
        total = 0.0
        for term, settings in self.terms:
            worth = term(rollout, settings)
            if worth is None:
                return None
            total += settings["weight"] * worth
        return total


@dataclass(slots=True)
class Registry:
    """Custom functions by name: those of installed packages, and those registered here."""

    functions: dict[str, Function] = field(default_factory=dict)

    def register(self, name: str, function: Function) -> None:
        """Add a function after trying it; raise `InvalidReward` if it fails the samples."""
        _check(name, function)
        self.functions[name] = function

    def find(self, name: str) -> Function:
        """Return a function that passed the samples; raise `InvalidReward` for an unknown one."""
        if name not in self.functions:
            found = list(entry_points(group=GROUP, name=name))
            if not found:
                raise InvalidReward("reward.custom.name", f"{name!r} is not an installed reward")
            try:
                function = found[0].load()
            except Exception as error:
                problem = f"{name!r} cannot be loaded: {error}"
                raise InvalidReward("reward.custom.name", problem) from error
            self.register(name, function)
        return self.functions[name]


def parse(spec: Mapping[str, Any] | None, registry: Registry | None = None) -> Reward:
    """Return the reward that a specification describes; the outcome alone without one.

    A term is its weight alone or a mapping with `weight` and its settings. Raise `InvalidReward`
    naming the first field that is unknown, missing or of the wrong kind.
    """
    if spec is None:
        spec = {"outcome": 1}
    if not isinstance(spec, Mapping) or not spec:
        raise InvalidReward("reward", "must be an object with at least one term")
    terms = []
    for name, value in spec.items():
        place = f"reward.{name}"
        if name not in _TERMS:
            raise InvalidReward(place, f"is not a term; there are {', '.join(_TERMS)}")
        settings = _settings(place, value, _FIELDS[name])
        if name == "custom":
            settings["function"] = (registry or Registry()).find(settings["name"])
        terms.append((_TERMS[name], settings))
    return Reward(tuple(terms))


def _outcome(rollout: Rollout, settings: Mapping[str, Any]) -> float | None:
    """1 for success, 0 for failure; the quality where success was not judged."""
    return rollout.output_quality if rollout.success is None else float(rollout.success)


def _step_rewards(rollout: Rollout, settings: Mapping[str, Any]) -> float:
    """The sum of what the environment paid on the way."""
    return float(sum(step.get("reward") or 0.0 for step in rollout.steps))


def _tool_use(rollout: Rollout, settings: Mapping[str, Any]) -> float:
    """The share of the named tools that were called with success."""
    used = {step.get("tool") for step in rollout.steps if step.get("error") is None}
    return len(used & set(settings["tools"])) / len(set(settings["tools"]))


def _verification(rollout: Rollout, settings: Mapping[str, Any]) -> float:
    """1 where a named tool succeeded after the last call of any other."""
    for step in reversed(rollout.steps):
        if step.get("tool") not in settings["tools"]:
            return 0.0
        if step.get("error") is None:
            return 1.0
    return 0.0


def _length_cost(rollout: Rollout, settings: Mapping[str, Any]) -> float:
    """Minus the steps beyond those that are free."""
    return -float(max(0, len(rollout.steps) - settings["free"]))


def _token_cost(rollout: Rollout, settings: Mapping[str, Any]) -> float:
    """Minus the tokens in thousands."""
    return -rollout.tokens / 1000


def _custom(rollout: Rollout, settings: Mapping[str, Any]) -> float:
    return _called(settings["name"], settings["function"], rollout)


_TERMS: dict[str, Term] = {
    "outcome": _outcome,
    "step_rewards": _step_rewards,
    "tool_use": _tool_use,
    "verification": _verification,
    "length_cost": _length_cost,
    "token_cost": _token_cost,
    "custom": _custom,
}


def _number(place: str, value: Any) -> Any:
    if not is_number(value):
        raise InvalidReward(place, "must be a finite number")
    return value


def _count(place: str, value: Any) -> Any:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise InvalidReward(place, "must be a whole number from 0 upwards")
    return value


def _names(place: str, value: Any) -> Any:
    fits = isinstance(value, list | tuple) and value and all(isinstance(v, str) for v in value)
    if not fits:
        raise InvalidReward(place, "must be a list of at least one name")
    return tuple(value)


def _name(place: str, value: Any) -> Any:
    if not isinstance(value, str) or not value:
        raise InvalidReward(place, "must be a name")
    return value


_Check = Callable[[str, Any], Any]
_REQUIRED = object()
# Settings of each term beside its weight: how to check one, and its default.
_FIELDS: dict[str, dict[str, tuple[_Check, Any]]] = {name: {} for name in _TERMS} | {
    "tool_use": {"tools": (_names, _REQUIRED)},
    "verification": {"tools": (_names, _REQUIRED)},
    "length_cost": {"free": (_count, 0)},
    "custom": {"name": (_name, _REQUIRED)},
}


def _settings(place: str, value: Any, fields: dict[str, tuple[_Check, Any]]) -> dict[str, Any]:
    given = dict(value) if isinstance(value, Mapping) else {"weight": value}
    known = {"weight": (_number, 1.0)} | fields
    for name in given:
        if name not in known:
            raise InvalidReward(f"{place}.{name}", "is not a setting of this term")
    settings = {}
    for name, (check, default) in known.items():
        if name not in given and default is _REQUIRED:
            raise InvalidReward(f"{place}.{name}", "is missing")
        settings[name] = check(f"{place}.{name}", given.get(name, default))
    return settings


_SAMPLE_STEPS: tuple[Step, ...] = (
    {"tool": "search", "arguments": {"query": "a"}, "result": {"ids": ["b"]}, "error": None}
    | {"seconds": 0.2, "tokens": 40, "reward": 0.0},
    {"tool": "update", "arguments": {"id": "b"}, "result": None, "error": "not found"}
    | {"seconds": 0.1, "tokens": None, "reward": None},
)
SAMPLES = (
    Rollout(True, 0.9, _SAMPLE_STEPS, 40, 0.3, {"id": "b"}, answer={"id": "b"}),
    Rollout(False, None, _SAMPLE_STEPS[1:], 0, 0.1, "b", answer="not b"),
    Rollout(None, None, (), 0, 0.0, None),
)


def _check(name: str, function: Function) -> None:
    """Call a function twice on each sample; what it does to its copy does not count."""
    if not callable(function):
        raise InvalidReward("reward.custom.name", f"{name!r} is not a function")
    for number, sample in enumerate(SAMPLES, 1):
        try:
            first, second = (_called(name, function, deepcopy(sample)) for _ in range(2))
        except RewardFailed as error:
            raise InvalidReward("reward.custom.name", f"{error} (sample {number})") from error
        if first != second:
            problem = f"{name!r} gave {first} and {second} for the same trajectory"
            raise InvalidReward("reward.custom.name", problem)


def _called(name: str, function: Function, rollout: Rollout) -> float:
    try:
        worth = function(rollout)
    except Exception as error:
        raise RewardFailed(f"{name!r} raised {type(error).__name__}: {error}") from error
    if not is_number(worth):
        raise RewardFailed(f"{name!r} returned {worth!r}, not a finite number")
    return float(worth)
