"""Starting, steering and ending training jobs."""

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import asdict
from decimal import ROUND_DOWN, Decimal
from typing import Any

from django.conf import settings
from django.db import transaction
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from ace_project.core.errors import AceError, Conflict, QueueFull, Unavailable
from ace_project.core.work import leases, nudge
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution import services as evolution
from playbooks import audit
from playbooks.actors import AUTOMATIC, Actor
from playbooks.models import Agent, Delta
from training import checkpoints, conclusion, measuring, money, runner, selectors, warming
from training.collector import Interrupted
from training.datasets import Item, invalid, read_items
from training.engine.packing import CorruptState
from training.engine.rewards import InvalidReward, RewardFailed
from training.engine.trajectories import BadRewards
from training.models import (
    Evaluation,
    EvaluationKind,
    JobState,
    PolicyCheckpoint,
    Split,
    TrainingJob,
    TrainingState,
    TrainingTask,
)
from training.money import Estimate
from training.planning import Plan, check_seeds, planned
from training.runtimes.base import InvalidRuntime, Task
from training.scene import scene_of

# An evaluation on request is waited for: at most so many tasks, and so many seconds.
MOST_ASKED, ASKED_SECONDS = 200, 300.0
# Of one process: each holds a thread of the server that answers nobody else meanwhile.
_ASKED_AT_ONCE = threading.BoundedSemaphore(2)
# An agent's share of the queue, so that one cannot keep out all others.
_SHARE_OF_QUEUE = 4
_WATCH_SECONDS = 0.2
_CENT_OF_A_MICRO = Decimal(1).scaleb(-8)


class EvaluationFailed(AceError):
    """The agent, or what scores it, gave nothing that could be measured."""

    status = 424
    title = "The evaluation failed"


@transaction.atomic
def start_job(
    *,
    agent: Agent,
    config: Mapping[str, Any],
    runtime: Mapping[str, Any] | None,
    training_data: Sequence[Mapping[str, Any]] | None,
    evaluation_data: Sequence[Mapping[str, Any]] | None = None,
    reward: Mapping[str, Any] | None = None,
    requested_by: str,
    title: str = "",
    candidates: Sequence[Any] | None = None,
    warm_start: Mapping[str, Any] | None = None,
) -> TrainingJob:
    """Queue a job once everything that it needs is checked.

    `candidates` are lessons beyond the playbook's that are tried too: texts, `{section?, text}`,
    or `{delta_id}` of a delta that waits for a decision. `warm_start` is `{"traces": true,
    "since"?: time}`: the policy starts from what explored traces say. Raises InvalidInput naming
    the field, BudgetExceeded with the arithmetic where the worst case does not fit, QueueFull.
    """
    plan = planned(
        agent=agent,
        config=config,
        runtime=runtime,
        training_data=training_data,
        evaluation_data=evaluation_data,
        reward=reward,
        candidates=candidates,
    )
    money.check_affordable(agent, plan.config, plan.estimate, now=timezone.now())
    _check_queue(agent)
    plan = warming.warmed(plan, agent, warm_start)
    job = _stored(agent, plan, requested_by, title)
    if plan.estimate.usd:
        _grant(job, plan)
    nudge.nudge(job)
    return job


