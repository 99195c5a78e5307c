"""The shapes of what goes out, for the OpenAPI document (`documents` makes them)."""

from typing import Any

from rest_framework import serializers

from ace_project.core.api.fields import Document
from training.api.documents import ITERATION_FIGURES
from training.models import JobState, TrajectoryOutcome


class Started(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    status = serializers.ChoiceField(JobState.choices)
    agent_id = serializers.CharField()
    total_iterations = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class Metrics(serializers.Serializer[Any]):
    train_loss = serializers.FloatField(allow_null=True)
    avg_reward = serializers.FloatField(allow_null=True)
    reward_std = serializers.FloatField(allow_null=True)
    success_rate = serializers.FloatField(allow_null=True)
    entropy = serializers.FloatField(allow_null=True)
    clip_fraction = serializers.FloatField(allow_null=True)
    frac_zero_variance_groups = serializers.FloatField(allow_null=True)
    trajectories_generated = serializers.IntegerField()


class Progress(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    agent_id = serializers.CharField()
    status = serializers.ChoiceField(JobState.choices)
    reason = serializers.CharField(allow_null=True)
    current_iteration = serializers.IntegerField()
    total_iterations = serializers.IntegerField()
    progress_percent = serializers.FloatField()
    cost_usd = serializers.FloatField()
    budget_usd = serializers.FloatField()
    started_at = serializers.DateTimeField(allow_null=True)


class JobInList(Progress):
    title = serializers.CharField(allow_blank=True)
    policy = serializers.CharField()
    runtime = serializers.CharField()
    simulated = serializers.BooleanField()
    trajectories_generated = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class JobPage(serializers.Serializer[Any]):
    results = JobInList(many=True)
    next = serializers.CharField(allow_null=True)


class JobInFull(Progress):
    metrics = Metrics()
    budget_remaining_percent = serializers.FloatField()
    estimated_completion = serializers.DateTimeField(allow_null=True)
    best_checkpoint_id = serializers.IntegerField(allow_null=True)
    title = serializers.CharField(allow_blank=True)
    requested_by = serializers.CharField()
    policy = serializers.CharField()
    simulated = serializers.BooleanField()
    config = Document()
    runtime = Document()
    reward = Document()
    base_version = serializers.IntegerField()
    candidates = serializers.ListField(child=Document())
    report = Document(help_text="split, arithmetic of the cost, why it ended")
    effects = serializers.ListField(child=Document())
    delta_id = serializers.UUIDField(allow_null=True)
    error = serializers.CharField(allow_null=True)
    failed_trajectories = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    finished_at = serializers.DateTimeField(allow_null=True)


class SteeredAnswer(serializers.Serializer[Any]):
    job_id = serializers.IntegerField()
    status = serializers.ChoiceField(JobState.choices)
    current_iteration = serializers.IntegerField()
    checkpoint_id = serializers.IntegerField(allow_null=True)


class IterationAnswer(serializers.Serializer[Any]):
    iteration = serializers.IntegerField()
    trajectories = serializers.IntegerField()
    failed = serializers.IntegerField()
    cost_usd = serializers.FloatField()
    seconds = serializers.FloatField()
    created_at = serializers.DateTimeField()

    def get_fields(self) -> dict[str, Any]:
        """Return the fields with the figures that may be missing."""
        figures = {n: serializers.FloatField(allow_null=True) for n in ITERATION_FIGURES}
        return {**super().get_fields(), **figures}


class IterationPage(serializers.Serializer[Any]):
    results = IterationAnswer(many=True)
    next = serializers.CharField(allow_null=True)


class CheckpointAnswer(serializers.Serializer[Any]):
    checkpoint_id = serializers.IntegerField()
    iteration = serializers.IntegerField()
    success_rate = serializers.FloatField(allow_null=True)
    avg_reward = serializers.FloatField(allow_null=True)
    size = serializers.IntegerField(help_text="bytes")
    sha256 = serializers.CharField()
    created_at = serializers.DateTimeField()


class CheckpointPage(serializers.Serializer[Any]):
    results = CheckpointAnswer(many=True)
    next = serializers.CharField(allow_null=True)


class TrajectoryAnswer(serializers.Serializer[Any]):
    trajectory_id = serializers.IntegerField()
    iteration = serializers.IntegerField()
    task = serializers.IntegerField(help_text="its number in the training split")
    trial = serializers.IntegerField()
    outcome = serializers.ChoiceField(TrajectoryOutcome.choices)
    error = serializers.CharField(allow_null=True)
    success = serializers.BooleanField(allow_null=True)
    reward = serializers.FloatField(allow_null=True)
    advantage = serializers.FloatField(allow_null=True)
    log_prob = serializers.FloatField(allow_null=True, help_text="of all that was chosen, in nats")
    step_count = serializers.IntegerField()
    tokens = serializers.IntegerField(allow_null=True)
    cost_usd = serializers.FloatField(allow_null=True)
    seconds = serializers.FloatField(allow_null=True)


class TrajectoryPage(serializers.Serializer[Any]):
    results = TrajectoryAnswer(many=True)
    next = serializers.CharField(allow_null=True)


class Measures(serializers.Serializer[Any]):
    success_rate = serializers.FloatField(allow_null=True)
    avg_reward = serializers.FloatField(allow_null=True)
    avg_steps = serializers.FloatField(allow_null=True)
    tool_accuracy = serializers.FloatField(allow_null=True)


class EvaluationAnswer(serializers.Serializer[Any]):
    metrics = Measures()
    baseline = Measures()
    difference = serializers.FloatField(allow_null=True)
    interval = serializers.ListField(
        child=serializers.FloatField(), allow_null=True, help_text="95 %"
    )
    p_value = serializers.FloatField(allow_null=True)
    queries_evaluated = serializers.IntegerField()
