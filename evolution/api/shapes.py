"""What traces look like in answers, and in the OpenAPI document."""

from typing import Any

from pydantic import BaseModel
from rest_framework import serializers

from ace_project.core.api.fields import Text
from evolution.ingest import MAX_BATCH, Trace
from evolution.models import ExecutionTrace


def in_lists(trace: ExecutionTrace) -> dict[str, Any]:
    """Return a trace without what is large: steps, metadata, bullets, the whole error."""
    return {
        "trace_id": trace.trace_id,
        "agent_id": trace.agent.agent_id,
        "task_id": trace.task_id or None,
        "task_group": trace.task_group or None,
        "task_type": trace.task_type or None,
        "trial": trace.trial,
        "success": trace.success,
        "output_quality": trace.output_quality,
        "execution_time": trace.execution_time,
        "step_count": trace.step_count,
        "error_count": trace.error_count,
        "tokens": trace.tokens,
        "playbook_version": trace.playbook_version,
        "session": trace.session or None,
        "origin": trace.origin,
        "captured_at": trace.captured_at,
    }


def in_full(trace: ExecutionTrace) -> dict[str, Any]:
    """Return a trace with everything that was sent."""
    return in_lists(trace) | {
        "error_message": trace.error_message or None,
        "metadata": trace.metadata,
        "bullets": trace.bullets,
        "steps": trace.steps,
    }


class TraceQuery(serializers.Serializer[object]):
    agent_id = Text(max_length=255, required=False)
    success = serializers.BooleanField(required=False, allow_null=True, default=None)
    since = serializers.DateTimeField(required=False, help_text="captured at or after this time")


class AgentQuery(serializers.Serializer[object]):
    agent_id = Text(max_length=255, required=False)


class TraceInList(serializers.Serializer[object]):
    trace_id = serializers.CharField()
    agent_id = serializers.CharField()
    task_id = serializers.CharField(allow_null=True)
    task_group = serializers.CharField(allow_null=True)
    task_type = serializers.CharField(allow_null=True)
    trial = serializers.IntegerField(allow_null=True)
    success = serializers.BooleanField()
    output_quality = serializers.FloatField(allow_null=True)
    execution_time = serializers.FloatField(allow_null=True, help_text="seconds")
    step_count = serializers.IntegerField()
    error_count = serializers.IntegerField()
    tokens = serializers.IntegerField(allow_null=True)
    playbook_version = serializers.IntegerField(allow_null=True)
    session = serializers.CharField(allow_null=True)
    origin = serializers.CharField()
    captured_at = serializers.DateTimeField()


class TraceInFull(TraceInList):
    error_message = serializers.CharField(allow_null=True)
    metadata = serializers.DictField()
    bullets = serializers.ListField(child=serializers.CharField(), allow_null=True)
    steps = serializers.ListField(child=serializers.DictField())


class TracePage(serializers.Serializer[object]):
    results = TraceInList(many=True)
    next = serializers.CharField(allow_null=True)


class Recorded(serializers.Serializer[object]):
    trace_id = serializers.CharField()
    captured_at = serializers.DateTimeField()


def openapi(shape: type[BaseModel]) -> dict[str, Any]:
    """Return a pydantic model's JSON Schema as OpenAPI 3.0 has it: inline, `nullable`."""
    document = shape.model_json_schema()
    found: dict[str, Any] = _inline(document, document.get("$defs", {}))
    return found


def _inline(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_inline(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return _inline(definitions[node["$ref"].rpartition("/")[2]], definitions)
    made = {k: _inline(v, definitions) for k, v in node.items() if k not in ("$defs", "default")}
    if isinstance(made.get("title"), str):
        del made["title"]
    options = [option for option in made.pop("anyOf", []) if option != {"type": "null"}]
    return made | options[0] | {"nullable": True} if options else made


TRACE = openapi(Trace)
BATCH = {
    "type": "object",
    "required": ["traces"],
    "additionalProperties": False,
    "properties": {"traces": {"type": "array", "maxItems": MAX_BATCH, "items": TRACE}},
}
_PROBLEM = {"type": "object", "properties": {k: {"type": "string"} for k in ("pointer", "message")}}
_REJECTED = {"index": {"type": "integer"}, "errors": {"type": "array", "items": _PROBLEM}}
BATCH_ANSWER = {
    "type": "object",
    "required": ["accepted", "rejected"],
    "properties": {
        "accepted": {"type": "integer"},
        "rejected": {"type": "array", "items": {"type": "object", "properties": _REJECTED}},
    },
}