def _check_queue(agent: Agent) -> None:
    room = settings.ACE_WORKER_QUEUE_SIZE
    is_open = TrainingJob.objects.filter(status__in=ACTIVE)
    if is_open.count() >= room:
        raise QueueFull("as many training jobs are open as may be; try again later", retry_after=60)
    most = -(-room // _SHARE_OF_QUEUE)
    if is_open.filter(agent=agent).count() >= most:
        words = f"{agent} has {most} open training jobs, as many as one agent may; try again later"
        raise QueueFull(words, retry_after=60)


def estimate(
    *,
    agent: Agent,
    config: Mapping[str, Any],
    runtime: Mapping[str, Any] | None,
    training_data: Sequence[Mapping[str, Any]] | None,
    evaluation_data: Sequence[Mapping[str, Any]] | None = None,
    reward: Mapping[str, Any] | None = None,
    candidates: Sequence[Any] | None = None,
) -> Estimate:
    """Return what `start_job` with the same arguments may cost at most; raises InvalidInput."""
    plan = planned(
        agent=agent,
        config=config,
        runtime=runtime,
        training_data=training_data,
        evaluation_data=evaluation_data,
        reward=reward,
        candidates=candidates,
    )
    return plan.estimate


@transaction.atomic
def pause_job(*, job: TrainingJob, by: Actor, reason: str = "") -> TrainingJob:
    """Hold a job back; an iteration under way ends and is stored, with a checkpoint.

    Raises Conflict where the job has ended or is paused.
    """
    _steer(job, "paused", by, reason, when=Q(paused_at=None), then={"paused_at": Now()})
    checkpoints.save_present(job)
    return job


@transaction.atomic
def resume_job(*, job: TrainingJob, by: Actor, reason: str = "") -> TrainingJob:
    """Let a paused job go on where it stands; raises Conflict for any other."""
    when = Q(paused_at__isnull=False)
    _steer(job, "resumed", by, reason, when=when, then={"paused_at": None, "offered_at": None})
    nudge.nudge(job)
    return job


@transaction.atomic
def cancel_job(*, job: TrainingJob, by: Actor, reason: str = "") -> TrainingJob:
    """End a job for good, with a checkpoint of what it learned; raises Conflict if it has ended.

    A worker that carries out an iteration of it finds its lease gone and stores nothing.
    """
    ended = {
        "status": JobStatus.CANCELLED,
        "reason": f"cancelled by {by}"[:64],
        "error": reason,
        "finished_at": Now(),
        "lease_token": None,
        "lease_until": None,
    }
    _steer(job, "cancelled", by, reason, when=Q(), then=ended)
    checkpoints.save_present(job)
    return job


def evaluate(
    *,
    job: TrainingJob,
    checkpoint: PolicyCheckpoint | None = None,
    queries: Sequence[Mapping[str, Any]] | None = None,
    by: Actor,
) -> Evaluation:
    """Measure a checkpoint, the best without one, beside what was there before training.

    `queries` are `[{query, expected_outcome?, task_type?}]`; without them it is the validation
    tasks, and the sealed test never. It takes as long as the agent does, up to ASKED_SECONDS.
    Raises Conflict while there is no checkpoint, InvalidInput, BudgetExceeded, EvaluationFailed,
    and QueueFull while this process carries out as many as it does at once.
    """
    chosen = checkpoint or checkpoints.best(job) or selectors.checkpoints(job).first()
    if chosen is None or chosen.job_id != job.pk:
        raise Conflict(f"training job {job.pk} has no such checkpoint to measure")
    with _turn():
        return _measured(job, chosen, queries)


@contextmanager
def _turn() -> Iterator[None]:
    if not _ASKED_AT_ONCE.acquire(blocking=False):
        raise QueueFull("other evaluations are under way; try again later", retry_after=30)
    try:
        yield
    finally:
        _ASKED_AT_ONCE.release()


def _measured(
    job: TrainingJob, chosen: PolicyCheckpoint, queries: Sequence[Mapping[str, Any]] | None
) -> Evaluation:
    ends = time.monotonic() + ASKED_SECONDS
    scene = scene_of(job, lambda: time.monotonic() < ends)
    tasks = scene.tasks(Split.VALIDATION) if queries is None else _asked(job, queries)
    if not tasks:
        raise invalid("evaluation_queries", "are needed: this job holds no tasks out")
    try:
        learner = checkpoints.read(chosen)
        arm = measuring.try_policy(scene, learner, tasks, None)
        before = measuring.try_policy(scene, None, tasks, None)
    except Interrupted as error:
        words = f"the evaluation failed: {len(tasks)} tasks took more than {ASKED_SECONDS:g} s"
        raise EvaluationFailed(words) from error
    except (RewardFailed, InvalidReward, BadRewards, CorruptState, InvalidRuntime) as error:
        raise EvaluationFailed(f"the evaluation failed: {error}") from error
    if arm.failed == len(tasks):
        raise EvaluationFailed("the evaluation failed: no attempt could be scored")
    found = measuring.report(scene, EvaluationKind.ASKED, chosen.iteration, tasks, arm, before)
    found.save(force_insert=True)
    return found


@transaction.atomic
def propose_from(
    *, job: TrainingJob, checkpoint: PolicyCheckpoint | None = None, by: Actor
) -> Delta:
    """Propose what the trajectories up to a checkpoint say, all of them without one.

    The job's own delta is returned where it made one of the same. Raises Conflict for an action
    policy, a job that still runs, or where nothing is significant; InvalidInput.
    """
    if job.delta is not None and checkpoint is None:
        return job.delta
    if job.policy == "action":
        raise Conflict("an action policy proposes no change of the playbook")
    if job.state in (JobState.QUEUED, JobState.RUNNING):
        raise Conflict(f"training job {job.pk} is {job.state}: pause it, or wait for its end")
    finding = conclusion.found_in(job, checkpoint.iteration if checkpoint else None)
    if not finding.change.operations:
        raise Conflict(finding.change.words)
    return conclusion.propose(job, finding, by, [])


def run_in_foreground(*, job: TrainingJob, progress: Callable[[str], None]) -> TrainingJob:
    """Carry the job on in this process to its end, or watch while a worker does.

    Raises Unavailable where somebody paused it: it waits.
    """
    while True:
        claimed = leases.claim(TrainingJob, job.pk)
        if claimed is None:
            time.sleep(_WATCH_SECONDS)
        else:
            with suppress(leases.LeaseLost), leases.heartbeat(claimed):
                runner.carry_out(claimed, progress)
        job.refresh_from_db()
        if job.status not in ACTIVE:
            return job
        if job.state == JobState.PAUSED:
            raise Unavailable(f"training job {job.pk} is paused: it waits")


def _asked(job: TrainingJob, queries: Sequence[Mapping[str, Any]]) -> list[Task]:
    items = read_items("evaluation_queries", queries)
    if len(items) > MOST_ASKED:
        raise invalid("evaluation_queries", f"must hold at most {MOST_ASKED} tasks")
    if job.policy == "action":
        check_seeds("evaluation_queries", items)
    return [
        Task(number, item.query, item.expected_outcome, item.task_type)
        for number, item in enumerate(items)
    ]


def _stored(agent: Agent, plan: Plan, requested_by: str, title: str) -> TrainingJob:
    """Write the job's row with its tasks and the state that its first iteration goes on from."""
    report: dict[str, Any] = {"split": plan.tasks.note, "arithmetic": plan.estimate.lines}
    if plan.warm_start:
        report["warm_start"] = plan.warm_start
    job = TrainingJob.objects.create(
        agent=agent,
        title=title[:200],
        requested_by=requested_by,
        config=asdict(plan.config),
        runtime=plan.runtime,
        reward=plan.reward,
        policy=plan.config.policy or "",
        simulated=plan.simulated,
        base_version=plan.base_version,
        candidates=plan.candidates,
        task_types=plan.task_types,
        report=report,
    )
    parts: dict[Split, Sequence[Item]] = {
        Split.TRAIN: plan.tasks.train,
        Split.VALIDATION: plan.tasks.validation,
        Split.TEST: plan.tasks.test,
    }
    rows = [
        TrainingTask(
            job=job,
            split=name,
            number=number,
            query=item.query,
            expected_outcome=item.expected_outcome,
            task_type=item.task_type,
        )
        for name, items in parts.items()
        for number, item in enumerate(items)
    ]
    TrainingTask.objects.bulk_create(rows, batch_size=1000)
    state = plan.learner.to_bytes(plan.config)
    TrainingState.objects.create(job=job, iteration=0, state=state)
    return job


def _grant(job: TrainingJob, plan: Plan) -> None:
    """Give the job's scope in the ledger the limit that its config names."""
    limit = Decimal(str(plan.config.max_budget_usd)).quantize(_CENT_OF_A_MICRO, ROUND_DOWN)
    evolution.raise_limit(
        scope=money.scope_of(job.pk),
        period="",
        usd=limit,
        by=AUTOMATIC,
        reason=f"max_budget_usd of training job {job.pk}",
    )


def _steer(
    job: TrainingJob, verb: str, by: Actor, reason: str, *, when: Q, then: Mapping[str, Any]
) -> None:
    """Write `then` to an open job that is as `when` says, once, and leave a line of audit."""
    rows = TrainingJob.objects.filter(when, pk=job.pk, status__in=ACTIVE)
    done = rows.update(**then)
    job.refresh_from_db()
    if not done:
        raise Conflict(f"training job {job.pk} is {job.state}: it cannot be {verb}")
    data = {"job_id": job.pk} | ({"reason": reason} if reason else {})
    audit.record(
        job.agent.agent_id,
        f"training_{verb}",
        by,
        now=timezone.now(),
        subject=f"training job {job.pk}",
        data=data,
    )
