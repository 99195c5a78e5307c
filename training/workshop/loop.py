"""The closed loop without a database: run, reflect, apply, measure on cases never seen."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from random import Random

import numpy as np

from evolution.lessons import Lesson, render
from evolution.reflect import Config, Proposal, reflect
from evolution.runs import Run
from training.workshop.simulation import episode_to_run, simulate, success_rate
from training.workshop.world import World

CONFIDENCE_THRESHOLD = 0.7
HELD_OUT = 600
HELD_OUT_START = 1_000_000
FOREIGN = 1_000


@dataclass(frozen=True, slots=True)
class LoopResult:
    """Held-out success before and after each round, and the lessons in force at the end."""

    success: tuple[float, ...]  # (rounds + 1,)
    applied: tuple[Lesson, ...]
    by_round: tuple[tuple[str, ...], ...]  # what each round changed, as texts


def closed_loop(
    seed: int,
    rounds: int = 10,
    runs: int = 200,
    *,
    obey: bool = True,
    foreign: bool = False,
    shuffle: bool = False,
) -> LoopResult:
    """Learn in one world from nothing, applying only what may be applied without a person.

    Three controls, none of which may show a gain: `obey=False` (a deaf agent), `foreign` (held-out
    cases of another world), `shuffle` (outcomes exchanged between the runs of a round).
    """
    world = World(seed)
    elsewhere = World(seed + FOREIGN) if foreign else world
    held_out = elsewhere.tasks(HELD_OUT_START, HELD_OUT)
    rng, shuffler = np.random.default_rng(seed), Random(seed)
    seen: list[Run] = []
    playbook: list[Lesson] = []
    changes: list[tuple[str, ...]] = []
    success = [success_rate(simulate(elsewhere, playbook, held_out, deaf=not obey))]
    for number in range(rounds):
        episodes = simulate(world, playbook, world.tasks(number * runs, runs), deaf=not obey)
        fresh = [episode_to_run(episode, len(changes) + 1) for episode in episodes]
        seen += _shuffled(fresh, shuffler) if shuffle else fresh
        config = Config(existing=tuple(render(lesson) for lesson in playbook), max_marks=0)
        proposals = [p for p in reflect(seen, config, rng).proposals if _applies_itself(p)]
        playbook = _revised(playbook, proposals)
        changes.append(tuple(f"{proposal.action}: {proposal.text}" for proposal in proposals))
        success.append(success_rate(simulate(elsewhere, playbook, held_out, deaf=not obey)))
    return LoopResult(tuple(success), tuple(playbook), tuple(changes))


def _applies_itself(proposal: Proposal) -> bool:
    return proposal.automatic and proposal.confidence >= CONFIDENCE_THRESHOLD


def _revised(playbook: Sequence[Lesson], proposals: Sequence[Proposal]) -> list[Lesson]:
    removed = {proposal.lesson for proposal in proposals if proposal.action == "remove"}
    added = [proposal.lesson for proposal in proposals if proposal.action == "add"]
    kept = [lesson for lesson in playbook if lesson not in removed]
    return kept + [lesson for lesson in added if lesson not in kept]


def _shuffled(runs: Sequence[Run], rng: Random) -> list[Run]:
    outcomes = [run.success for run in runs]
    rng.shuffle(outcomes)
    return [replace(run, success=won) for run, won in zip(runs, outcomes, strict=True)]
