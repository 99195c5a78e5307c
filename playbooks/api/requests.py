"""The shapes of what comes in."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ace_project.core.api.fields import Document, Integer, Number, Text
from playbooks.models import DeltaStatus, Source
from playbooks.operations import MAX_OPERATIONS

AGENT_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}\Z"
MAX_INTEGER = 2**31 - 1
MAX_REASON = 20_000
_BULLET = {"type": "string", "pattern": "^[a-z0-9-]{1,64}-[0-9a-f]{16}$"}
_WORDS = {"type": "string", "minLength": 1, "maxLength": 20_000}
_PLACE = {"type": "integer", "minimum": 0, "maximum": 1_000_000}
_PATH = {"type": "string", "description": "a JSON Pointer (RFC 6901)"}


def _operation(name: str, needed: dict[str, object], **optional: object) -> dict[str, object]:
    return {
        "type": "object",
        "required": ["op", *needed],
        "properties": {"op": {"type": "string", "enum": [name]}, **needed, **optional},
        "additionalProperties": False,
    }


OPERATION_SCHEMA = {
    "oneOf": [
        _operation("add", {"section": _WORDS, "text": _WORDS}, position=_PLACE),
        _operation("move", {"bullet_id": _BULLET, "position": _PLACE}),
        _operation("update", {"bullet_id": _BULLET, "text": _WORDS}),
        _operation("remove", {"bullet_id": _BULLET}),
        _operation(
            "merge",
            {"bullet_ids": {"type": "array", "items": _BULLET, "minItems": 2}, "text": _WORDS},
        ),
        _operation("set", {"path": _PATH, "value": {}}),
        _operation("unset", {"path": _PATH}),
    ]
}


@extend_schema_field(
    {
        "type": "array",
        "items": OPERATION_SCHEMA,
        "minItems": 1,
        "maxItems": MAX_OPERATIONS,
    }
)
class Operations(serializers.Field):
    """A list of operations; the rules read it strictly (playbooks/operations)."""

    default_error_messages = {"invalid": "Not a list of operations."}

    def to_internal_value(self, data: object) -> list[object]:
        """Return the list; fails for every other type."""
        if not isinstance(data, list):
            self.fail("invalid")
        return data


@extend_schema_field(
    {"type": "string", "pattern": "^[A-Za-z0-9][A-Za-z0-9_.-]{0,254}$", "maxLength": 255}
)
class AgentIdField(serializers.RegexField):
    """Letters, digits, `.`, `_` and `-`, up to 255, starting with a letter or digit."""

    def __init__(self) -> None:
        super().__init__(AGENT_ID, trim_whitespace=False, max_length=255)

    def to_internal_value(self, data: object) -> str:
        """Return the id; fails for numbers too."""
        if not isinstance(data, str):
            self.fail("invalid")
        return super().to_internal_value(data)


class NewAgent(serializers.Serializer):
    agent_id = AgentIdField()
    name = Text(max_length=255, allow_blank=True, required=False)
    initial_context = Document(required=False)
    metadata = Document(required=False)


class AgentChange(serializers.Serializer):
    name = Text(max_length=255, allow_blank=True, required=False)
    metadata = Document(required=False)


class NewPlaybook(serializers.Serializer):
    agent_id = AgentIdField()
    initial_context = Document()


class Proposal(serializers.Serializer):
    """Exactly one of `changes` and `operations`."""

    delta_id = Text(max_length=255, required=False)
    changes = Document(required=False)
    operations = Operations(required=False)
    confidence = Number(min_value=0, max_value=1)
    reasoning = Text(max_length=MAX_REASON, allow_blank=True, required=False)
    base_version = Integer(min_value=1, max_value=MAX_INTEGER, required=False)
    replaces = serializers.UUIDField(
        required=False,
        help_text="the delta_id of an open delta of yours that this one takes the place of",
    )


class NewDelta(Proposal):
    agent_id = AgentIdField()


class Rollback(serializers.Serializer):
    to_version = Integer(min_value=1, max_value=MAX_INTEGER)
    reason = Text(max_length=MAX_REASON)


class Approval(serializers.Serializer):
    reason = Text(max_length=MAX_REASON, allow_blank=True, required=False)


class Reasoned(serializers.Serializer):
    reason = Text(max_length=MAX_REASON)


class Range(serializers.Serializer):
    """Query parameters of a diff: `from` and `to`."""

    to = serializers.IntegerField(min_value=1, max_value=MAX_INTEGER)

    def get_fields(self) -> dict[str, "serializers.Field"]:
        """Return the fields; `from` is a word that Python keeps for itself."""
        start = serializers.IntegerField(min_value=1, max_value=MAX_INTEGER)
        return {"from": start, **super().get_fields()}


class DeltaFilter(serializers.Serializer):
    agent_id = serializers.CharField(required=False, max_length=255)
    status = serializers.ChoiceField(DeltaStatus.choices, required=False)
    # Named by get_fields: a serializer has an attribute `source` of its own.

    def get_fields(self) -> dict[str, "serializers.Field"]:
        """Return the fields, `source` among them."""
        kinds = serializers.ChoiceField(Source.choices, required=False)
        return {**super().get_fields(), "source": kinds}
