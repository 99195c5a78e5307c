"""The address of every page of the console, over the first row of each kind."""

import re
from typing import Any

from django.contrib.auth import get_user_model
from django.urls import URLPattern, reverse

from ace_project.console.urls import urlpatterns
from ace_project.core.models import ApiToken
from evolution.models import EvolutionRun, ExecutionTrace, LlmExchange
from playbooks.models import Agent, Bullet, Delta, Waiver
from training.models import TrainingJob, Trajectory

# By the beginning of an address: whose row its `pk` names.
_ROWS: dict[str, Any] = {
    "review/": Delta,
    "guided/": Delta,
    "traces/": ExecutionTrace,
    "runs/": EvolutionRun,
    "training/": TrainingJob,
    "agents/": Waiver,
    "people/": get_user_model(),
}


def patterns() -> list[URLPattern]:
    """Return the patterns of the console's pages."""
    return [pattern for pattern in urlpatterns if isinstance(pattern, URLPattern)]


def every_page() -> dict[str, str]:
    """Return the address of every page by its name; the rows that it needs are there."""
    return {str(p.name): reverse(f"console:{p.name}", kwargs=_parts(p)) for p in patterns()}


def _parts(pattern: URLPattern) -> dict[str, Any]:
    route = str(pattern.pattern)
    return {name: _part(route, name) for name in re.findall(r"<(?:\w+:)?(\w+)>", route)}


def _part(route: str, name: str) -> Any:
    if name == "agent_id":
        return Agent.objects.order_by("pk")[0].agent_id
    if name == "bullet_id":
        return Bullet.objects.order_by("pk")[0].bullet_id
    if name == "jti":
        return ApiToken.objects.all()[0].pk
    if name == "number" and route.startswith("training/"):
        return Trajectory.objects.order_by("pk")[0].pk
    if name == "pk" and route.startswith("calls/"):
        return LlmExchange.objects.order_by("pk")[0].call_id
    if name == "pk":
        rows = next((rows for start, rows in _ROWS.items() if route.startswith(start)), None)
        return rows.objects.order_by("pk")[0].pk if rows else 1
    return ExecutionTrace.objects.order_by("pk")[0].pk if name == "other" else 1
