"""The body of a chat completion: its text and its usage, or why it is none."""

import json
from dataclasses import dataclass
from typing import Any

from evolution.ledger import Usage
from evolution.llm import documents
from evolution.llm.failures import CallFailed, Kind
from evolution.llm.question import ToolCall

# The places where endpoints tell what of the prompt came from a cache.
_CACHED = ("num_cached_tokens", "cached_tokens", "prompt_cache_hit_tokens")
_DETAIL_CHARS = 500
_NAME_CHARS = 100


@dataclass(frozen=True)
class Completion:
    """What a model said; `usage` is None where the endpoint told none that can be true.

    Where it wants tools called, `text` may be empty.
    """

    text: str
    finish_reason: str
    usage: Usage | None
    raw: str
    tool_calls: tuple[ToolCall, ...] = ()


def read_completion(
    body: bytes, content_type: str, at_most: int, *, tools: bool = False
) -> Completion:
    """Return the completion in an answer with status 200; raises CallFailed.

    A usage of more than `at_most` tokens in all is not believed. `tools` tells whether any were
    offered.
    """
    raw = documents.clean_text(body.decode(errors="replace"))
    try:
        document = documents.parse(body)
    except ValueError as error:
        raise CallFailed(Kind.UNUSABLE, _not_json(content_type, error), raw=raw) from None
    if not isinstance(document, dict):
        raise CallFailed(Kind.UNUSABLE, "the answer is no JSON object", raw=raw)
    usage = read_usage(document.get("usage"), at_most)
    message, finish_reason = _message(document, raw, usage)
    text = _text(message.get("content"))
    if message.get("refusal") or finish_reason == "content_filter":
        why = str(message.get("refusal") or "stopped by the content filter")
        raise CallFailed(Kind.FILTERED, why[:_DETAIL_CHARS], usage=usage, raw=raw)
    calls = _tool_calls(message.get("tool_calls")) if tools else ()
    if not text and not calls:
        raise CallFailed(Kind.EMPTY, _empty(message, finish_reason), usage=usage, raw=raw)
    return Completion(text, finish_reason, usage, raw, calls)


def read_usage(given: Any, at_most: int) -> Usage | None:
    """Return the usage that an endpoint told, None for none or for one that cannot be true.

    It needs whole numbers, none negative, no more cached than prompted, no more than `at_most`.
    """
    if not isinstance(given, dict):
        return None
    told = (given.get("prompt_tokens"), _cached(given), given.get("completion_tokens"))
    # A bool is an int to Python, and no count.
    counts = [count for count in told if type(count) is int and count >= 0]
    if len(counts) != len(told):
        return None
    prompt, cached, completed = counts
    total = given.get("total_tokens")
    # Gemini leaves its thoughts out of the completion's count, and takes money for them.
    completed = max(completed, total - prompt) if type(total) is int else completed
    if cached > prompt or prompt + completed > at_most:
        return None
    return Usage(prompt_tokens=prompt, cached_tokens=cached, completion_tokens=completed)


def read_error(body: bytes) -> tuple[str, str, str]:
    """Return code, parameter and message of an error body, as far as it tells them."""
    text = documents.clean_text(body[:200_000].decode(errors="replace"))
    try:
        document = documents.parse(text)
    except ValueError:
        return "", "", " ".join(text.split())[:_DETAIL_CHARS]
    error = document.get("error", document) if isinstance(document, dict) else document
    return _told(error)


def _told(error: Any) -> tuple[str, str, str]:
    if not isinstance(error, dict):
        return "", "", str(error)[:_DETAIL_CHARS]
    message = error.get("message") or error.get("detail") or error
    inner = error.get("innererror")
    code = error.get("code") or error.get("type") or ""
    if isinstance(inner, dict) and inner.get("code") == "ResponsibleAIPolicyViolation":
        code = "content_filter"
    return str(code)[:100], str(error.get("param") or "")[:100], str(message)[:_DETAIL_CHARS]


def _not_json(content_type: str, error: ValueError) -> str:
    if "event-stream" in content_type:
        return "the endpoint streams, though a whole answer was asked for"
    if "html" in content_type:
        return "the answer is a web page"
    return f"the answer is no clear JSON: {error}"[:_DETAIL_CHARS]


def _message(document: dict[str, Any], raw: str, usage: Usage | None) -> tuple[dict[str, Any], str]:
    choices = document.get("choices")
    first = choices[0] if isinstance(choices, list) and choices else None
    if isinstance(first, dict):
        finish_reason = str(first.get("finish_reason") or "")[:50]
        message = first.get("message")
        if isinstance(message, dict):
            return message, finish_reason
        # Azure's filter leaves the message out.
        if finish_reason == "content_filter":
            return {}, finish_reason
    if document.get("error"):
        code, _, detail = _told(document["error"])
        kind = Kind.FILTERED if "content_filter" in code else Kind.UNUSABLE
        raise CallFailed(kind, f"an error with status 200: {detail}", usage=usage, raw=raw)
    raise CallFailed(Kind.UNUSABLE, "the answer is no chat completion", usage=usage, raw=raw)


def _tool_calls(given: Any) -> tuple[ToolCall, ...]:
    """Return the calls that name a tool; some endpoints send the arguments as an object."""
    found = []
    for place, call in enumerate(given if isinstance(given, list) else []):
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            continue
        arguments = function.get("arguments") or "{}"
        text = arguments if isinstance(arguments, str) else json.dumps(arguments)
        name = str(call.get("id") or f"call_{place}")
        found.append(ToolCall(name[:_NAME_CHARS], function["name"][:_NAME_CHARS], text))
    return tuple(found)


def _text(content: Any) -> str:
    """Return the text of a message's content, which some endpoints send in parts."""
    if isinstance(content, str):
        return content.strip()
    parts = content if isinstance(content, list) else []
    texts = [part.get("text") for part in parts if isinstance(part, dict)]
    return "".join(text for text in texts if isinstance(text, str)).strip()


def _empty(message: dict[str, Any], finish_reason: str) -> str:
    if message.get("tool_calls") or message.get("function_call"):
        return "the model called a tool that nobody offered"
    if finish_reason == "length":
        return "the model used up max_tokens before it said anything"
    return "the model said nothing"


def _cached(given: dict[str, Any]) -> Any:
    details = given.get("prompt_tokens_details")
    told = [details.get("cached_tokens")] if isinstance(details, dict) else []
    told += [given.get(name) for name in _CACHED]
    return next((count for count in told if count is not None), 0)
