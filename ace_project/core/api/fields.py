"""Fields that take exactly their JSON type: no number from a string, no truth from "yes"."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers


class Text(serializers.CharField):
    """A JSON string, kept as it came: not trimmed, never made from a number."""

    def __init__(self, **kwargs: Any) -> None:
        kwargs.setdefault("trim_whitespace", False)
        super().__init__(**kwargs)

    def to_internal_value(self, data: Any) -> str:
        """Return the string; fails for every other type."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class Number(serializers.FloatField):
    """A JSON number that is finite as a float."""

    def to_internal_value(self, data: Any) -> float:
        """Return the float; fails for strings, truth values and integers past a float's range."""
        if isinstance(data, bool) or not isinstance(data, int | float):
            self.fail("invalid")
        try:
            return float(data)
        except OverflowError:
            self.fail("invalid")


class Integer(serializers.IntegerField):
    """A JSON number without a fraction."""

    def to_internal_value(self, data: Any) -> int:
        """Return the integer; fails for strings, truth values and fractions."""
        if isinstance(data, bool) or not isinstance(data, int):
            self.fail("invalid")
        return data


class Flag(serializers.BooleanField):
    """JSON's true or false."""

    def to_internal_value(self, data: Any) -> bool:
        """Return the truth value; fails for everything else."""
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


@extend_schema_field({"type": "object", "additionalProperties": True})
class Document(serializers.Field[Any, Any, Any, Any]):
    """A JSON object of any shape."""

    default_error_messages = {"invalid": "Not a JSON object."}

    def to_internal_value(self, data: Any) -> dict[str, Any]:
        """Return the object; fails for every other type."""
        if not isinstance(data, dict):
            self.fail("invalid")
        return data

    def to_representation(self, value: Any) -> Any:
        """Return the object as it is."""
        return value
