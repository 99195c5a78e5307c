"""The end of a job: the best checkpoint meets the sealed test, and what was learned is proposed."""

from dataclasses import dataclass, replace
from typing import Any

from ace_project.core.errors import AceError
from ace_project.core.work import leases
from ace_project.core.work.leases import JobStatus
from playbooks import services as playbooks
from playbooks.actors import Actor, ActorKind
from playbooks.content import Content
from playbooks.judges import Verdict
from playbooks.models import Delta, Source
from playbooks.operations import OperationError, apply
from training import checkpoints, learned, measuring, proposals
from training.engine.evaluation import holds_up
from training.learner import Learner
from training.models import (
    Evaluation,
    EvaluationKind,
    PolicyCheckpoint,
    Split,
    TrainingJob,
    TrainingState,
)
from training.money import spent_usd
from training.proposals import Change
from training.runtimes.base import Task
from training.scene import Scene
from training.storing import stored_once


@dataclass(frozen=True, slots=True)
class Finding:
    """What a job's trajectories say of its candidates, and what that would change."""

    entries: list[dict[str, Any]]
    change: Change
    evidence: dict[str, Any]
    iteration: int


def conclude(scene: Scene, learner: Learner) -> None:
    """Read the sealed test once, propose what was learned, and end the job as completed.

    The test meets three at once: what was there before, the best checkpoint, and the playbook as
    the delta would make it. Nothing is chosen by it. Raises CorruptState, Interrupted.
    """
    job = scene.job
    final = _unmeasured(scene, learner)
    finding = None if job.policy == "action" else found_in(job)
    best = checkpoints.best(job)
    if final is not None and (best is None or _is_better(final, best)):
        chosen, iteration = learner, job.iteration
    else:
        chosen = learner if best is None else checkpoints.read(best)
        iteration = job.iteration if best is None else best.iteration
    test, of_delta = _sealed(scene, chosen, iteration, finding)
    with stored_once(job):
        if final is not None:
            final.save(force_insert=True)
            state = bytes(TrainingState.objects.get(job=job).state)
            checkpoints.keep_measured(job, state, final)
            checkpoints.prune(job)
        if test is not None:
            test.save(force_insert=True)
        delta, words = _proposed(job, finding, of_delta)
        report = {**job.report, "conclusion": words, "held_up": _held_up(job)}
        leases.finish(
            job,
            JobStatus.COMPLETED,
            reason=job.reason or "finished",
            spent_usd=spent_usd(job),
            best_checkpoint=checkpoints.best(job),
            effects=finding.entries if finding else [],
            delta=delta,
            report=report | ({"delta_test": of_delta} if of_delta else {}),
        )


def found_in(job: TrainingJob, up_to: int | None = None) -> Finding:
    """Return what the job's trajectories up to an iteration say of its candidates."""
    outcomes = learned.outcomes_of(job, up_to)
    effects = None if outcomes is None else learned.effects_of(job, outcomes)
    rows = proposals.entries(job.candidates, effects, job.task_types)
    count = 0 if outcomes is None else len(outcomes.rewards)
    tasks = 0 if outcomes is None else len(set(outcomes.groups.tolist()))
    passed = job.rollouts.filter(success=True, reward__isnull=False).count()
    change = proposals.change(rows)
    evidence = {
        "counts": {"trajectories": [passed, count]},
        "within_group": True,
        "within": {"groups": tasks},
        "training_job": job.pk,
        "simulated": job.simulated,
        "bullets": [row for row in rows if row["decision"] in proposals.CHANGING],
    }
    return Finding(rows, change, evidence, job.iteration if up_to is None else up_to)


def propose(job: TrainingJob, finding: Finding, by: Actor, verdicts: list[Verdict]) -> Delta:
    """Bring the change before the judges as any other; raises InvalidInput.

    What was learned in a simulation never changes a real agent's playbook without a person.
    """
    outcome = playbooks.propose_delta(
        agent=job.agent,
        operations=finding.change.operations,
        confidence=finding.change.confidence,
        source=Source.TRAINING,
        author=by,
        reasoning=finding.change.words,
        evidence=finding.evidence,
        verdicts=verdicts,
        client_delta_id=f"training-{job.pk}-{finding.iteration}",
        base_version=job.base_version,
        may_apply=job.agent.simulated or not job.simulated,
    )
    return outcome.delta


