"""What every test can ask for: a PostgreSQL of the suite's own, recorded data, Redis, a browser."""

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import redis
from django.core.cache import caches
from django.db import connections
from hypothesis import HealthCheck
from hypothesis import settings as hypothesis_settings

from ace_project.core.embedded_postgres import temporary_server

ENGINE = "django.db.backends.postgresql"
ROOT = Path(__file__).resolve().parent.parent
REQUIRED = {item for item in os.environ.get("ACE_TEST_REQUIRE", "").split(",") if item}


# A loaded machine is slow, not wrong; and every run tries the same examples.
hypothesis_settings.register_profile(
    "ace", deadline=None, derandomize=True, suppress_health_check=[HealthCheck.too_slow]
)
hypothesis_settings.load_profile("ace")


def absent(what: str, reason: str) -> None:
    """Skip a test for a part that this machine lacks; fail where the part is required."""
    if what in REQUIRED:
        pytest.fail(f"ACE_TEST_REQUIRE names {what}, but {reason}")
    pytest.skip(reason)


@pytest.fixture(scope="session")
def django_db_modify_db_settings(
    django_db_modify_db_settings_parallel_suffix: None,
) -> Iterator[None]:
    """Give the suite a throw-away PostgreSQL, unless ACE_TEST_DATABASE_URL names a server."""
    if os.environ.get("ACE_TEST_DATABASE_URL"):
        yield
        return
    with temporary_server() as address:
        connections["default"].settings_dict.update(address.django() | {"ENGINE": ENGINE})
        yield
        connections["default"].close()


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """Return the folder of recorded data."""
    folder = Path(os.environ.get("ACE_SHARED", ROOT.parent / "shared")) / "data"
    if not folder.is_dir():
        absent("shared", f"there is no recorded data at {folder}")
    return folder


@pytest.fixture(autouse=True)
def working_process() -> None:
    """Let every test's threads take work: a worker's loop that ended in this process forbade it."""
    from ace_project.core.work import queue

    queue.closing.clear()


@pytest.fixture(autouse=True)
def empty_cache() -> Iterator[None]:
    """Start every test without cached versions: a rolled back test may reuse their numbers."""
    caches["local"].clear()
    yield


def _own_database(url: str) -> str:
    """Return the address of a database that no other process of this run empties."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0").removeprefix("gw"))
    base, _, number = url.rpartition("/")
    return f"{base}/{int(number) + worker}" if number.isdigit() else f"{url}/{worker}"


@pytest.fixture(scope="session")
def redis_url() -> str:
    """Return the address of a Redis database that tests may flush; starts one where it can."""
    url = _own_database(os.environ.get("ACE_TEST_REDIS_URL", "redis://127.0.0.1:6379/9"))
    try:
        redis.Redis.from_url(url, socket_connect_timeout=1).ping()
    except redis.RedisError as error:
        absent("redis", f"no Redis answers at {url}: {error}")
    return url
