"""A training job with trajectories, as a worker leaves it."""

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from typing import Any

import numpy as np

from playbooks.actors import AUTOMATIC
from playbooks.content import bullets
from playbooks.models import Agent
from playbooks.selectors import agent_by_id, head
from playbooks.services import create_agent
from training import bodies
from training.engine.config import Config
from training.models import (
    Split,
    TrainingJob,
    TrainingState,
    TrainingTask,
    Trajectory,
    TrajectoryOutcome,
)
from training.runtimes.base import Outcome

CONTENT = {"goals": "Help.", "strategies": ["Look it up first.", "Ask twice.", "Be brief."]}
STEPS = (
    {"tool": "orders.find", "arguments": {"id": 7, "deep": True}, "result": {"state": "sent"}},
    {"tool": "mail", "arguments": {"to": "x"}, "error": "no such address"},
)


def make_agent(agent_id: str = "shop") -> Agent:
    create_agent(agent_id=agent_id, author=AUTOMATIC, initial_context=CONTENT)
    return agent_by_id(agent_id)


def make_job(agent: Agent, *, tasks: int = 2, policy: str = "context", **fields: Any) -> Any:
    """Return a job with that many training tasks, none of them tried."""
    candidates = [
        {"bullet_id": b.bullet_id, "section": b.section, "text": b.text}
        | {"in_playbook": True, "fixed": False}
        for b in bullets(head(agent.playbook).content)
    ]
    heads = {"variant": ["plan first", "act at once"]}
    given = {"runtime": {"name": "http", "url": "https://agent.example/", "heads": heads}}
    job = TrainingJob.objects.create(
        agent=agent,
        requested_by="service:ops",
        config=asdict(Config(n_iterations=5, policy=policy)),
        policy=policy,
        base_version=1,
        candidates=candidates if policy == "context" else [],
        **given | fields,
    )
    rows = [
        TrainingTask(
            job=job,
            split=Split.TRAIN,
            number=number,
            query=f"task {number}",
            expected_outcome={"refund": number},
            task_type="refunds" if number % 2 else "",
        )
        for number in range(tasks)
    ]
    TrainingTask.objects.bulk_create(rows)
    TrainingState.objects.create(job=job, iteration=0, state=b"")
    return job


def tried(
    job: TrainingJob,
    reward: float | None,
    *,
    task: int = 0,
    trial: int = 0,
    iteration: int = 1,
    let_in: Sequence[int] = (1, 0, 1),
    steps: Sequence[dict[str, Any]] = STEPS,
    answer: Any = "Done.",
) -> Trajectory:
    """Return a stored try of a task; without a reward it is one that was never answered."""
    ended = reward is not None
    outcome = Outcome(steps=steps if ended else (), answer=answer if ended else None)
    return Trajectory.objects.create(
        job=job,
        iteration=iteration,
        task=task,
        trial=trial,
        outcome=TrajectoryOutcome.ENDED if ended else TrajectoryOutcome.TIMEOUT,
        error="" if ended else "no answer within 30 s",
        success=reward > 0.5 if ended else None,
        reward=reward,
        advantage=0.25 if ended else None,
        log_prob=-2.0,
        bullets=np.packbits(np.array(let_in, dtype=bool)).tobytes(),
        step_count=len(outcome.steps),
        tokens=120,
        cost_usd=Decimal("0.002"),
        seconds=1.5,
        body=bodies.of_outcome(outcome, {"variant": 1}),
    )