def _unmeasured(scene: Scene, learner: Learner) -> Evaluation | None:
    """Return the evaluation of the last iteration, where the job ended between two of them."""
    job, kind = scene.job, EvaluationKind.VALIDATION
    first = job.evaluations.filter(kind=EvaluationKind.BASELINE).first()
    if first is None or job.evaluations.filter(kind=kind, iteration=job.iteration).exists():
        return None
    return measuring.on_validation(scene, learner, job.iteration, first)


def _is_better(final: Evaluation, best: PolicyCheckpoint) -> bool:
    return (final.avg_reward or 0.0) >= (best.avg_reward or 0.0)


def _sealed(
    scene: Scene, chosen: Learner, iteration: int, finding: Finding | None
) -> tuple[Evaluation | None, dict[str, Any]]:
    """Return the test of the chosen policy, and that of the delta where there is one."""
    tasks = scene.tasks(Split.TEST)
    if not tasks:
        return None, {}
    before = measuring.try_policy(scene, None, tasks, Split.TEST)
    arm = measuring.try_policy(scene, chosen, tasks, Split.TEST)
    test = measuring.report(scene, EvaluationKind.TEST, iteration, tasks, arm, before)
    content = _changed(scene, finding) if finding else None
    if content is None:
        return test, {}
    return test, _of_content(scene, content, tasks, before)


def _changed(scene: Scene, finding: Finding) -> Content | None:
    """Return the playbook as the change would make it; None without one."""
    if not finding.change.operations:
        return None
    try:
        return apply(scene.content, finding.change.operations).content
    except OperationError:
        # The judges say what is wrong with it.
        return None


def _of_content(
    scene: Scene, content: Content, tasks: list[Task], before: measuring.Arm
) -> dict[str, Any]:
    arm = measuring.try_content(scene, content, tasks, Split.TEST)
    found = measuring.report(scene, EvaluationKind.TEST, scene.job.iteration, tasks, arm, before)
    names = ("tasks", "success_rate", "baseline_success_rate", "difference", "low", "high")
    return {name: getattr(found, name) for name in (*names, "p_value")}


def _proposed(
    job: TrainingJob, finding: Finding | None, of_delta: dict[str, Any]
) -> tuple[Delta | None, str]:
    """Return the delta, where there is one, and what is said at the end."""
    if finding is None:
        return None, "An action policy proposes no change of the playbook."
    if not finding.change.operations:
        return None, finding.change.words
    by = Actor(ActorKind.RUN, f"training-{job.pk}")
    try:
        tested = replace(finding, evidence=finding.evidence | _gain(of_delta))
        delta = propose(job, tested, by, _verdicts(of_delta))
    except AceError as error:
        return None, f"{finding.change.words} It could not be proposed: {error.detail}"
    left = finding.change.left_out
    more = f" {len(left)} further changes found no room in one delta." if left else ""
    return delta, f"{finding.change.words}{more}"


def _gain(of_delta: dict[str, Any]) -> dict[str, Any]:
    """Return what the delta gained on the sealed test, as the evidence of a delta has it."""
    if not of_delta or of_delta["low"] is None:
        return {}
    return {"lift": of_delta["difference"], "interval": [of_delta["low"], of_delta["high"]]}


def _verdicts(of_delta: dict[str, Any]) -> list[Verdict]:
    """Return what the sealed test says of the delta."""
    if not of_delta or of_delta["low"] is None:
        words = "there was no sealed test of enough tasks"
        return [Verdict("held_out", "abstain", words)]
    gain, low, high = (100 * of_delta[name] for name in ("difference", "low", "high"))
    words = (
        f"on {of_delta['tasks']} tasks never trained on: {gain:+.1f} points, "
        f"95 % interval {low:+.1f} to {high:+.1f}"
    )
    outcome = "pass" if low > 0 else "block" if high < 0 else "warn"
    return [Verdict("held_out", outcome, words, of_delta)]  # type: ignore[arg-type]


def _held_up(job: TrainingJob) -> bool | None:
    """Tell whether the last evaluation lies within two standard errors of the best."""
    rows = job.evaluations.filter(kind=EvaluationKind.VALIDATION).order_by("iteration")
    found = [
        (mean, measuring.standard_error(results))
        for mean, results in rows.values_list("avg_reward", "results")
        if mean is not None
    ]
    return holds_up(found) if found else None
