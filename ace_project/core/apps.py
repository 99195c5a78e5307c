"""The installed app at the bottom of the house."""

from django.apps import AppConfig


class CoreConfig(AppConfig):
    name = "ace_project.core"
    label = "core"

    def ready(self) -> None:
        """Register the start-up checks and choose the broker before any actor is imported."""
        from ace_project.core import checks  # noqa: F401
        from ace_project.core.work import broker

        broker.install()
        from ace_project.core import expiry  # noqa: F401
