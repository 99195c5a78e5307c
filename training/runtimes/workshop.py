"""The workshop's sloppy agent as a runtime. All that it brings is simulated."""

import re
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from functools import lru_cache
from typing import Any

from playbooks.models import Agent
from training.runtimes.base import Attempt, Outcome, Task
from training.runtimes.numbers import count_of
from training.workshop import tasks as cases
from training.workshop.agent import SloppyAgent
from training.workshop.world import SEED_KEY, World

# Apart from each other, and from the cases that `training.sandbox` works on and measures on.
FIRST_CASE: Mapping[str, int] = {"train": 2_000_000, "validation": 3_000_000, "test": 4_000_000}
_UNNUMBERED, _SPAN = 5_000_000, 1_000_000
_ORDER = re.compile(r"\border (\d{4,8})\b", re.IGNORECASE)
_FIRST_ORDER = cases.order_of(0)


class Worlds:
    """Worlds of one seed, each with its own database, lent to one caller at a time."""

    def __init__(self, seed: int) -> None:
        self._seed = seed
        self._idle: list[World] = []

    @contextmanager
    def one(self) -> Iterator[World]:
        """Lend a world that nobody else works in."""
        try:
            world = self._idle.pop()
        except IndexError:
            world = World(self._seed)
        try:
            yield world
        finally:
            self._idle.append(world)


class WorkshopRuntime:
    """Runs the sloppy agent of one world; the case's own tools say whether it succeeded."""

    simulated = True
    metered = False

    def __init__(self, seed: int) -> None:
        self._worlds = _worlds(seed)

    def worst_case_usd(self, max_steps: int) -> Decimal:
        """Return 0: it asks nobody."""
        return Decimal(0)

    def run(self, attempt: Attempt) -> Outcome:
        """Work on the case that the task's query names, told the attempt's bullets."""
        told = [text for _, _, text in attempt.bullets]
        with self._worlds.one() as world:
            case = world.task(case_number(attempt.task.query))
            agent = SloppyAgent(world)
            episode = agent.run(case, told, attempt.seed, max_steps=attempt.max_steps)
        return Outcome(
            steps=episode.steps,
            success=episode.success,
            output_quality=episode.reward,
            seconds=episode.seconds,
            truncated=not episode.success and len(episode.steps) >= attempt.max_steps,
            error=episode.shortfall or "",
        )


def check(spec: Mapping[str, Any], agent: Agent | None) -> dict[str, Any]:
    """Return the spec with its world's seed: its own, or that of a workshop agent, or 0."""
    own = agent.metadata.get(SEED_KEY, 0) if agent is not None else 0
    given = {"seed": own if spec.get("seed") is None else spec["seed"]}
    return {"name": "workshop", "seed": count_of(given, "seed", 0, 0, 2**53)}


def make(spec: Mapping[str, Any], agent: Agent | None) -> WorkshopRuntime:
    """Return the runtime of a checked spec."""
    return WorkshopRuntime(spec["seed"])


def tasks(spec: Mapping[str, Any], split: str, count: int) -> list[Task]:
    """Return `count` cases of the world for `split`; no case is in two splits."""
    start = FIRST_CASE[split]
    with _worlds(spec["seed"]).one() as world:
        drawn = world.tasks(start, count)
    return [Task(number, case.query, task_type=case.task_type) for number, case in enumerate(drawn)]


def case_number(query: Any) -> int:
    """Return which case a query means: that of its order, or for want of one a fixed other."""
    text = str(query)
    order = _ORDER.search(text)
    if order and int(order[1]) >= _FIRST_ORDER:
        return int(order[1]) - _FIRST_ORDER
    return _UNNUMBERED + zlib.crc32(text.encode(errors="replace")) % _SPAN


@lru_cache(maxsize=8)
def _worlds(seed: int) -> Worlds:
    """Return the worlds of a seed; making one costs more than a run in it."""
    return Worlds(seed)
