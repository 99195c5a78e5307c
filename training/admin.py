"""Django admin for training jobs and comparisons in the workshop: to look at, not to change."""

from typing import Any

from django.contrib import admin
from django.urls import reverse

from ace_project.core.inspection.rows import InspectOnly
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
    secret_fields = ("lease_token",)
    icon = "compare_arrows"
    list_display = ("id", "agent", "before", "after", "total", "status", "created_at")
    list_select_related = ("agent",)
    list_filter = ("status",)
    search_fields = ("agent__agent_id", "requested_by")
    large_fields = ("results",)

    def view_on_site(self, row: Comparison) -> str | None:
        """Return the page of the delta whose effect was tried."""
        return reverse("console:delta", args=[row.delta_id]) if row.delta_id else None


@admin.register(TrainingJob)
class TrainingJobAdmin(InspectOnly):
    icon = "model_training"
    list_display = ("id", "agent", "title", "policy", "status", "reason", "iteration", "created_at")
    list_select_related = ("agent",)
    list_filter = ("status", "policy", "simulated")
    search_fields = ("agent__agent_id", "title", "requested_by")
    large_fields = (
        "candidates",
        "effects",
        "report",
        "config",
        "runtime",
        "reward",
        "metrics",
        "task_types",
    )
    secret_fields = ("lease_token",)

    def view_on_site(self, row: TrainingJob) -> str:
        """Return the job's page."""
        return reverse("console:training_job", args=[row.pk])


class _OfJob(InspectOnly):
    """Rows of a job, which there may be very many of: found by its number."""

    list_select_related = ("job",)
    search_fields: tuple[str, ...] = ("job__id",)
    search_help_text = "A job's number"
    is_large = searches_exactly = True

    def view_on_site(self, row: Any) -> str:
        """Return the page of the job."""
        return reverse("console:training_job", args=[row.job_id])


@admin.register(TrainingIteration)
class TrainingIterationAdmin(_OfJob):
    icon = "show_chart"
    list_display = (
        "id",
        "job",
        "number",
        "avg_reward",
        "success_rate",
        "entropy",
        "failed",
        "seconds",
    )


@admin.register(TrainingTask)
class TrainingTaskAdmin(_OfJob):
    icon = "task"
    list_display = ("id", "job", "split", "number", "task_type")
    list_filter = ("split",)
    large_fields = ("query", "expected_outcome")


@admin.register(TrainingState)
class TrainingStateAdmin(_OfJob):
    icon = "memory"
    list_display = ("job", "iteration")
    ordering = ("-job",)
    secret_fields = ("state",)


@admin.register(PolicyCheckpoint)
class PolicyCheckpointAdmin(_OfJob):
    icon = "save"
    list_display = ("id", "job", "iteration", "success_rate", "avg_reward", "size", "created_at")
    secret_fields = ("state",)


@admin.register(Evaluation)
class EvaluationAdmin(_OfJob):
    icon = "fact_check"
    list_display = (
        "id",
        "job",
        "kind",
        "iteration",
        "tasks",
        "success_rate",
        "difference",
        "p_value",
    )
    list_filter = ("kind",)
    large_fields = ("results", "baseline")


@admin.register(Trajectory)
class TrajectoryAdmin(_OfJob):
    icon = "timeline"
    list_display = ("id", "job", "iteration", "task", "trial", "outcome", "success", "reward")
    list_filter = ("outcome", "success")
    search_fields = ("id", "job__id")
    search_help_text = "A trajectory's or a job's number"
    secret_fields = ("body", "bullets")

    def view_on_site(self, row: Trajectory) -> str:
        """Return the trajectory's page."""
        return reverse("console:trajectory", args=[row.job_id, row.pk])
