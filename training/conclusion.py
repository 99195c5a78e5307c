"""The end of a job: the best checkpoint meets the sealed test, and what was learned is proposed."""

from ace_project.core.work import leases
from ace_project.core.work.leases import JobStatus
from training import checkpoints, measuring
from training.learner import Learner
from training.models import EvaluationKind, Split
from training.money import spent_usd
from training.scene import Scene
from training.storing import stored_once


def conclude(scene: Scene, learner: Learner) -> None:
    """Measure once on the sealed test and end the job as completed."""
    job = scene.job
    best = checkpoints.best(job)
    chosen = learner if best is None else checkpoints.read(best)
    tasks = scene.tasks(Split.TEST)
    evaluation = None
    if tasks:
        arm = measuring.try_policy(scene, chosen, tasks, Split.TEST)
        before = measuring.try_policy(scene, None, tasks, Split.TEST)
        iteration = job.iteration if best is None else best.iteration
        evaluation = measuring.report(scene, EvaluationKind.TEST, iteration, tasks, arm, before)
    with stored_once(job):
        if evaluation is not None:
            evaluation.save(force_insert=True)
        leases.finish(
            job,
            JobStatus.COMPLETED,
            reason=job.reason or "finished",
            spent_usd=spent_usd(job),
        )
