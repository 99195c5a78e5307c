"""The workshop met with real playbooks: episodes under a version, recorded as traces."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np

from ace_project.core.errors import InvalidInput
from evolution.ingest import MAX_BATCH
from evolution.models import ExecutionTrace, Origin
from evolution.services.traces import record_batch
from playbooks import selectors
from playbooks.content import bullets
from playbooks.models import Agent
from training.workshop.agent import Episode, SloppyAgent
from training.workshop.simulation import episode_to_trace, simulate, success_rate
from training.workshop.world import SEED_KEY, World

# Tasks from here on are never worked on for learning: they are what success is measured on.
UNSEEN = 1_000_000


def seed_of(agent: Agent) -> int:
    """Return the seed of a workshop agent's world; raises InvalidInput for any other agent."""
    seed = agent.metadata.get(SEED_KEY)
    if not agent.simulated or not isinstance(seed, int):
        raise InvalidInput(f"{agent} is not a workshop agent")
    return seed


@lru_cache(maxsize=8)
def world_of(seed: int) -> World:
    """Return the world of a seed; building one costs more than a run in it."""
    return World(seed)


def lessons(agent: Agent, number: int) -> list[str]:
    """Return what version `number` tells the agent."""
    content = selectors.snapshot(agent.playbook.pk, number).content
    return [bullet.text for bullet in bullets(content)]


def work(agent: Agent, runs: int, *, deaf: bool = False) -> list[Episode]:
    """Let the agent work on its next `runs` tasks under its live version; records nothing."""
    world = world_of(seed_of(agent))
    done = ExecutionTrace.objects.filter(agent=agent, origin=Origin.WORKSHOP).count()
    agent.playbook.refresh_from_db()
    told = lessons(agent, agent.playbook.version)
    return simulate(world, told, world.tasks(done, runs), seed=world.seed, deaf=deaf)


def shuffled(episodes: Sequence[Episode], rng: np.random.Generator) -> list[bool]:
    """Return the episodes' outcomes in random order: a control in which nothing can be learned."""
    return [bool(o) for o in rng.permutation([episode.success for episode in episodes])]


def record(agent: Agent, episodes: Sequence[Episode], outcomes: Sequence[bool]) -> None:
    """Store episodes as the agent's traces, with these outcomes."""
    version = agent.playbook.version
    content = selectors.snapshot(agent.playbook.pk, version).content
    used = [bullet.bullet_id for bullet in bullets(content)]
    bodies = [
        {
            **episode_to_trace(episode, version),
            "success": outcome,
            "playbook_version": version,
            "bullets": used,
        }
        for episode, outcome in zip(episodes, outcomes, strict=True)
    ]
    for start in range(0, len(bodies), MAX_BATCH):
        batch = bodies[start : start + MAX_BATCH]
        record_batch(agent=agent, traces=batch, origin=Origin.WORKSHOP)


def success_on_unseen(
    agent: Agent, number: int, tasks: int, *, world_seed: int | None = None, deaf: bool = False
) -> float:
    """Return the share of `tasks` unseen tasks that succeed under version `number`, 0..1."""
    world = world_of(seed_of(agent) if world_seed is None else world_seed)
    told = lessons(agent, number)
    unseen = world.tasks(UNSEEN, tasks)
    return success_rate(simulate(world, told, unseen, seed=world.seed, deaf=deaf))


def pair(agent: Agent, before: int, after: int, index: int) -> dict[str, object]:
    """Run one unseen task under two versions, with the same temptations."""
    world = world_of(seed_of(agent))
    task = world.task(UNSEEN + index)
    worker = SloppyAgent(world)
    first, second = (
        worker.run(task, lessons(agent, number), seed=world.seed) for number in (before, after)
    )
    return {
        "task_id": task.task_id,
        "query": task.query,
        "before": first.success,
        "after": second.success,
    }
