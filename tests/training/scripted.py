"""A runtime whose agent does what a test says, registered beside the real ones."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from decimal import Decimal
from typing import Any

from ace_project.core.work import queue
from playbooks import actors, services
from playbooks.models import Agent
from playbooks.selectors import agent_by_id
from training import runner
from training.learner import Learner
from training.models import TrainingJob, TrainingState
from training.runtimes.base import Attempt, Outcome
from training.runtimes.registry import Kind, registered
from training.services import jobs

Play = Callable[[Attempt], Outcome]
GOOD, BAD = "Check the order first.", "Never check anything."
BULLETS = (GOOD, BAD, "Be brief.")
CONFIG = {
    "n_iterations": 4,
    "batch_size": 3,
    "n_trajectories_per_query": 4,
    "eval_interval": 2,
    "checkpoint_interval": 1,
    "seed": 7,
}


MANY = {"n_iterations": 8, "batch_size": 8, "n_trajectories_per_query": 4}


def usd(text: str) -> Decimal:
    return Decimal(text)


def work(job: TrainingJob, pieces: int = 1000) -> TrainingJob:
    """Carry jobs on as a worker does, so many pieces at most."""
    for _ in range(pieces):
        claimed = queue.claim_next(TrainingJob)
        if claimed is None:
            break
        runner.carry_out(claimed)
    job.refresh_from_db()
    return job


def learner(job: TrainingJob) -> Learner:
    """Return what the job's next iteration would go on from."""
    return Learner.from_bytes(bytes(TrainingState.objects.get(job=job).state))


def texts(attempt: Attempt) -> set[str]:
    """Return the bullets that the attempt was told."""
    return {text for _, _, text in attempt.bullets}


def obedient(attempt: Attempt) -> Outcome:
    """Succeed where the good bullet is in and the bad one is out, else by the seed's whim."""
    told = texts(attempt)
    helped = GOOD in told and BAD not in told
    return Outcome(
        success=helped or attempt.seed % 5 == 0,
        steps=[{"tool": "look", "arguments": {}, "result": "seen"}],
        seconds=0.001,
    )


class ScriptedRuntime:
    """Calls the test's own function."""

    metered = False

    def __init__(self, play: Play, usd: Decimal, simulated: bool) -> None:
        self.run = play
        self.usd = usd
        self.simulated = simulated

    def worst_case_usd(self, max_steps: int) -> Decimal:
        return self.usd


@contextmanager
def scripted(
    play: Play = obedient,
    *,
    usd: str = "0",
    simulated: bool = True,
    heads: Mapping[str, list[str]] | None = None,
) -> Iterator[Mapping[str, Any]]:
    """Have a runtime named `scripted` for a while; yield its spec."""
    kind = Kind(
        policy="context",
        simulated=simulated,
        keys=frozenset(),
        check=lambda spec, agent: {"name": "scripted", "heads": heads or {}},
        make=lambda spec, agent: ScriptedRuntime(play, Decimal(usd), simulated),
    )
    with registered("scripted", kind):
        yield {"name": "scripted"}


def make_agent(agent_id: str = "bot", bullets: tuple[str, ...] = BULLETS) -> Agent:
    """Make an agent whose playbook has these strategies."""
    services.get_or_create_agent(agent_id=agent_id, author=actors.AUTOMATIC)
    services.import_playbook(
        agent=agent_by_id(agent_id),
        content={"strategies": list(bullets)},
        author=actors.AUTOMATIC,
        reason="",
    )
    return agent_by_id(agent_id)


def data(count: int = 10) -> list[dict[str, Any]]:
    """Return tasks of two types."""
    return [
        {"query": f"task {n}", "expected_outcome": n, "task_type": "even" if n % 2 else "odd"}
        for n in range(count)
    ]


def start(agent: Agent, runtime: Mapping[str, Any], **changes: Any) -> TrainingJob:
    """Queue a small job."""
    config = {**CONFIG, **changes.pop("config", {})}
    arguments: dict[str, Any] = {"training_data": data(), "requested_by": "test", **changes}
    return jobs.start_job(agent=agent, config=config, runtime=runtime, **arguments)
