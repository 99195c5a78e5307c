"""The workshop now; managed training jobs later."""

from django.apps import AppConfig


class TrainingConfig(AppConfig):
    name = "training"

    def ready(self) -> None:
        """Make the actors known to the worker loop."""
        from training import tasks  # noqa: F401
