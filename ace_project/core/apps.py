"""The installed app at the bottom of the house."""

from django.apps import AppConfig
from django.contrib.admin import apps as admin_apps


class DataAdminConfig(admin_apps.AdminConfig):
    default = False
    default_site = "ace_project.core.inspection.site.DataSite"


class CoreConfig(AppConfig):
    default = True
    name = "ace_project.core"
    label = "core"
    verbose_name = "Access and machinery"

    def ready(self) -> None:
        """Register the start-up checks and choose the broker before any actor is imported."""
        from ace_project.core import checks  # noqa: F401
        from ace_project.core.work import broker

        broker.install()
        from ace_project.core import expiry  # noqa: F401
