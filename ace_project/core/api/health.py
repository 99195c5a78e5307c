"""What operators' tools ask: is it up, is it ready, what does it count."""

import logging
import os

from django.conf import settings
from django.core.cache import caches
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse
from prometheus_client import CONTENT_TYPE_LATEST, REGISTRY, CollectorRegistry, generate_latest
from prometheus_client.multiprocess import MultiProcessCollector
from redis.exceptions import RedisError

from ace_project.core.api.render import dumps
from ace_project.core.api.views import require_method
from ace_project.core.metrics import FROM_DATABASE

logger = logging.getLogger(__name__)


def _json(document: dict[str, str]) -> HttpResponse:
    return HttpResponse(
        dumps(document), content_type="application/json", headers={"Cache-Control": "no-store"}
    )


def healthz(request: HttpRequest) -> HttpResponse:
    """Answer 200 as long as this process serves."""
    require_method(request, "GET", "HEAD")
    return _json({"status": "ok"})


def readyz(request: HttpRequest) -> HttpResponse:
    """Answer 200 when the database answers (else 503); a dead Redis only degrades."""
    require_method(request, "GET", "HEAD")
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")
    redis = _redis_state()
    status = "degraded" if redis == "unreachable" else "ready"
    return _json({"status": status, "database": "ok", "redis": redis})


def _redis_state() -> str:
    if not settings.REDIS_URL:
        return "none"
    try:
        caches["shared"].client.get_client(write=True).ping()  # type: ignore[attr-defined]
    except RedisError as error:
        logger.warning("Redis does not answer: %s", error)
        return "unreachable"
    return "ok"


def metrics(request: HttpRequest) -> HttpResponse:
    """Answer with every metric in Prometheus' text format."""
    require_method(request, "GET", "HEAD")
    text = generate_latest(_own_registry())
    try:
        text += generate_latest(FROM_DATABASE)
    except DatabaseError as error:
        # A scrape while the database is away still shows what this process counted.
        logger.warning("metrics of the database are missing: %s", error)
    return HttpResponse(text, content_type=CONTENT_TYPE_LATEST)


def _own_registry() -> CollectorRegistry:
    """Return the registry of this process, or of all that share PROMETHEUS_MULTIPROC_DIR."""
    if "PROMETHEUS_MULTIPROC_DIR" not in os.environ:
        return REGISTRY
    registry = CollectorRegistry()
    MultiProcessCollector(registry)
    return registry
