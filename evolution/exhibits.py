"""The traces that a model is shown: which, in which order, and what of them it may cite."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from evolution.lessons import error_signature
from evolution.runs import Run

MIXED, FAILED, SUCCEEDED = 16, 16, 6  # at most so many of each kind are looked at


@dataclass(frozen=True, slots=True)
class ExtractStep:
    """One step as read for a prompt; texts are cut. `number` counts from 1."""

    number: int
    tool: str
    arguments: str
    result: str
    error: str | None


@dataclass(frozen=True, slots=True)
class Extract:
    """What is read of one trace for a prompt: its first and last steps, every text cut.

    `cut` is the length (characters) at which texts were cut when read.
    """

    trace_id: str
    origin: str
    error_message: str
    steps: tuple[ExtractStep, ...]
    step_count: int
    cut: int

    def texts(self) -> list[str]:
        """Return every text that the trace brought, none of them empty."""
        found = [self.error_message]
        for step in self.steps:
            found += [step.arguments, step.result, step.error or ""]
        return [text for text in found if text]


@dataclass(frozen=True, slots=True)
class Exhibit:
    """A trace as it was shown, under the alias by which it is cited."""

    alias: str
    trace_id: str
    success: bool
    origin: str
    tools: frozenset[str]
    # Its error texts, as they were shown and in full, redacted alike.
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Choice:
    """Runs to show together or one by one: tries of one task, failures, successes."""

    mixed: tuple[tuple[Run, ...], ...]
    failed: tuple[Run, ...]
    succeeded: tuple[Run, ...]

    @property
    def runs(self) -> list[Run]:
        """Every run chosen."""
        return [*(run for pack in self.mixed for run in pack), *self.failed, *self.succeeded]


def choose(runs: Sequence[Run]) -> Choice:
    """Return the runs that teach most, from `runs` in order of time, the newest first.

    Tasks with both outcomes give a failure and a success each; other failures come by how common
    their last error is, one of each kind before a second; successes one per task type first.
    """
    groups: dict[str, list[Run]] = defaultdict(list)
    for run in reversed(runs):
        groups[run.task_group].append(run)
    mixed = [group for group in groups.values() if len({run.success for run in group}) == 2]
    mixed_groups = {group[0].task_group for group in mixed}
    rest = [run for run in reversed(runs) if run.task_group not in mixed_groups]
    failures = [run for run in rest if not run.success]
    successes = [run for run in rest if run.success]
    return Choice(
        mixed=tuple(_contrast(group) for group in mixed[:MIXED]),
        failed=tuple(_varied(((last_error(run), run) for run in failures), FAILED)),
        succeeded=tuple(_varied(((run.task_type or "", run) for run in successes), SUCCEEDED)),
    )


def _contrast(group: Sequence[Run]) -> tuple[Run, ...]:
    """Return the newest failure and the newest success of one task."""
    failure = next(run for run in group if not run.success)
    success = next(run for run in group if run.success)
    return failure, success


def _varied(keyed: Iterable[tuple[str, Run]], most: int) -> Iterator[Run]:
    """Yield one run of each kind, the most frequent kind first, then a second of each, so on."""
    kinds: dict[str, list[Run]] = defaultdict(list)
    for key, run in keyed:
        kinds[key].append(run)
    order = sorted(kinds.values(), key=len, reverse=True)
    turns = ((turn, kind) for turn in range(most) for kind in order if turn < len(kind))
    for given, (turn, kind) in enumerate(turns):
        if given == most:
            return
        yield kind[turn]


def last_error(run: Run) -> str:
    """Return tool and signature of a run's last error, an empty text where there was none."""
    for step in reversed(run.steps):
        if step.error is not None:
            return f"{step.tool}: {error_signature(step.error)}"
    return ""
