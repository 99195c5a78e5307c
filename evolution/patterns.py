"""Patterns in the steps of a run: what can be seen there, though it may not be said as a lesson."""

import json
from collections.abc import Iterator, Sequence
from enum import StrEnum
from functools import lru_cache
from itertools import islice, pairwise
from typing import NamedTuple

from evolution.lessons import ANY_ERROR, error_signature
from evolution.runs import Step

MAX_KEY = 60  # characters; a longer name of an argument is data, not a name
MAX_KEYS = 40  # arguments of one call that are looked at


class PatternKind(StrEnum):
    """What a pattern is about."""

    CALLED = "called"
    CONTINUED = "continued"  # called, and another call came after it
    FOLLOWED = "followed"
    REPEATED = "repeated"
    ERROR = "error"
    ARGUMENT = "argument"
    SHAPE = "shape"
    LONGER = "longer"


class Pattern(NamedTuple):
    """Something that a run shows or does not show.

    `detail` is the tool called next (FOLLOWED), an error signature or ANY_ERROR (ERROR), or the
    name of an argument (ARGUMENT, SHAPE). `shape` is the type of its value in words. `steps` is
    the length that a LONGER run exceeds.
    """

    kind: PatternKind
    tool: str = ""
    detail: str = ""
    shape: str = ""
    steps: int = 0

    @property
    def ground(self) -> "Pattern | None":
        """Return what a run must show for this to be a question at all; None for every run."""
        match self.kind:
            case PatternKind.CALLED | PatternKind.LONGER:
                return None
            case PatternKind.FOLLOWED:
                return Pattern(PatternKind.CONTINUED, self.tool)
            case PatternKind.SHAPE:
                return Pattern(PatternKind.ARGUMENT, self.tool, self.detail)
            case _:
                return Pattern(PatternKind.CALLED, self.tool)


def patterns(steps: Sequence[Step]) -> set[Pattern]:
    """Return every pattern that the steps of one run show, those of its length left out."""
    found: set[Pattern] = set()
    calls: set[tuple[str, str]] = set()
    for step in steps:
        found.add(_pattern(PatternKind.CALLED, step.tool))
        if step.error is not None:
            found.add(_pattern(PatternKind.ERROR, step.tool, ANY_ERROR))
            found.add(_pattern(PatternKind.ERROR, step.tool, error_signature(step.error)))
        call = (step.tool, step.arguments)
        if call in calls:
            found.add(_pattern(PatternKind.REPEATED, step.tool))
        else:
            calls.add(call)
            found.update(_arguments(step))
    for step, following in pairwise(steps):
        found.add(_pattern(PatternKind.CONTINUED, step.tool))
        found.add(_pattern(PatternKind.FOLLOWED, step.tool, following.tool))
    return found


# Names and classes come again and again; values of arguments are never kept.
@lru_cache(maxsize=4096)
def _pattern(kind: PatternKind, tool: str, detail: str = "", shape: str = "") -> Pattern:
    return Pattern(kind, tool, detail, shape)


def _arguments(step: Step) -> Iterator[Pattern]:
    try:
        arguments = json.loads(step.arguments)
    except (ValueError, RecursionError):
        return
    if not isinstance(arguments, dict):
        return
    for key, value in islice(arguments.items(), MAX_KEYS):
        if len(key) <= MAX_KEY:
            yield _pattern(PatternKind.ARGUMENT, step.tool, key)
            yield _pattern(PatternKind.SHAPE, step.tool, key, _SHAPES[type(value)])


_SHAPES = {
    str: "text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    list: "a list",
    dict: "an object",
    type(None): "null",
}


def describe(pattern: Pattern, shown: bool = True) -> str:
    """Return in plain words that a run shows a pattern, or that it could have and does not."""
    tool, detail = f"“{pattern.tool}”", f"“{pattern.detail}”"
    match pattern.kind:
        case PatternKind.CALLED:
            return f"{tool} called" if shown else f"{tool} not called"
        case PatternKind.CONTINUED:
            return f"{tool} followed by another call" if shown else f"{tool} called last only"
        case PatternKind.FOLLOWED:
            if shown:
                return f"{tool} directly followed by {detail}"
            return f"{tool} followed by other calls, never directly by {detail}"
        case PatternKind.REPEATED:
            words = "repeated with identical arguments"
            return f"{tool} {words}" if shown else f"{tool} called, never {words}"
        case PatternKind.ERROR:
            error = "an error" if pattern.detail == ANY_ERROR else f"the error {detail}"
            return f"{tool} gave {error}" if shown else f"{tool} called without {error}"
        case PatternKind.ARGUMENT:
            return f"{tool} called {'with' if shown else 'never with'} {detail}"
        case PatternKind.SHAPE:
            words = f"{detail} as {pattern.shape}"
            return f"{tool} called {'with' if shown else 'never with'} {words}"
        case PatternKind.LONGER:
            return f"{'longer than' if shown else 'at most'} {pattern.steps} steps"
