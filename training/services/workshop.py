"""What may happen in the workshop: an agent is made, works, learns in rounds, is compared."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from django.db import transaction

from ace_project.core.errors import Unavailable
from ace_project.core.work import nudge
from ace_project.core.work.leases import JobStatus
from evolution import services as evolution
from evolution.models import EvolutionRun, Trigger
from playbooks import services as playbooks
from playbooks.actors import Actor
from playbooks.models import Agent, Delta, DeltaStatus, Mode
from training import sandbox
from training.models import Comparison

CONTROLS = ("none", "deaf", "foreign", "shuffled")
UNSEEN_TASKS = 600
COMPARED_TASKS = 60


@dataclass(slots=True)
class LoopReport:
    """What the closed loop measured. Everything in it is simulated."""

    agent_id: str
    seed: int
    control: str
    unseen_tasks: int
    # success[r] is the share of unseen tasks that succeed after r rounds, 0..1
    success: list[float] = field(default_factory=list)
    applied: list[str] = field(default_factory=list)
    seconds: float = 0.0
    simulated: bool = True


@transaction.atomic
def make_workshop_agent(*, agent_id: str, seed: int, mode: Mode, author: Actor) -> Agent:
    """Make a simulated agent in the world of `seed`; raises Conflict if the agent exists."""
    metadata = {sandbox.SEED_KEY: seed}
    return playbooks.create_agent(
        agent_id=agent_id,
        name="Workshop (simulated)",
        author=author,
        metadata=metadata,
        mode=mode,
        simulated=True,
    )


def run_workshop(*, agent: Agent, runs: int) -> int:
    """Let the agent work on its next tasks, recorded as traces; return how many succeeded."""
    episodes = sandbox.work(agent, runs)
    outcomes = [episode.success for episode in episodes]
    sandbox.record(agent, episodes, outcomes)
    return sum(outcomes)


def run_rounds(
    *,
    agent: Agent,
    rounds: int,
    runs: int,
    control: str = "none",
    progress: Callable[[str], None],
) -> LoopReport:
    """Close the loop `rounds` times: work, learn, apply by the mode, measure on unseen tasks.

    `control` takes away what should make learning work: `deaf` (the agent ignores its lessons),
    `shuffled` (outcomes are permuted before they are recorded), `foreign` (success is measured in
    another world).
    """
    began = time.monotonic()
    seed = sandbox.seed_of(agent)
    rng = np.random.default_rng([seed, 17])
    report = LoopReport(agent.agent_id, seed, control, UNSEEN_TASKS)

    def measure(number: int) -> None:
        success = sandbox.success_on_unseen(
            agent,
            agent.playbook.version,
            UNSEEN_TASKS,
            world_seed=seed + 1_000_003 if control == "foreign" else None,
            deaf=control == "deaf",
        )
        report.success.append(success)
        progress(f"round {number}: {success:.1%} of {UNSEEN_TASKS} unseen tasks (simulated)")

    measure(0)
    for number in range(1, rounds + 1):
        episodes = sandbox.work(agent, runs, deaf=control == "deaf")
        outcomes = [episode.success for episode in episodes]
        if control == "shuffled":
            outcomes = sandbox.shuffled(episodes, rng)
        sandbox.record(agent, episodes, outcomes)
        _learn(agent, report)
        measure(number)
    report.seconds = round(time.monotonic() - began, 2)
    return report


def _learn(agent: Agent, report: LoopReport) -> None:
    run = _evolve(agent)
    agent.playbook.refresh_from_db()
    deltas = Delta.objects.filter(run_id=run.pk, status=DeltaStatus.APPLIED).order_by("pk")
    report.applied += [op["text"] for d in deltas for op in d.operations if "text" in op]


def _evolve(agent: Agent) -> EvolutionRun:
    """Carry out one evolution run of the agent; raises Unavailable where it does not complete."""
    started = evolution.start_run(
        agent=agent, trigger=Trigger.COMMAND, requested_by="workshop", force=True
    )
    if started.run is None:
        raise Unavailable(str(started.reason))
    run = evolution.run_in_foreground(run=started.run, progress=lambda _: None)
    if run.status != JobStatus.COMPLETED:
        raise Unavailable(f"run {run.pk} {run.status}: {run.error or run.reason}")
    return run


@transaction.atomic
def start_comparison(*, delta: Delta, by: str, tasks: int = COMPARED_TASKS) -> Comparison:
    """Queue a paired comparison of the versions before and with an applied workshop delta."""
    agent = delta.playbook.agent
    sandbox.seed_of(agent)
    after = delta.applied_version or delta.playbook.version
    earlier = Comparison.objects.filter(agent=agent).count()
    job = Comparison.objects.create(
        agent=agent,
        delta=delta,
        before=after - 1,
        after=after,
        first_task=earlier * tasks,
        total=tasks,
        requested_by=by,
    )
    nudge.nudge(job)
    return job


def make_demonstration(*, author: Actor, runs: int, seed: int) -> dict[str, Any]:
    """Make the workshop agent of a new installation: some hundred runs, and what they teach."""
    agent = make_workshop_agent(
        agent_id="workshop-demo", seed=seed, mode=Mode.STRICT, author=author
    )
    succeeded = run_workshop(agent=agent, runs=runs)
    run = _evolve(agent)
    return {"agent": agent, "runs": runs, "succeeded": succeeded, "deltas": run.deltas_generated}
