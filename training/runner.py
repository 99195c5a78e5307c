"""One piece of a job for each claim: measure the start, one iteration, or the end.

What a piece brought is stored in one transaction that proves the lease: once, or not at all.
"""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from django.db.models.functions import Now
from django.db.utils import InterfaceError, OperationalError

from ace_project.core.work import leases
from ace_project.core.work.leases import JobStatus
from evolution.ledger import BudgetExceeded
from training import checkpoints, conclusion, measuring, rounds, stopping
from training.collector import Interrupted
from training.engine import grpo
from training.engine.grpo import Diverged, Metrics
from training.engine.packing import CorruptState
from training.engine.rewards import InvalidReward, RewardFailed
from training.engine.trajectories import BadRewards
from training.learner import Learner
from training.models import (
    Evaluation,
    EvaluationKind,
    Split,
    TrainingIteration,
    TrainingJob,
    TrainingState,
)
from training.money import spent_usd
from training.object_store import StoreUnavailable
from training.rounds import Round
from training.runtimes.base import InvalidRuntime
from training.sampling import Purpose, generator
from training.scene import Scene, is_ours, scene_of
from training.selectors import METRICS as _METRICS
from training.storing import stored_once, write_trajectories

logger = logging.getLogger(__name__)


def silent(message: str) -> None:
    """Show no progress."""


def carry_out(job: TrainingJob, progress: Callable[[str], None] = silent) -> None:
    """Carry a claimed job one piece further and queue it again, or end it.

    Raises LeaseLost where it was cancelled, erased or taken over meanwhile.
    """
    try:
        _advance(job, progress)
    except leases.LeaseLost:
        raise
    except Interrupted as error:
        raise leases.LeaseLost(f"training job {job.pk}") from error
    except BudgetExceeded as error:
        _fail(job, "budget_exceeded", error.detail)
    except (BadRewards, Diverged) as error:
        _fail(job, "diverged", str(error))
    except CorruptState as error:
        _fail(job, "runtime_error", f"it cannot go on: {error}", checkpoint=False)
    except (RewardFailed, InvalidReward, InvalidRuntime) as error:
        _fail(job, "runtime_error", str(error))
    except StoreUnavailable as error:
        leases.retry_later(job, error.detail)
    except (OperationalError, InterfaceError) as error:
        # A full disk, say. Where the database is gone, the lease runs out instead.
        leases.retry_later(job, f"the database failed: {str(error).strip()}")
    except Exception as error:  # noqa: BLE001 - the worker's edge: recorded with the row it failed
        logger.exception("training job %s failed", job.pk)
        leases.retry_later(job, f"{type(error).__name__}: {error}")


def _advance(job: TrainingJob, progress: Callable[[str], None]) -> None:
    scene = scene_of(job, lambda: is_ours(job))
    learner = _saved(job)
    if not job.iteration and not job.reason and _measure_start(scene):
        progress("measured the playbook as it is")
        return
    if job.reason or job.iteration >= scene.config.n_iterations:
        conclusion.conclude(scene, learner)
        progress(f"ended: {job.reason}")
        return
    made = _iterate(scene, learner)
    _store(scene, learner, made)
    progress(_line(job, made))


def _saved(job: TrainingJob) -> Learner:
    """Return the state that the job goes on from; raises CorruptState, never starts afresh."""
    saved = TrainingState.objects.filter(job=job).first()
    if saved is None or saved.iteration != job.iteration:
        found = "missing" if saved is None else f"of iteration {saved.iteration}"
        raise CorruptState(f"the state after iteration {job.iteration} is {found}")
    return Learner.from_bytes(bytes(saved.state))


def _measure_start(scene: Scene) -> bool:
    """Measure validation under what was there before training; False where that is done."""
    job, kind = scene.job, EvaluationKind.BASELINE
    if job.evaluations.filter(kind=kind).exists():
        return False
    tasks = scene.tasks(Split.VALIDATION)
    if not tasks:
        return False
    arm = measuring.try_policy(scene, None, tasks, Split.VALIDATION)
    found = measuring.report(scene, kind, 0, tasks, arm, arm)
    with stored_once(job):
        found.save(force_insert=True)
        leases.hand_on(job, spent_usd=spent_usd(job))
    return True


@dataclass(frozen=True, slots=True)
class _Made:
    """What one iteration brought, before it is stored."""

    number: int
    round: Round
    metrics: Metrics | None
    evaluation: Evaluation | None
    seconds: float
    cost_usd: Decimal  # what it cost us
    theirs_usd: Decimal  # what it cost those whose agent it is, as they say


def _iterate(scene: Scene, learner: Learner) -> _Made:
    began, config = time.monotonic(), scene.config
    number = scene.job.iteration + 1
    found, metrics = rounds.play(scene, learner, number), None
    if found.experience is not None:
        rng = generator(config.seed, Purpose.UPDATE, number)
        metrics = grpo.update(
            learner.policy, learner.optimiser, found.experience, config, rng, learner.value
        )
    stopping.count(learner, metrics)
    evaluation = None
    if number % config.eval_interval == 0 or number == config.n_iterations:
        evaluation = _evaluate(scene, learner, number)
    ours = spent_usd(scene.job) - scene.job.spent_usd
    return _Made(
        number=number,
        round=found,
        metrics=metrics,
        evaluation=evaluation,
        seconds=time.monotonic() - began,
        cost_usd=max(Decimal(0), ours),
        theirs_usd=Decimal(0) if ours else found.reported_usd,
    )


