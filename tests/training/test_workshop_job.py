"""A job in the workshop, small and the same every time: it learns which lessons to tell."""

from statistics import fmean

import numpy as np
import pytest

from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import DeltaStatus, Mode
from playbooks.selectors import snapshot
from training import measuring, services
from training.learner import Learner
from training.models import Split, TrainingJob, TrainingState
from training.runtimes.registry import own_tasks
from training.scene import scene_of
from training.services import jobs
from training.workshop.advice import candidate_lessons
from training.workshop.world import World

pytestmark = pytest.mark.django_db
SEED = 4
WORTH = {candidate.text: candidate for candidate in candidate_lessons(World(SEED))}


def trained() -> TrainingJob:
    """Carry a job of 768 trajectories to its end; its playbook tells all lessons, bad ones too."""
    agent = services.make_workshop_agent(
        agent_id="shop", seed=SEED, mode=Mode.STRICT, author=actors.AUTOMATIC
    )
    playbooks.import_playbook(
        agent=agent, content={"strategies": list(WORTH)}, author=actors.AUTOMATIC, reason=""
    )
    agent.playbook.refresh_from_db()
    runtime = {"name": "workshop", "seed": SEED}
    data = [
        [{"query": task.query, "task_type": task.task_type} for task in tasks]
        for tasks in (own_tasks(runtime, "train", 96), own_tasks(runtime, "validation", 100))
    ]
    job = jobs.start_job(
        agent=agent,
        config={"n_iterations": 8, "batch_size": 12, "eval_interval": 8},
        runtime=runtime,
        training_data=data[0],
        evaluation_data=data[1],
        requested_by="test",
    )
    return jobs.run_in_foreground(job=job, progress=lambda _: None)


def test_a_job_finds_the_lessons_that_harm_and_its_delta_mends_the_playbook() -> None:
    job = trained()
    assert (job.reason, job.trajectories, job.simulated) == ("finished", 768, True)

    learner = Learner.from_bytes(bytes(TrainingState.objects.get(job=job).state))
    assert learner.distance > 0
    chances = learner.policy.probabilities(np.array([-1]))[0]
    worths = [WORTH[entry["text"]] for entry in job.candidates]
    ruinous = [c.worth == "harmful" and not c.typed for c in worths]
    assert sum(ruinous) == 4
    assert chances[ruinous].max() < chances[[c.worth == "right" for c in worths]].mean()

    decided = {row["text"]: row["decision"] for row in job.effects}
    flagged = {text for text, decision in decided.items() if decision in ("drop", "restrict")}
    assert flagged >= {c.text for c, ruins in zip(worths, ruinous, strict=True) if ruins}
    assert sum(WORTH[text].worth == "right" for text in flagged) <= 1

    assert job.delta.status == DeltaStatus.PENDING_REVIEW
    dropped = {row["bullet_id"] for row in job.effects if row["decision"] == "drop"}
    removed = {op["bullet_id"] for op in job.delta.operations if op["op"] == "remove"}
    assert removed == dropped
    assert _success(job, 2) < 0.1
    playbooks.approve_delta(delta=job.delta, by=actors.person("bob"))
    assert _success(job, 3) > 0.5


def _success(job: TrainingJob, version: int) -> float:
    """Return the share of the sealed test that succeeds under a version of the playbook."""
    scene = scene_of(job)
    content = snapshot(job.agent.playbook.pk, version).content
    arm = measuring.try_content(scene, content, scene.tasks(Split.TEST), Split.TEST)
    return fmean(map(bool, arm.successes))
