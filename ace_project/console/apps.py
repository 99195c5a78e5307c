"""Every operator page."""

from django.apps import AppConfig


class ConsoleConfig(AppConfig):
    name = "ace_project.console"
    label = "console"
