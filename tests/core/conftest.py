"""Redis as the core tests meet it: alive, or dead."""

from collections.abc import Iterator

import pytest
from django.core.cache import caches


def _shared(url: str) -> dict[str, object]:
    return {
        "BACKEND": "django_redis.cache.RedisCache",
        "LOCATION": url,
        "KEY_PREFIX": "ace-test",
        "OPTIONS": {"SOCKET_CONNECT_TIMEOUT": 0.25, "SOCKET_TIMEOUT": 0.25},
    }


@pytest.fixture
def live_redis(redis_url, settings) -> Iterator[str]:
    """Let the settings name a Redis that answers and is empty."""
    settings.CACHES = {**settings.CACHES, "shared": _shared(redis_url)}
    settings.REDIS_URL = redis_url
    caches["shared"].clear()
    yield redis_url
    caches["shared"].clear()


@pytest.fixture
def dead_redis(settings) -> str:
    """Let the settings name a Redis that nobody answers for."""
    url = "redis://127.0.0.1:1/0"
    settings.CACHES = {**settings.CACHES, "shared": _shared(url)}
    settings.REDIS_URL = url
    return url
