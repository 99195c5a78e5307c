"""Candidate lessons, and how every run stood to each of them."""

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from evolution.leaks import View
from evolution.lessons import Lesson, LessonKind, error_signature, expressible
from evolution.runs import Run, Step

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

MAX_TOOLS = 40
MAX_ERRORS = 24
_NEVER = 1_000_000  # a position after every step


@dataclass(frozen=True, slots=True)
class Conduct:
    """Whether each run (row) was a case for each lesson (column), and whether it kept to it.

    A run outside the risk set says nothing about the lesson. `gap` is the mean number of steps
    between the two calls of a BEFORE lesson where it was followed: the tighter the anchor, the
    smaller. Of a FINISH lesson it is the number of steps that were left after the call.
    """

    lessons: tuple[Lesson, ...]
    at_risk: Bools  # (N, K)
    followed: Bools  # (N, K), only where at risk
    gap: npt.NDArray[np.float64]  # (K,), inf where it does not apply

    def restricted(self, columns: npt.NDArray[np.intp]) -> "Conduct":
        """Return the same for some of the lessons."""
        return Conduct(
            tuple(self.lessons[column] for column in columns),
            self.at_risk[:, columns],
            self.followed[:, columns],
            self.gap[columns],
        )


@dataclass(frozen=True, slots=True)
class _Calls:
    """Positions of calls by run (row) and tool (column); `_NEVER` where there is none."""

    first: Ints
    first_success: Ints
    first_free: Ints  # success not prompted by an error
    tried_free: Bools
    prompted: Bools  # the first call came right after an error
    repeat: Ints  # 0 not called, 1 called, 2 repeated identically, 3 only prompted repeats


def mine(view: View, min_runs: int) -> Conduct:
    """Return every lesson of the language that the runs can speak for or against.

    Tools and errors seen in fewer than `min_runs` runs are left out, and so are lessons that
    fewer than `min_runs` runs were a case for.
    """
    tools = frequent_tools(view.runs, min_runs)
    calls = _positions(view, tools)
    parts = [_before(calls, tools, view), _never(calls, tools), _repeat(calls, tools)]
    if view.horizon is None:
        parts.append(_finish(calls, tools, view))
    parts.append(_after_error(view, tools, min_runs))
    lessons = [lesson for part in parts for lesson in part.lessons]
    conduct = Conduct(
        tuple(lessons),
        np.concatenate([part.at_risk for part in parts], axis=1),
        np.concatenate([part.followed for part in parts], axis=1),
        np.concatenate([part.gap for part in parts]),
    )
    kept = conduct.at_risk.sum(axis=0) >= min_runs
    kept &= np.array([expressible(lesson) for lesson in lessons], dtype=bool)
    return conduct.restricted(np.flatnonzero(kept))


def frequent_tools(runs: Sequence[Run], min_runs: int) -> list[str]:
    """Return the tools called in at least `min_runs` runs, the most frequent first."""
    seen = Counter(tool for run in runs for tool in {step.tool for step in run.steps})
    return [tool for tool, count in seen.most_common(MAX_TOOLS) if count >= min_runs]


def _positions(view: View, tools: Sequence[str]) -> _Calls:
    shape = (len(view.runs), len(tools))
    column = {tool: index for index, tool in enumerate(tools)}
    calls = _Calls(
        first=np.full(shape, _NEVER),
        first_success=np.full(shape, _NEVER),
        first_free=np.full(shape, _NEVER),
        tried_free=np.zeros(shape, dtype=bool),
        prompted=np.zeros(shape, dtype=bool),
        repeat=np.zeros(shape, dtype=np.int64),
    )
    for row, run in enumerate(view.runs):
        _note_calls(calls, row, run.steps, column, early=view.horizon is not None)
    return calls


def _note_calls(
    calls: _Calls, row: int, steps: Sequence[Step], column: dict[str, int], early: bool
) -> None:
    """Fill one row. Where only early steps are compared, the situation replaces the prompts."""
    last_identical: dict[tuple[str, str], int] = {}
    for position, step in enumerate(steps):
        tool = column.get(step.tool)
        if tool is None:
            continue
        prompted = not early and position > 0 and not steps[position - 1].succeeded
        if calls.first[row, tool] == _NEVER:
            calls.first[row, tool] = position
            calls.prompted[row, tool] = prompted
        calls.tried_free[row, tool] |= not prompted
        if step.succeeded:
            calls.first_success[row, tool] = min(calls.first_success[row, tool], position)
            if not prompted:
                calls.first_free[row, tool] = min(calls.first_free[row, tool], position)
        key = (step.tool, step.arguments)
        state = _repetition(steps, last_identical.get(key), position, early)
        calls.repeat[row, tool] = _worse(int(calls.repeat[row, tool]), state)
        last_identical[key] = position


def _repetition(steps: Sequence[Step], earlier: int | None, position: int, early: bool) -> int:
    """Return 1 for a call that repeats nothing, 2 for a plain repeat, 3 for a prompted one."""
    if earlier is None:
        return 1
    if not steps[earlier].succeeded:
        if any(step.succeeded for step in steps[earlier + 1 : position]):
            return 1
        return 2 if early else 3
    return 3 if not early and not steps[position - 1].succeeded else 2


def _worse(state: int, other: int) -> int:
    """Return the weightier of two states: a plain repeat over a prompted one over none."""
    order = (0, 1, 3, 2)
    return max(state, other, key=order.index)