def _evaluate(scene: Scene, learner: Learner, number: int) -> Evaluation | None:
    first = scene.job.evaluations.filter(kind=EvaluationKind.BASELINE).first()
    return first and measuring.on_validation(scene, learner, number, first)


def _store(scene: Scene, learner: Learner, made: _Made) -> None:
    """Store the iteration with the state that it led to, and say whether another one follows."""
    job, state = scene.job, learner.to_bytes(scene.config)
    row = _iteration_row(scene, learner, made)
    held = _held(scene, learner, made, state)
    with stored_once(job):
        write_trajectories(made.round.rows)
        row.save(force_insert=True)
        TrainingState.objects.filter(job=job).update(iteration=made.number, state=state)
        if made.evaluation is not None:
            made.evaluation.save(force_insert=True)
        stop = stopping.after(scene, learner, made.number, made.round)
        if _keeps(scene, made, stop):
            _keep(job, held, made)
        written = {
            "iteration": made.number,
            "served_at": Now(),
            "trajectories": job.trajectories + len(made.round.rows),
            "failed_trajectories": job.failed_trajectories + made.round.failed,
            "metrics": {name: getattr(row, name) for name in _METRICS},
            "best_checkpoint": checkpoints.best(job),
            "spent_usd": spent_usd(job),
            "report": _report(job, made, stop),
        }
        if stop is not None and stop.error:
            leases.finish(job, JobStatus.FAILED, reason=stop.reason, error=stop.words, **written)
        else:
            leases.hand_on(job, reason=stop.reason if stop else "", **written)


def _held(scene: Scene, learner: Learner, made: _Made, state: bytes) -> checkpoints.Held | None:
    """Return the state ready to be kept; None for a large one that the iteration will not keep."""
    if checkpoints.is_large(state):
        stop = stopping.after(scene, learner, made.number, made.round)
        if not _keeps(scene, made, stop):
            return None
    return checkpoints.hold(scene.job, made.number, state)


def _keep(job: TrainingJob, held: checkpoints.Held | None, made: _Made) -> None:
    """Keep the iteration's checkpoint; nothing is held where the job was paused this moment."""
    if held is None:
        checkpoints.save_present(job)
        return
    checkpoints.save(job, held, made.evaluation)
    checkpoints.prune(job)


def _keeps(scene: Scene, made: _Made, stop: stopping.Stop | None) -> bool:
    """Return whether the iteration leaves a checkpoint: its turn, measured, the last, or paused."""
    if stop or made.evaluation or made.number % scene.config.checkpoint_interval == 0:
        return True
    return TrainingJob.objects.filter(pk=scene.job.pk, paused_at__isnull=False).exists()


def _report(job: TrainingJob, made: _Made, stop: stopping.Stop | None) -> dict[str, Any]:
    """Return what is said with the figures; what attempts cost their own agent is kept apart."""
    report = dict(job.report)
    if stop is not None:
        report["stopped"] = stop.words
    if made.theirs_usd:
        report["theirs_usd"] = str(Decimal(report.get("theirs_usd", "0")) + made.theirs_usd)
    return report


def _iteration_row(scene: Scene, learner: Learner, made: _Made) -> TrainingIteration:
    metrics, (passed, failed) = made.metrics, made.round.unanimous
    row = TrainingIteration(
        job=scene.job,
        number=made.number,
        success_rate=made.round.success_rate,
        frac_all_passed=passed,
        frac_all_failed=failed,
        distance=learner.distance,
        trajectories=len(made.round.rows),
        failed=made.round.failed,
        cost_usd=made.cost_usd,
        seconds=made.seconds,
    )
    if metrics is not None:
        row.train_loss, row.avg_reward = metrics.loss, metrics.avg_reward
        row.reward_std, row.entropy = metrics.reward_std, metrics.entropy
        row.clip_fraction, row.kl = metrics.clip_fraction, metrics.kl
        row.gradient_norm, row.change_norm = metrics.gradient_norm, metrics.change_norm
        row.frac_zero_variance_groups = metrics.frac_zero_variance_groups
    return row


def _line(job: TrainingJob, made: _Made) -> str:
    metrics, evaluation = made.metrics, made.evaluation
    words = [f"iteration {made.number} of {job.total_iterations}"]
    if metrics is None:
        words.append("nothing could be scored")
    else:
        words.append(f"reward {metrics.avg_reward:.3f} +- {metrics.reward_std:.3f}")
    if made.round.failed:
        words.append(f"{made.round.failed} of {len(made.round.rows)} failed")
    if evaluation is not None and evaluation.success_rate is not None:
        words.append(f"held-out success {evaluation.success_rate:.1%}")
    return ", ".join(words)


def _fail(job: TrainingJob, reason: str, error: str, *, checkpoint: bool = True) -> None:
    """End the job visibly, with a checkpoint of what it had learned until then."""
    with stored_once(job):
        if checkpoint:
            checkpoints.save_present(job)
        leases.finish(job, JobStatus.FAILED, reason=reason, error=error, spent_usd=spent_usd(job))
