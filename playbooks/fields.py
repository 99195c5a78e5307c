"""A JSON column that keeps the order of keys, which jsonb does not."""

from typing import Any

from django.db import models
from psycopg.types.json import Json


class DocumentField(models.JSONField):
    """JSON stored as PostgreSQL `json`: sections come back in the order they were written."""

    def db_type(self, connection: Any) -> str:
        """Return PostgreSQL's type name."""
        return "json"

    def get_db_prep_value(self, value: Any, connection: Any, prepared: bool = False) -> Any:
        """Return `value` as a json (not jsonb) parameter."""
        return Json(value)

    def from_db_value(self, value: Any, expression: Any, connection: Any) -> Any:
        """Return what psycopg has parsed already."""
        return value
