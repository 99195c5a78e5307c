"""When a job ends before its last iteration, and why: the rules, in one place."""

from dataclasses import dataclass

import numpy as np

from training.engine.distributions import Floats
from training.engine.grpo import Metrics
from training.learner import Learner
from training.models import Evaluation, EvaluationKind, TrainingJob
from training.rounds import Round
from training.scene import Scene

# In so many iterations in a row nothing could be scored: nobody answers.
SILENT_ITERATIONS = 3
# In so many iterations in a row, and trajectories, all rewards of every group were equal.
QUIET_ITERATIONS, QUIET_TRAJECTORIES = 5, 64
# So many evaluations in a row were no better than the best before them, beyond one standard error.
PATIENCE = 10


@dataclass(frozen=True, slots=True)
class Stop:
    """Why no further iteration follows; with `error` the job has failed."""

    reason: str
    words: str
    error: bool = False


def count(learner: Learner, metrics: Metrics | None) -> None:
    """Count iterations in which nothing ended, and those in which nothing told anything apart."""
    if metrics is None:
        learner.silent += 1
        return
    learner.silent = 0
    learner.quiet = 0 if metrics.rows_used else learner.quiet + 1


def after(scene: Scene, learner: Learner, number: int, found: Round) -> Stop | None:
    """Return why the job ends after iteration `number`, evaluated already; None: it goes on.

    `no_signal`: groups never told anything apart, and the parameters are bit for bit those of the
    start. `converged`: they do not any more, or validation has not risen for PATIENCE evaluations.
    `target_reached`: the mean reward on validation is at least `target_reward`; without held-out
    tasks, that of the iteration.
    """
    last = number >= scene.config.n_iterations
    if learner.silent >= SILENT_ITERATIONS or (last and learner.silent == number):
        return _nobody_answers(learner, found)
    if _target_is_reached(scene, number, found):
        where = "validation" if scene.job.evaluations.exists() else "the tasks of this iteration"
        return Stop("target_reached", f"The mean reward on {where} reached target_reward.")
    enough = number * scene.config.batch_size * scene.config.n_trajectories_per_query
    quiet = learner.quiet >= QUIET_ITERATIONS and enough >= QUIET_TRAJECTORIES
    if learner.distance == 0 and (quiet or last):
        words = "In no group did rewards differ: there was nothing to learn from."
        return Stop("no_signal", f"{words} The parameters are those of the start.")
    if quiet:
        words = f"In {QUIET_ITERATIONS} iterations in a row no group's rewards differed any more."
        return Stop("converged", words)
    if number % scene.config.eval_interval == 0 and has_converged(scene.job):
        words = (
            f"{PATIENCE} evaluations in a row were no better than the best before them by more "
            "than one standard error."
        )
        return Stop("converged", words)
    return Stop("finished", "All iterations were carried out.") if last else None


def has_converged(job: TrainingJob) -> bool:
    """Tell whether none of the last PATIENCE evaluations beats the best before, paired by task."""
    rows = Evaluation.objects.filter(job=job, kind=EvaluationKind.VALIDATION).order_by("iteration")
    measured = rows.filter(avg_reward__isnull=False)
    means = list(measured.values_list("avg_reward", "iteration"))
    if len(means) <= PATIENCE:
        return False
    best = max(means[:-PATIENCE])[1]
    since = [iteration for _, iteration in means[-PATIENCE:]]
    kept = dict(rows.filter(iteration__in=[best, *since]).values_list("iteration", "results"))
    before = _rewards(kept[best])
    return not any(_is_better(_rewards(kept[iteration]), before) for iteration in since)


def _rewards(results: list[dict[str, float | None]]) -> Floats:
    return np.array([row["reward"] for row in results], dtype=np.float64)


def _is_better(now: Floats, before: Floats) -> bool:
    """Tell whether rewards (N,) are higher by more than a standard error; NaN: not scored."""
    gains = (now - before)[np.isfinite(now - before)]
    if len(gains) < 2:
        return bool(gains.sum() > 0)
    return bool(gains.mean() > gains.std(ddof=1) / np.sqrt(len(gains)))


def _target_is_reached(scene: Scene, number: int, found: Round) -> bool:
    target = scene.config.target_reward
    if target is None:
        return False
    if not scene.job.evaluations.exists():
        scored = [row.reward for row in found.rows if row.reward is not None]
        return bool(scored) and float(np.mean(scored)) >= target
    newest = scene.job.evaluations.filter(kind=EvaluationKind.VALIDATION, iteration=number).first()
    return newest is not None and newest.avg_reward is not None and newest.avg_reward >= target


def _nobody_answers(learner: Learner, found: Round) -> Stop:
    told = f": {found.errors[0]}" if found.errors else ""
    words = f"no attempt could be scored in {learner.silent} iterations in a row{told}"
    return Stop("runtime_error", words, error=True)
