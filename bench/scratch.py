"""A database of a benchmark's own, thrown away afterwards."""

import os
from collections.abc import Iterator
from contextlib import contextmanager

import django
from django.core.management import call_command
from django.db import connections

from ace_project.core.embedded_postgres import temporary_server


@contextmanager
def scratch_database(settings: str) -> Iterator[dict[str, str]]:
    """Set Django up on an empty, migrated database; yield what child processes need to use it.

    Nothing of Django's models may have been imported before. No Redis is used.
    """
    with temporary_server() as address:
        env = {"DATABASE_URL": address.url(), "DJANGO_SETTINGS_MODULE": settings}
        os.environ |= env | {"ACE_TEST_DATABASE_URL": address.url()}
        os.environ.pop("REDIS_URL", None)
        django.setup()
        call_command("migrate", verbosity=0)
        try:
            yield env
        finally:
            connections.close_all()
