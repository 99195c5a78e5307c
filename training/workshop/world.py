"""A workshop world: rules, habits and a database, all drawn from one seed."""

from random import Random

from training.workshop.habits import draw_habits
from training.workshop.rules import TASK_TYPES, TOOLS, draw_rules
from training.workshop.tasks import Task, draw_task
from training.workshop.tools import BackOffice

# Where an agent's metadata names the seed of its world.
SEED_KEY = "workshop_seed"


class World:
    """One shop back-office; another seed has other demands, errors and an agent of other habits."""

    def __init__(self, seed: int) -> None:
        """Draw the world; everything in it follows from the seed."""
        rng = Random(f"workshop/{seed}")
        self.seed = seed
        self.task_types = TASK_TYPES
        self.tools = TOOLS
        self.rules = draw_rules(rng)
        self.habits = draw_habits(rng, self.rules)
        self.office = BackOffice(self.rules)

    def task(self, index: int) -> Task:
        """Return the `index`-th case of this world, the same one every time."""
        return draw_task(self.rules, self.seed, index)

    def tasks(self, start: int, count: int) -> list[Task]:
        """Return `count` cases from `start` on; disjoint ranges share no case."""
        return [self.task(index) for index in range(start, start + count)]
