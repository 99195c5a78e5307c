"""Traces, evolution runs and the reflector."""

from django.apps import AppConfig


class EvolutionConfig(AppConfig):
    name = "evolution"

    def ready(self) -> None:
        """Make the actors, the ticks and the metrics known to core."""
        from ace_project.core.metrics import FROM_DATABASE
        from evolution import checks, services, tasks  # noqa: F401
        from evolution.collectors import EvolutionCollector, LlmCollector
        from evolution.llm import checks as llm_checks  # noqa: F401

        FROM_DATABASE.register(EvolutionCollector())
        FROM_DATABASE.register(LlmCollector())
