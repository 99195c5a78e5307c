"""The workshop, and managed training jobs."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        """Make the actors and the metrics known to core."""
        from ace_project.core.metrics import FROM_DATABASE
        from training import tasks  # noqa: F401
        from training.collectors import TrainingCollector

        FROM_DATABASE.register(TrainingCollector())
