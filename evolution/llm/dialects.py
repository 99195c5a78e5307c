"""What an endpoint's model accepts of a request: learned from its refusals, kept per process.

Every endpoint takes messages and a bound on the answer; structured output, the bound's name and
a temperature are where they differ. What one refuses by name is not sent to it again.
"""

import json
import re
from dataclasses import dataclass, replace
from typing import Any

from evolution.llm import documents
from evolution.llm.question import Question

_OLD_LIMIT, _NEW_LIMIT = "max_tokens", "max_completion_tokens"
_STRUCTURED = re.compile(r"response_format|json_schema|json_object|structured output|guided")
_STRUCTURES = ("json_schema", "json_object", "words")


@dataclass(frozen=True)
class Dialect:
    """`structure`: how a schema is asked for: `json_schema`, `json_object`, or in `words`."""

    structure: str = "json_schema"
    limit: str = _OLD_LIMIT
    temperature: bool = True


_learned: dict[tuple[str, str], Dialect] = {}


def dialect_of(endpoint: str, host: str, model: str) -> Dialect:
    """Return what is known to work at `endpoint` for `model`."""
    learned = _learned.get((endpoint, model))
    if learned:
        return learned
    # api.anthropic.com ignores response_format; api.openai.com knows the old limit no more.
    structure = "words" if host == "api.anthropic.com" else "json_schema"
    return Dialect(structure, limit=_NEW_LIMIT if host == "api.openai.com" else _OLD_LIMIT)


def learn(endpoint: str, model: str, dialect: Dialect) -> None:
    """Keep what works for the calls to come."""
    _learned[endpoint, model] = dialect


def forget() -> None:
    """Forget all that was learned."""
    _learned.clear()


def without(dialect: Dialect, refused: str, question: Question) -> Dialect | None:
    """Return the dialect that avoids what the text of a refusal names, None if it names nothing."""
    text = refused.lower()
    if question.schema and dialect.structure != "words" and _STRUCTURED.search(text):
        place = _STRUCTURES.index(dialect.structure) + 1
        return replace(dialect, structure=_STRUCTURES[place])
    if dialect.limit in text:
        other = _NEW_LIMIT if dialect.limit == _OLD_LIMIT else _OLD_LIMIT
        return replace(dialect, limit=other)
    if dialect.temperature and "temperature" in text:
        return replace(dialect, temperature=False)
    return None


def request(question: Question, model: str, dialect: Dialect) -> dict[str, Any]:
    """Return the body of the request; without structured output, the schema is put in words."""
    body: dict[str, Any] = {
        "model": model,
        "messages": _messages(question, dialect),
        dialect.limit: question.max_tokens,
        "stream": False,
    }
    if question.tools:
        body["tools"] = list(question.tools)
    if dialect.temperature:
        body["temperature"] = question.temperature
    if question.schema and dialect.structure == "json_schema":
        schema = {"name": question.schema_name, "schema": question.json_schema, "strict": True}
        body["response_format"] = {"type": "json_schema", "json_schema": schema}
    if question.schema and dialect.structure == "json_object":
        body["response_format"] = {"type": "json_object"}
    return body


def _messages(question: Question, dialect: Dialect) -> list[dict[str, Any]]:
    messages: list[dict[str, Any]] = documents.clean(question.messages)
    if question.schema and dialect.structure != "json_schema":
        schema = json.dumps(question.json_schema, ensure_ascii=False)
        messages.append({"role": "user", "content": _IN_WORDS.format(schema=schema)})
    return messages


_IN_WORDS = """Answer with one JSON document and nothing else: no words around it, no fences. \
It must be valid against this JSON schema:
{schema}"""
