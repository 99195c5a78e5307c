"""Seed a database: `python -m bench.seeding --database URL [--agents N --deltas N --traces N]`.

Everything in it belongs to agents that are marked as simulated. A database that holds agents that
were not seeded is left alone unless `--beside-others` is given.
"""

import os
import sys
from argparse import ArgumentParser, Namespace

import django
from django.core.management import call_command

AGENTS, DELTAS, TRACES = 1_000, 100_000, 1_000_000
FEWEST = 4


def main(arguments: list[str]) -> int:
    """Seed the database named; return 1 where it is refused."""
    asked = _asked(arguments)
    os.environ["DATABASE_URL"] = asked.database
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "bench.settings")
    django.setup()
    # Models can be imported only now.
    from bench.seeding import seeding
    from bench.seeding.shape import Shape

    call_command("migrate", verbosity=0)
    if not asked.beside_others and seeding.others_agents():
        message = "the database holds agents that were not seeded: it is left alone"
        print(f"{message} (--beside-others seeds it all the same)", file=sys.stderr)
        return 1
    first = seeding.agents_so_far()
    shape = Shape(asked.agents, asked.deltas, asked.traces, seed=asked.seed, first=first)
    seeding.fill(shape, print)
    return 0


def _asked(arguments: list[str]) -> Namespace:
    parser = ArgumentParser("python -m bench.seeding", description=__doc__)
    parser.add_argument("--database", required=True, help="its URL, postgres://...")
    parser.add_argument("--agents", type=int, default=AGENTS)
    parser.add_argument("--deltas", type=int, default=DELTAS)
    parser.add_argument("--traces", type=int, default=TRACES)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--beside-others", action="store_true")
    asked = parser.parse_args(arguments)
    if asked.agents < FEWEST:
        parser.error(f"--agents: at least {FEWEST}")
    return asked


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
