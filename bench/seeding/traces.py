"""Execution traces: many short ones, unevenly spread, and a single one of 5,000 steps."""

import json
import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from bench.seeding import words
from bench.seeding.copying import Tables, numbers
from bench.seeding.history import Book
from bench.seeding.shape import BUSIEST, Shape
from evolution.models import ExecutionTrace, Origin
from evolution.terms import terms_of
from playbooks.content import bullets

# So many different lists of steps are made, and drawn from.
_POOL = 2_000
_BULLETS_USED = 5
_SELECTIONS = 24
_LONG = 5_000


@dataclass(frozen=True, slots=True)
class Steps:
    """Steps as JSON text and as they are, with their counts."""

    text: str
    rows: list[dict[str, Any]]
    count: int
    errors: int
    tokens: int
    seconds: float
    error: str


def seed_traces(shape: Shape, tables: Tables, books: list[Book]) -> int:
    """Add the traces in the order of time; return how many there are."""
    rng = shape.rng("traces")
    keys = numbers(ExecutionTrace)
    pool = [_steps(rng, rng.randrange(2, 9)) for _ in range(_POOL)]
    counts = shape.traces_of()
    owners = [owner for owner, count in enumerate(counts) for _ in range(count)]
    rng.shuffle(owners)
    used = [_selections(rng, book) for book in books]
    luck = [rng.uniform(0.45, 0.9) for _ in books]
    places = [0] * len(books)
    for place, owner in enumerate(owners):
        number, places[owner] = places[owner], places[owner] + 1
        # The 5,000 steps are the busiest agent's newest trace but a few.
        is_long = owner == BUSIEST and counts[owner] - number == 3
        steps = _steps(rng, _LONG) if is_long else rng.choice(pool)
        version = 1 + number * books[owner].playbook.version // counts[owner]
        success = rng.random() < luck[owner]
        captured = shape.moment(place, len(owners))
        found_by: dict[str, Any] = {
            "task_id": f"task-{number % 4000}",
            "task_group": f"task-{number % 4000}",
            "task_type": words.TASK_TYPES[number % len(words.TASK_TYPES)],
            "success": success,
            "error_message": "" if success else steps.error or words.error(rng),
            "origin": Origin.AGENT if place % 20 else Origin.IMPORTED,
        }
        tables.add(
            ExecutionTrace,
            id=next(keys),
            agent_id=books[owner].agent.pk,
            trace_id=shape.trace_id(owner, number),
            **found_by,
            search=terms_of(version=version, steps=steps.rows, **found_by),
            execution_time=round(steps.seconds, 3),
            metadata='{"model": "a-model", "seeded": true}',
            steps=steps.text,
            step_count=steps.count,
            error_count=steps.errors,
            tokens=steps.tokens,
            playbook_version=version,
            bullets=rng.choice(used[owner]),
            session=f"s-{number // 3}",
            captured_at=captured,
            received_at=captured + timedelta(seconds=2),
        )
    return len(owners)


def _selections(rng: random.Random, book: Book) -> list[str]:
    names = [bullet.bullet_id for bullet in bullets(book.content)]
    some = min(_BULLETS_USED, len(names))
    return [json.dumps(rng.sample(names, some)) for _ in range(_SELECTIONS)]


def _steps(rng: random.Random, count: int) -> Steps:
    steps: list[dict[str, Any]] = [_step(rng) for _ in range(count)]
    failed = [step for step in steps if step["error"]]
    return Steps(
        json.dumps(steps),
        steps,
        count,
        len(failed),
        sum(step["tokens"] for step in steps),
        sum(step["seconds"] for step in steps),
        failed[0]["error"] if failed else "",
    )


def _step(rng: random.Random) -> dict[str, Any]:
    failed = rng.random() < 0.08
    return {
        "tool": rng.choice(words.TOOLS),
        "arguments": {"order": f"o-{rng.randrange(100_000)}", "limit": rng.randrange(50)},
        "result": None if failed else {"found": rng.randrange(20), "note": words.task(rng)},
        "error": words.error(rng) if failed else None,
        "seconds": round(rng.uniform(0.05, 2.0), 3),
        "tokens": rng.randrange(40, 900),
    }
