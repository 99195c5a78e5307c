"""What is asked of a model, and what it answered."""

from dataclasses import dataclass
from typing import Any

from evolution.ledger import Usage
from evolution.models import LlmCall


@dataclass(frozen=True)
class ToolCall:
    """A tool that a model wants to be called; `arguments` is text that should be JSON."""

    id: str
    name: str
    arguments: str


@dataclass(frozen=True)
class Question:
    """Messages for a model; with `schema`, the answer must be one JSON document of that shape.

    `messages` are `[{role, content}]`, where tools were called also `tool_calls` and
    `tool_call_id`; `schema` is `{name, schema}`, or a bare JSON schema; `purpose` is at most 16
    characters and stands on the call's row; `tools` are those on offer, as OpenAI has them.
    """

    messages: list[dict[str, Any]]
    schema: dict[str, Any] | None
    purpose: str
    max_tokens: int
    temperature: float = 0.0
    tools: tuple[dict[str, Any], ...] = ()

    @property
    def schema_name(self) -> str:
        return str(self.schema.get("name", "answer")) if self.schema else ""

    @property
    def json_schema(self) -> dict[str, Any]:
        """Return the bare JSON schema."""
        inner = (self.schema or {}).get("schema", self.schema)
        return inner if isinstance(inner, dict) else {}


@dataclass(frozen=True)
class Answer:
    """What a model answered; `value` is its text as JSON, None where it is none or not asked for.

    Whether `value` has the shape that was asked for is for the asker to judge. `fallback` names
    the models that were passed over, each with the reason.
    """

    text: str
    value: Any
    model: str
    endpoint: str
    call: LlmCall
    usage: Usage | None
    fallback: tuple[str, ...] = ()
    # `length` where it was cut at max_tokens.
    finish_reason: str = ""
    tool_calls: tuple[ToolCall, ...] = ()
