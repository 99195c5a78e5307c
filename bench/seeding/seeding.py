"""All of it in the right order."""

import time
from collections.abc import Callable
from typing import Any

from django.db import connection, transaction
from django.db.models import Model

from bench.seeding.copying import Tables
from bench.seeding.history import History
from bench.seeding.money import Money, run_keys
from bench.seeding.others import seed_others
from bench.seeding.plans import plan
from bench.seeding.shape import Shape
from bench.seeding.traces import seed_traces
from bench.seeding.trainings import Trainings
from playbooks.models import Agent


def others_agents() -> bool:
    """Return whether the database holds an agent that was not seeded."""
    # Not `exclude`: of metadata without the key, SQL says neither that it is true nor that not.
    return Agent.objects.count() > agents_so_far()


def agents_so_far() -> int:
    """Return how many agents were seeded before."""
    return Agent.objects.filter(metadata__seeded=True).count()


def seed(shape: Shape, say: Callable[[str], Any]) -> dict[type[Model], int]:
    """Write the whole installation; return how many rows each model got by COPY."""
    tables = Tables()
    # Keys between tables are checked at the end, so the order within does not matter.
    with transaction.atomic():
        deltas, runs = plan(shape)
        keys = run_keys(runs)
        history = History(shape, tables, keys)
        history.begin()
        for one in deltas:
            history.go_on(one)
        history.end()
        say(f"{len(deltas):,} deltas with their versions are written")
        money = Money(shape, tables)
        for key, run in zip(keys, runs, strict=True):
            money.run(key, run, history.books[run.owner])
        money.close()
        trainings = Trainings(shape, tables)
        for place in range(shape.jobs):
            trainings.write(place, history.books[place % len(history.books)])
        seed_others(shape, tables, history.books)
        say(f"{len(runs):,} runs with their calls, {shape.jobs:,} trainings are written")
        count = seed_traces(shape, tables, history.books)
        say(f"{count:,} traces are written")
        tables.close()
    return tables.counts


def fill(shape: Shape, say: Callable[[str], Any]) -> None:
    """Seed as `seed` does, leave the tables as autovacuum would, and say how fast it went."""
    began = time.perf_counter()
    counts = seed(shape, say)
    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
    seconds = time.perf_counter() - began
    rows = sum(counts.values())
    for model, count in sorted(counts.items(), key=lambda pair: -pair[1]):
        say(f"  {model._meta.verbose_name_plural!s:<28}{count:>12,}")
    say(f"{rows:,} rows in {seconds:.0f} s, {rows / seconds:,.0f} a second")
