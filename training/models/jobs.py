"""A training job: its tasks, the state it goes on from, and everything it measured."""

from typing import Any

from django.db import models
from django.db.models import Case, F, Q, Value, When
from django.db.models.functions import Now

from ace_project.core.work.leases import ACTIVE, JobStatus, LeasedJob
from evolution.models.money import Dollars
from playbooks.models import Agent, Delta


class JobState(models.TextChoices):
    """What a job is to those who ask. Its row is queued between two iterations of a running job."""

    QUEUED = "queued"
    RUNNING = "running"
    PAUSED = "paused"
    COMPLETED = "completed"
    FAILED = "failed"
    CANCELLED = "cancelled"


class TrainingJob(LeasedJob):
    """One job; a claim of its row advances it by one iteration and queues it again."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="training_jobs")
    title = models.CharField(max_length=200, blank=True)
    requested_by = models.CharField(max_length=255)
    # As checked by training.engine.config.Config, defaults filled in.
    config = models.JSONField()
    # {"name": ..., ...}, as checked by training.runtimes; holds no secret.
    runtime = models.JSONField()
    reward = models.JSONField(default=dict)
    policy = models.CharField(max_length=8)
    simulated = models.BooleanField(default=False)
    # The playbook's version that is trained on, and the lessons that may be let in or left out:
    # [{bullet_id, section, text, in_playbook, fixed}], in the order of the policy's columns.
    base_version = models.PositiveIntegerField()
    candidates = models.JSONField(default=list)
    task_types = models.JSONField(default=list)
    iteration = models.PositiveIntegerField(default=0)
    # When its last iteration ended: who was served least recently is served next.
    served_at = models.DateTimeField(null=True, editable=False)
    paused_at = models.DateTimeField(null=True, editable=False)
    # Trajectories of training (not of evaluation), those that failed included.
    trajectories = models.PositiveIntegerField(default=0)
    failed_trajectories = models.PositiveIntegerField(default=0)
    spent_usd = Dollars(default=0)
    # Of the last iteration, under the names of the contract; empty before the first.
    metrics = models.JSONField(default=dict)
    best_checkpoint = models.ForeignKey(
        "PolicyCheckpoint", on_delete=models.SET_NULL, null=True, related_name="+"
    )
    # At the end: one entry per candidate {bullet_id, text, decision, effect, low, high, p_value,
    # uses, tokens, by_type: [...]}, and what became of them.
    effects = models.JSONField(default=list)
    # What is said with the figures: {split, arithmetic, stopped, conclusion, theirs_usd}.
    report = models.JSONField(default=dict)
    delta = models.ForeignKey(Delta, on_delete=models.SET_NULL, null=True, related_name="+")

    class Meta:
        db_table = "training_jobs"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["agent", "-id"], name="training_job_agent"),
            models.Index(
                fields=["status"],
                condition=Q(status__in=[JobStatus.QUEUED, JobStatus.RUNNING]),
                name="training_job_open",
            ),
        ]

    def __str__(self) -> str:
        return f"Training {self.pk}"

    @classmethod
    def held_back(cls) -> Q:
        """Return which rows nobody may claim: paused jobs."""
        return Q(paused_at__isnull=False)

    @classmethod
    def last_served(cls) -> Any:
        """Return when the job's last iteration ended."""
        return F("served_at")

    @property
    def total_iterations(self) -> int:
        """Return how many iterations the job has at most."""
        return int(self.config["n_iterations"])

    @property
    def state(self) -> JobState:
        """Return what the job is to those who ask; one is paused while its iteration ends."""
        if self.paused_at and self.status in ACTIVE:
            return JobState.PAUSED
        if self.status == JobStatus.QUEUED and self.started_at:
            return JobState.RUNNING
        return JobState(self.status)

    @classmethod
    def state_expression(cls) -> Case:
        """Return `state` as an expression, to filter and count by."""
        paused = Q(status__in=ACTIVE, paused_at__isnull=False)
        between = Q(status=JobStatus.QUEUED, started_at__isnull=False)
        return Case(
            When(paused, then=Value(JobState.PAUSED.value)),
            When(between, then=Value(JobState.RUNNING.value)),
            default=F("status"),
        )


class Split(models.TextChoices):
    """What a task is for; the test is read once, at the end."""

    TRAIN = "train"
    VALIDATION = "validation"
    TEST = "test"


