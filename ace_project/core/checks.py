"""What must hold before anything is served; each failure is one clear line."""

from collections.abc import Sequence
from typing import Any

from django.core.checks import CheckMessage, Error, Tags, register
from django.db import connections
from django.db.utils import OperationalError

MIN_POSTGRESQL = 140000


@register(Tags.database)
def postgresql_is_new_enough(
    databases: Sequence[str] | None = None, **kwargs: Any
) -> list[CheckMessage]:
    """Refuse a PostgreSQL before 14."""
    found: list[CheckMessage] = []
    for alias in databases or ():
        connection = connections[alias]
        try:
            connection.ensure_connection()
        except OperationalError as error:
            found.append(Error(f"the database cannot be reached: {error}", id="ace.E001"))
            continue
        version = connection.pg_version  # type: ignore[attr-defined]
        if version < MIN_POSTGRESQL:
            found.append(
                Error(f"PostgreSQL {version // 10000} is too old: 14 is needed", id="ace.E002")
            )
    return found
