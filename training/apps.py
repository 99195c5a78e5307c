"""The workshop, and managed training jobs."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        """Make actors and metrics known to core; objects of a job that is erased go too."""
        from django.db.models.signals import pre_delete

        from ace_project.core.metrics import FROM_DATABASE
        from training import checkpoints, tasks  # noqa: F401
        from training.collectors import TrainingCollector
        from training.models import TrainingJob

        pre_delete.connect(checkpoints.on_job_deleted, sender=TrainingJob)
        FROM_DATABASE.register(TrainingCollector())
