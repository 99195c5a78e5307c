"""The tasks of a job as they are sent: checked, and split into training, validation and test."""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ace_project.core.errors import InvalidInput
from playbooks.content import JSON, ContentError, canonical, normalise

MOST_TASKS = 10_000
HELD_OUT = 0.2
# Of fewer distinct queries nothing is held out: a share of them would say nothing.
FEWEST_TO_SPLIT = 5
_KEYS = frozenset({"query", "expected_outcome", "task_type"})


@dataclass(frozen=True, slots=True)
class Item:
    """One task as it was sent."""

    query: JSON
    expected_outcome: JSON = None
    task_type: str = ""


@dataclass(frozen=True, slots=True)
class Tasks:
    """The tasks by what they are for, and how they came to be split."""

    train: tuple[Item, ...]
    validation: tuple[Item, ...]
    test: tuple[Item, ...]
    note: str


def invalid(field: str, problem: str) -> InvalidInput:
    """Return the error that names a field of a request, as in `training_data.3.query`."""
    pointer = "/" + field.replace(".", "/")
    return InvalidInput(
        f"{field} {problem}", [{"pointer": pointer, "message": problem}], field=field
    )


def read_items(name: str, items: Sequence[Mapping[str, Any]]) -> tuple[Item, ...]:
    """Return the tasks of `[{query, expected_outcome?, task_type?}]`; raises InvalidInput."""
    if isinstance(items, str | bytes | Mapping) or not isinstance(items, Sequence):
        raise invalid(name, "must be a list of {query, expected_outcome}")
    if not items:
        raise invalid(name, "must hold at least one task")
    if len(items) > MOST_TASKS:
        raise invalid(name, f"must hold at most {MOST_TASKS:,} tasks")
    return tuple(_read_item(f"{name}.{place}", item) for place, item in enumerate(items))


def split(training: Sequence[Item], evaluation: Sequence[Item] | None, *, seed: int) -> Tasks:
    """Hold 20 % out where no evaluation tasks are given; half of what is held out is the test.

    Tasks with the same query stay together, so that none is trained on and measured on. Which
    queries are held out follows from a hash of seed and query alone.
    """
    if evaluation is not None:
        trained = {canonical(item.query) for item in training}
        if any(canonical(item.query) in trained for item in evaluation):
            note = "Some evaluation tasks are training tasks too: they flatter the figures. "
        else:
            note = ""
        first, second = _parted(evaluation, 0.5, seed + 1)
        return Tasks(tuple(training), first, second, note + _told(training, first, second))
    queries = {canonical(item.query) for item in training}
    if len(queries) < FEWEST_TO_SPLIT:
        note = (
            f"{len(queries)} distinct queries are too few to hold any out: there is no held-out "
            f"success and no test. From {FEWEST_TO_SPLIT} on, a fifth is held out (at least 2)."
        )
        return Tasks(tuple(training), (), (), note)
    rest, held = _parted(training, max(HELD_OUT, 2 / len(queries)), seed)
    first, second = _parted(held, 0.5, seed + 1)
    return Tasks(rest, first, second, _told(rest, first, second))


def _read_item(name: str, item: object) -> Item:
    if not isinstance(item, Mapping):
        raise invalid(name, "must be an object with a query")
    for key in item:
        if key not in _KEYS:
            raise invalid(f"{name}.{key}", f"is not known; a task has {', '.join(sorted(_KEYS))}")
    if item.get("query") in (None, ""):
        raise invalid(f"{name}.query", "is missing")
    kind = item.get("task_type") or ""
    if not isinstance(kind, str) or len(kind) > 255:
        raise invalid(f"{name}.task_type", "must be a text of at most 255 characters")
    return Item(
        query=_json(f"{name}.query", item["query"]),
        expected_outcome=_json(f"{name}.expected_outcome", item.get("expected_outcome")),
        task_type=str(_json(f"{name}.task_type", kind)),
    )


def _json(name: str, value: object) -> JSON:
    try:
        return normalise(value)
    except ContentError as error:
        raise invalid(name, error.message) from error


def _parted(
    items: Sequence[Item], share: float, seed: int
) -> tuple[tuple[Item, ...], tuple[Item, ...]]:
    """Return the items without and with the `share` of queries whose hashes are the lowest.

    Both keep their order. One query alone stays in the first part.
    """
    queries = {canonical(item.query) for item in items}
    ranked = sorted(queries, key=lambda query: hashlib.sha256(b"%d\n" % seed + query).digest())
    chosen = set(ranked[: min(round(share * len(ranked)), len(ranked) - 1)])
    first = tuple(item for item in items if canonical(item.query) not in chosen)
    return first, tuple(item for item in items if canonical(item.query) in chosen)


def _told(train: Sequence[Item], validation: Sequence[Item], test: Sequence[Item]) -> str:
    if not test:
        return f"{len(train)} tasks train, {len(validation)} validate; too few for a sealed test."
    return (
        f"{len(train)} tasks train, {len(validation)} validate (checkpoints are chosen on them), "
        f"{len(test)} are the sealed test, read once at the end."
    )
