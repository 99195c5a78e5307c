"""Many runs at once, and a run as the rest of the product sees it: a trace."""

import json
from collections.abc import Iterable, Sequence
from typing import Any

from evolution.lessons import Lesson
from evolution.runs import Run, Step
from training.workshop.agent import Episode, SloppyAgent, StepRecord
from training.workshop.obedience import read_lessons
from training.workshop.tasks import Task
from training.workshop.world import World


def simulate(
    world: World,
    lessons: Sequence[str | Lesson],
    tasks: Iterable[Task],
    seed: int = 0,
    *,
    deaf: bool = False,
) -> list[Episode]:
    """Run each task once, in order.

    Repeated with the same tasks and seed under other lessons, the two lists pair run by run.
    """
    agent = SloppyAgent(world, deaf=deaf)
    read = read_lessons(lessons)
    return [agent.run(task, read, seed) for task in tasks]


def success_rate(episodes: Sequence[Episode]) -> float:
    """Return the share of episodes that succeeded, 0..1; at least one is needed."""
    return sum(episode.success for episode in episodes) / len(episodes)


def trace_id(episode: Episode, playbook_version: int | None = None) -> str:
    """Return a name for the run: the same case, seed and version share it, no others do."""
    version = "" if playbook_version is None else f"-v{playbook_version}"
    return f"workshop-{episode.world_seed}-{episode.task_id}-{episode.seed}{version}"


def episode_to_trace(episode: Episode, playbook_version: int | None = None) -> dict[str, Any]:
    """Return the body of POST traces, without `agent_id`; times are measured seconds."""
    body: dict[str, Any] = {
        "trace_id": trace_id(episode, playbook_version),
        "task_id": episode.task_id,
        "task_group": episode.task_id,
        "success": episode.success,
        "execution_time": episode.seconds,
        "steps": episode.steps,
        "metadata": {
            "task_type": episode.task_type,
            "query": episode.query,
            "simulated": True,
            "source": "workshop (simulated)",
            "world": episode.world_seed,
            "seed": episode.seed,
        },
    }
    if episode.shortfall is not None:
        body["error_message"] = episode.shortfall
    if playbook_version is not None:
        body["playbook_version"] = playbook_version
    return body


def episode_to_run(episode: Episode, playbook_version: int | None = None) -> Run:
    """Return what the reflector sees of the run."""
    return Run(
        trace_id=trace_id(episode, playbook_version),
        task_group=episode.task_id,
        task_type=episode.task_type,
        version=playbook_version,
        success=episode.success,
        steps=tuple(_seen(step) for step in episode.steps),
        task_id=episode.task_id,
    )


def _seen(step: StepRecord) -> Step:
    arguments = json.dumps(step["arguments"], sort_keys=True, separators=(",", ":"))
    return Step(tool=step["tool"], arguments=arguments, error=step.get("error"))