def _before(calls: _Calls, tools: Sequence[str], view: View) -> Conduct:
    count = len(tools)
    pairs = [(x, y) for x in range(count) for y in range(count) if x != y]
    x, y = (np.array([pair[side] for pair in pairs], dtype=np.intp) for side in (0, 1))
    if view.horizon is None:
        at_risk = calls.first[:, x] < _NEVER
        followed = calls.first_success[:, y] < calls.first[:, x]
        free = calls.first_free[:, y] < calls.first[:, x]
        # What an error prompted, or was tried in vain, says how the run went, not what it chose.
        vain = ~followed & (calls.first[:, y] < calls.first[:, x])
        at_risk &= (~followed | free) & ~vain & ~calls.prompted[:, x]
    else:
        # A failed call did nothing: what counts is what came before X first worked.
        followed = calls.first_success[:, y] < calls.first_success[:, x]
        # A tool that most runs call sooner or later need not have been called yet.
        coming = np.array([tool in view.usual for tool in tools], dtype=bool)[x]
        at_risk = (followed & coming) | (calls.first[:, x] < _NEVER)
    followed &= at_risk
    distance = np.where(followed & (calls.first[:, x] < _NEVER), calls.first[:, x], 0)
    distance = distance - np.where(distance > 0, calls.first_success[:, y], 0)
    known = (distance > 0).sum(axis=0)
    gap = np.where(known > 0, distance.sum(axis=0) / np.maximum(known, 1), np.inf)
    lessons = tuple(Lesson(LessonKind.BEFORE, tools[a], tools[b]) for a, b in pairs)
    return Conduct(lessons, at_risk, followed, gap)


def _never(calls: _Calls, tools: Sequence[str]) -> Conduct:
    called = calls.first < _NEVER
    lessons = tuple(Lesson(LessonKind.NEVER, tool) for tool in tools)
    return Conduct(lessons, ~called | calls.tried_free, ~called, np.full(len(tools), np.inf))


def _repeat(calls: _Calls, tools: Sequence[str]) -> Conduct:
    at_risk = (calls.repeat == 1) | (calls.repeat == 2)
    lessons = tuple(Lesson(LessonKind.REPEAT, tool) for tool in tools)
    return Conduct(lessons, at_risk, calls.repeat == 1, np.full(len(tools), np.inf))


def _finish(calls: _Calls, tools: Sequence[str], view: View) -> Conduct:
    # A call tried in vain was not left out, and a run that an error ended chose nothing.
    untried = calls.first == _NEVER
    chose = [not run.steps or run.steps[-1].succeeded for run in view.runs]
    free = calls.first_free < _NEVER
    lessons = tuple(Lesson(LessonKind.FINISH, tool) for tool in tools)
    length = np.array([len(run.steps) for run in view.runs])[:, None]
    left = np.where(free, length - 1 - calls.first_free, 0).sum(axis=0)
    gap = np.where(free.any(axis=0), left / np.maximum(free.sum(axis=0), 1), np.inf)
    at_risk = (untried | free) & np.array(chose, dtype=bool)[:, None]
    return Conduct(lessons, at_risk, free & at_risk, gap)


def _after_error(view: View, tools: Sequence[str], min_runs: int) -> Conduct:
    events = _error_events(view)
    known = set(tools)
    errors = sorted(
        (key for key, rows in events.items() if len(rows) >= min_runs and key[0] in known),
        key=lambda key: (-len(events[key]), key),
    )[:MAX_ERRORS]
    pairs = [(key, tool) for key in errors for tool in tools if tool != key[0]]
    shape = (len(view.runs), len(pairs))
    at_risk, followed = np.zeros(shape, dtype=bool), np.zeros(shape, dtype=bool)
    for index, (key, tool) in enumerate(pairs):
        for row, answer in events[key].items():
            followed[row, index] = tool in answer.worked
            decided = answer.decided and tool not in answer.tried
            at_risk[row, index] = followed[row, index] or decided
    lessons = tuple(Lesson(LessonKind.AFTER_ERROR, key[0], tool, key[1]) for key, tool in pairs)
    return Conduct(lessons, at_risk, followed, np.full(len(pairs), np.inf))


@dataclass(frozen=True, slots=True)
class _Answer:
    """What a run did after an error: calls that worked, calls tried, and if more could follow."""

    worked: frozenset[str]
    tried: frozenset[str]
    decided: bool


_Events = dict[tuple[str, str], dict[int, _Answer]]


def _error_events(view: View) -> _Events:
    """Return, by tool and error, the runs that met it: what worked next, and if it is decided."""
    events: _Events = defaultdict(dict)
    for row, run in enumerate(view.runs):
        for position, signature in _first_errors(run.steps):
            tool = run.steps[position].tool
            ended = view.horizon is None
            events[tool, signature][row] = _answer(run.steps[position + 1 :], tool, ended)
    return events


def _first_errors(steps: Sequence[Step]) -> Iterator[tuple[int, str]]:
    """Yield position and signature of the first failure of each kind of each tool."""
    seen: set[tuple[str, str]] = set()
    for position, step in enumerate(steps):
        if step.error is None:
            continue
        signature = error_signature(step.error)
        if (step.tool, signature) not in seen:
            seen.add((step.tool, signature))
            yield position, signature


def _answer(later: Sequence[Step], tool: str, ended: bool) -> _Answer:
    """Return what was done before `tool` was tried again; without a retry only the end decides."""
    place = next((i for i, step in enumerate(later) if step.tool == tool), None)
    between = later if place is None else later[:place]
    return _Answer(
        worked=frozenset(step.tool for step in between if step.succeeded),
        tried=frozenset(step.tool for step in between),
        decided=ended or place is not None,
    )
