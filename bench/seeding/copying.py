"""Rows copied into the tables of models, some thousands at a time."""

import itertools
import json
from collections.abc import Iterator
from typing import Any

from django.core.management.color import no_style
from django.db import connection, transaction
from django.db.models import Field, JSONField, Max, Model
from django.db.models.fields import NOT_PROVIDED

CHUNK = 2_000
Row = dict[str, Any]


class Tables:
    """Collects rows by model and copies them in chunks; `close` writes what is left.

    Rows name fields by their attribute (`agent_id`); those of one model name the same ones. What
    they do not name has the field's default. JSON may be given as text already.
    """

    def __init__(self) -> None:
        self.counts: dict[type[Model], int] = {}
        self._rows: dict[type[Model], list[Row]] = {}

    def add(self, model: type[Model], /, **fields: Any) -> None:
        """Let a row be copied."""
        rows = self._rows.setdefault(model, [])
        rows.append(fields)
        if len(rows) >= CHUNK:
            self._flush(model)

    def close(self) -> None:
        """Write what is left, and let the tables number on from the highest key."""
        for model in list(self._rows):
            self._flush(model)
        with connection.cursor() as cursor:
            for statement in connection.ops.sequence_reset_sql(no_style(), list(self.counts)):
                cursor.execute(statement)

    def _flush(self, model: type[Model]) -> None:
        rows, self._rows[model] = self._rows[model], []
        if rows:
            _copy(model, rows)
            self.counts[model] = self.counts.get(model, 0) + len(rows)


def numbers(model: type[Model]) -> Iterator[int]:
    """Return the keys that rows to come may have, in their order."""
    highest = model._default_manager.aggregate(top=Max("pk"))["top"] or 0
    return itertools.count(highest + 1)


def _copy(model: type[Model], rows: list[Row]) -> None:
    named = [_field(model, name) for name in rows[0]]
    rest = [(field, field.get_default()) for field in _defaulted(model, set(rows[0]))]
    columns = ", ".join(f'"{field.column}"' for field in (*named, *(f for f, _ in rest)))
    constants = [_written(field, value) for field, value in rest]
    with transaction.atomic():
        connection.ensure_connection()
        cursor = connection.connection.cursor()
        with cursor.copy(f'COPY "{model._meta.db_table}" ({columns}) FROM STDIN') as target:
            for row in rows:
                values = map(_written, named, row.values())
                target.write_row([*values, *constants])


def _field(model: type[Model], name: str) -> "Field[Any, Any]":
    return next(field for field in model._meta.concrete_fields if field.attname == name)


def _defaulted(model: type[Model], named: set[str]) -> list["Field[Any, Any]"]:
    """Return the fields that the database does not fill in by itself."""
    return [
        field
        for field in model._meta.concrete_fields
        if field.attname not in named
        and not field.primary_key
        and not field.generated
        and field.db_default is NOT_PROVIDED
    ]


def _written(field: "Field[Any, Any]", value: Any) -> Any:
    if isinstance(field, JSONField) and value is not None and not isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return value
