"""Django admin for training jobs and comparisons in the workshop: to look at, not to change."""

from django.contrib import admin

from ace_project.core.admin import InspectOnly
from training.models import (
    Comparison,
    Evaluation,
    PolicyCheckpoint,
    TrainingIteration,
    TrainingJob,
    TrainingState,
    TrainingTask,
    Trajectory,
)


@admin.register(Comparison)
class ComparisonAdmin(InspectOnly):
    list_display = ("id", "agent", "before", "after", "total", "status", "created_at")
    list_select_related = ("agent",)
    list_filter = ("status",)
    search_fields = ("agent__agent_id", "requested_by")
    large_fields = ("results",)


@admin.register(TrainingJob)
class TrainingJobAdmin(InspectOnly):
    list_display = ("id", "agent", "title", "policy", "status", "reason", "iteration", "created_at")
    list_select_related = ("agent",)
    list_filter = ("status", "policy", "simulated")
    search_fields = ("agent__agent_id", "title", "requested_by")
    large_fields = ("candidates", "effects", "report")


class _OfJob(InspectOnly):
    """Rows of a job, which there may be many of: found by its number."""

    list_select_related = ("job",)
    search_fields = ("=job__id",)
    show_full_result_count = False


@admin.register(TrainingIteration)
class TrainingIterationAdmin(_OfJob):
    list_display = ("job", "number", "avg_reward", "success_rate", "entropy", "failed", "seconds")


@admin.register(TrainingTask)
class TrainingTaskAdmin(_OfJob):
    list_display = ("job", "split", "number", "task_type")
    list_filter = ("split",)
    large_fields = ("query", "expected_outcome")


@admin.register(TrainingState)
class TrainingStateAdmin(_OfJob):
    list_display = ("job", "iteration")
    large_fields = ("state",)
    exclude = ("state",)


@admin.register(PolicyCheckpoint)
class PolicyCheckpointAdmin(_OfJob):
    list_display = ("job", "iteration", "success_rate", "avg_reward", "size", "created_at")
    large_fields = ("state",)
    exclude = ("state",)


@admin.register(Evaluation)
class EvaluationAdmin(_OfJob):
    list_display = ("job", "kind", "iteration", "tasks", "success_rate", "difference", "p_value")
    list_filter = ("kind",)
    large_fields = ("results",)


@admin.register(Trajectory)
class TrajectoryAdmin(_OfJob):
    list_display = ("id", "job", "iteration", "task", "trial", "outcome", "success", "reward")
    list_filter = ("outcome", "success")
    large_fields = ("body", "bullets")
    exclude = ("body", "bullets")
