"""Tools of an agent that are declared in a spec and called over HTTP."""

import json
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlencode, urlsplit

from evolution.llm.documents import clean_text, parse
from training.runtimes import signing
from training.runtimes.addresses import AddressRefused, check_url
from training.runtimes.base import Failure, InvalidRuntime, Step

MOST_TOOLS, MOST_DECLARED = 32, 20_000
# What a model is shown of an answer.
RESULT_CHARS = 8_000
_METHODS = ("GET", "POST", "PUT", "PATCH", "DELETE")
_IN_THE_URL = ("GET", "DELETE")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_KEYS = {"name", "description", "parameters", "url", "method"}


@dataclass(eq=False)
class ToolDown(Exception):
    """A tool that did not answer: nobody can say what the agent would have made of it."""

    failure: Failure
    detail: str


@dataclass(frozen=True, slots=True)
class Toolbox:
    """The declared tools; calls are signed as those of an agent are."""

    declared: Sequence[Mapping[str, Any]]
    secret: str
    seconds: float

    def call(self, name: str, arguments: str, message: str) -> Step:
        """Call a tool with arguments in JSON and return the step; raises ToolDown.

        `message` is the id of this call. What is no tool or no JSON, and an error status, are
        the step's error, which the model sees.
        """
        began = time.monotonic()
        tool = next((tool for tool in self.declared if tool["name"] == name), None)
        if tool is None:
            return {"tool": name or "?", "arguments": {}, "error": f"there is no tool {name}"}
        try:
            given = parse(arguments)
        except ValueError as error:
            told = clean_text(arguments)[:RESULT_CHARS]
            return {"tool": name, "arguments": told, "error": f"the arguments are no JSON: {error}"}
        if not isinstance(given, dict):
            return {"tool": name, "arguments": given, "error": "the arguments are no JSON object"}
        status, text = self._send(tool, given, message)
        step: Step = {"tool": name, "arguments": given, "seconds": time.monotonic() - began}
        if 200 <= status < 300:
            return {**step, "result": _document(text)}
        return {**step, "error": f"status {status}: {text}"[:RESULT_CHARS]}

    def _send(
        self, tool: Mapping[str, Any], arguments: dict[str, Any], message: str
    ) -> tuple[int, str]:
        # Not on top: it takes a tenth of a second in processes that never call a tool.
        from training.runtimes import outgoing

        url, body = _addressed(tool, arguments)
        headers = signing.headers_of(self.secret, message, body or b"", now=time.time())
        if body is not None:
            headers["content-type"] = "application/json"
        try:
            reply = outgoing.send(
                tool["method"], url, headers=headers, body=body, seconds=self.seconds
            )
        except AddressRefused as error:
            raise ToolDown("refused", f"the tool {tool['name']} {error}") from error
        except outgoing.Late as error:
            raise ToolDown("timeout", f"the tool {tool['name']}: {error}") from error
        except (outgoing.Lost, outgoing.TooLong) as error:
            raise ToolDown("broken", f"the tool {tool['name']}: {error}") from error
        return reply.status, clean_text(reply.body.decode(errors="replace"))


def check_tools(spec: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return `spec["tools"]` with methods filled in; raises InvalidRuntime naming the field."""
    tools = spec.get("tools", [])
    if not isinstance(tools, list) or len(tools) > MOST_TOOLS:
        raise InvalidRuntime("runtime.tools", f"must be a list of at most {MOST_TOOLS} tools")
    checked = [_checked(f"runtime.tools.{place}", tool) for place, tool in enumerate(tools)]
    if len({tool["name"] for tool in checked}) < len(checked):
        raise InvalidRuntime("runtime.tools", "must have different names")
    return checked


def offered(tools: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """Return the tools as a model is told of them; where they are is not its affair."""
    names = ("name", "description", "parameters")
    return tuple(
        {"type": "function", "function": {name: tool[name] for name in names}} for tool in tools
    )


def shown(step: Step) -> str:
    """Return what a model is told of a call it wanted, cut to a bound."""
    told = {name: step[name] for name in ("result", "error") if name in step}
    return json.dumps(told, ensure_ascii=False)[:RESULT_CHARS]


def _checked(field: str, tool: Any) -> dict[str, Any]:
    if not isinstance(tool, Mapping):
        raise InvalidRuntime(field, "must be {name, description, parameters, url, method}")
    for key in tool:
        if key not in _KEYS:
            raise InvalidRuntime(f"{field}.{key}", "is not a setting of a tool")
    name, method = tool.get("name"), tool.get("method", "POST")
    description, parameters = tool.get("description", ""), tool.get("parameters")
    parameters = {"type": "object", "properties": {}} if parameters is None else parameters
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        raise InvalidRuntime(f"{field}.name", "must be 1 to 64 letters, digits, _ and -")
    if method not in _METHODS:
        raise InvalidRuntime(f"{field}.method", f"must be one of {', '.join(_METHODS)}")
    if not isinstance(description, str):
        raise InvalidRuntime(f"{field}.description", "must be a text")
    if not isinstance(parameters, Mapping) or parameters.get("type") != "object":
        raise InvalidRuntime(f"{field}.parameters", "must be a JSON schema of type object")
    if len(json.dumps([description, parameters])) > MOST_DECLARED:
        raise InvalidRuntime(field, f"must be declared in at most {MOST_DECLARED:,} characters")
    try:
        url = check_url(tool.get("url"))
    except AddressRefused as error:
        raise InvalidRuntime(f"{field}.url", str(error)) from error
    return {
        "name": name,
        "description": description,
        "parameters": dict(parameters),
        "url": url,
        "method": method,
    }


def _addressed(tool: Mapping[str, Any], arguments: dict[str, Any]) -> tuple[str, bytes | None]:
    """Return URL and body; without a body the arguments stand in the query."""
    if tool["method"] not in _IN_THE_URL:
        return tool["url"], json.dumps(arguments).encode()
    texts = {
        name: value if isinstance(value, str) else json.dumps(value)
        for name, value in arguments.items()
    }
    joint = "&" if urlsplit(tool["url"]).query else "?"
    query = urlencode(texts, quote_via=quote)
    return (f"{tool['url']}{joint}{query}" if query else tool["url"]), None


def _document(text: str) -> Any:
    """Return what a tool answered: JSON that is short enough, or its text, cut."""
    if len(text) <= RESULT_CHARS:
        try:
            return parse(text)
        except ValueError:
            return text
    return text[:RESULT_CHARS]