class TrainingTask(models.Model):
    """A task that a job trains on or is measured on."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="tasks")
    split = models.CharField(max_length=10, choices=Split)
    # From 0 within the split.
    number = models.PositiveIntegerField()
    query = models.JSONField()
    expected_outcome = models.JSONField(null=True)
    task_type = models.CharField(max_length=255, blank=True)

    class Meta:
        db_table = "training_tasks"
        constraints = [
            models.UniqueConstraint(fields=["job", "split", "number"], name="training_task_once")
        ]

    def __str__(self) -> str:
        return f"{self.split} {self.number}"


class TrainingState(models.Model):
    """What the next iteration goes on from: policy, optimiser and value, bit for bit."""

    job = models.OneToOneField(
        TrainingJob, on_delete=models.CASCADE, primary_key=True, related_name="saved"
    )
    iteration = models.PositiveIntegerField()
    state = models.BinaryField()

    class Meta:
        db_table = "training_states"

    def __str__(self) -> str:
        return f"state after {self.iteration}"


class TrainingIteration(models.Model):
    """What one iteration measured; written with the state it led to."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="iterations")
    number = models.PositiveIntegerField()
    train_loss = models.FloatField(null=True)
    avg_reward = models.FloatField(null=True)
    reward_std = models.FloatField(null=True)
    success_rate = models.FloatField(null=True)
    entropy = models.FloatField(null=True)
    clip_fraction = models.FloatField(null=True)
    # Shares of the groups: without variance, and of these all passed and all failed.
    frac_zero_variance_groups = models.FloatField(null=True)
    frac_all_passed = models.FloatField(null=True)
    frac_all_failed = models.FloatField(null=True)
    kl = models.FloatField(null=True)
    gradient_norm = models.FloatField(null=True)
    # How far the parameters moved in this iteration, and since the start.
    change_norm = models.FloatField(null=True)
    distance = models.FloatField(null=True)
    trajectories = models.PositiveIntegerField(default=0)
    failed = models.PositiveIntegerField(default=0)
    cost_usd = Dollars(default=0)
    seconds = models.FloatField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "training_iterations"
        constraints = [
            models.UniqueConstraint(fields=["job", "number"], name="training_iteration_once")
        ]

    def __str__(self) -> str:
        return f"iteration {self.number}"


class PolicyCheckpoint(models.Model):
    """A policy as it was after an iteration; kept: five best on validation, and latest."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="checkpoints")
    iteration = models.PositiveIntegerField()
    # Null where it lies in an object store, at `location`.
    state = models.BinaryField(null=True)
    location = models.CharField(max_length=512, blank=True)
    sha256 = models.CharField(max_length=64)
    size = models.PositiveBigIntegerField()
    # On validation; null where it was not evaluated.
    success_rate = models.FloatField(null=True)
    avg_reward = models.FloatField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "policy_checkpoints"
        constraints = [
            models.UniqueConstraint(fields=["job", "iteration"], name="policy_checkpoint_once")
        ]

    def __str__(self) -> str:
        return f"checkpoint {self.iteration}"


class EvaluationKind(models.TextChoices):
    """Which tasks an evaluation was on; the baseline is the validation under the base version."""

    BASELINE = "baseline"
    VALIDATION = "validation"
    TEST = "test"
    ASKED = "asked"


class Evaluation(models.Model):
    """Held-out tasks under a policy, paired with the same tasks under the baseline."""

    job = models.ForeignKey(TrainingJob, on_delete=models.CASCADE, related_name="evaluations")
    kind = models.CharField(max_length=10, choices=EvaluationKind)
    iteration = models.PositiveIntegerField()
    tasks = models.PositiveIntegerField()
    failed = models.PositiveIntegerField(default=0)
    success_rate = models.FloatField(null=True)
    avg_reward = models.FloatField(null=True)
    avg_steps = models.FloatField(null=True)
    tool_accuracy = models.FloatField(null=True)
    baseline_success_rate = models.FloatField(null=True)
    # {success_rate, avg_reward, avg_steps, tool_accuracy} of the baseline on the same tasks.
    baseline = models.JSONField(default=dict)
    # success_rate - baseline_success_rate with its 95 % interval and p value, paired by task.
    difference = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    p_value = models.FloatField(null=True)
    # Per task, by its number: reward and success, what a later evaluation is paired with.
    results = models.JSONField(default=list)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "training_evaluations"
        constraints = [
            models.UniqueConstraint(
                fields=["job", "kind", "iteration"],
                condition=~Q(kind="asked"),
                name="training_evaluation_once",
            ),
            # The sealed test is read once.
            models.UniqueConstraint(
                fields=["job"], condition=Q(kind="test"), name="training_test_once"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} at {self.iteration}"


class TrajectoryOutcome(models.TextChoices):
    """How a trajectory ended; only those that ended are scored, the others are never a 0."""

    ENDED = "ended"
    TRUNCATED = "truncated"
    TIMEOUT = "timeout"
    REFUSED = "refused"
    BROKEN = "broken"
    NO_REWARD = "no_reward"


class Trajectory(models.Model):
    """One try of one task, compactly; lists defer `body`."""

    # No index of its own: that below begins with it.
    job = models.ForeignKey(
        TrainingJob, on_delete=models.CASCADE, related_name="rollouts", db_index=False
    )
    iteration = models.PositiveIntegerField()
    # Number of the task in the training split, and of the try in its group.
    task = models.PositiveIntegerField()
    trial = models.PositiveSmallIntegerField()
    outcome = models.CharField(max_length=10, choices=TrajectoryOutcome)
    error = models.CharField(max_length=300, blank=True)
    success = models.BooleanField(null=True)
    # Null where it is not scored.
    reward = models.FloatField(null=True)
    advantage = models.FloatField(null=True)
    # Of all that the policy chose; in nats.
    log_prob = models.FloatField(null=True)
    # Which candidates were let in, one bit each, packed as numpy.packbits does; empty for actions.
    bullets = models.BinaryField(default=b"")
    step_count = models.PositiveIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(null=True)
    cost_usd = Dollars(null=True)
    seconds = models.FloatField(null=True)
    # Steps, answer and heads as JSON, deflated.
    body = models.BinaryField(default=b"")

    class Meta:
        db_table = "trajectories"
        verbose_name_plural = "trajectories"
        indexes = [models.Index(fields=["job", "id"], name="trajectory_job")]

    def __str__(self) -> str:
        return f"task {self.task}, try {self.trial}"
