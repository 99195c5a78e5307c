"""A try as a chat: the context and task it was told, its tool calls with results, its answer.

TRL: https://huggingface.co/docs/trl/dataset_formats, "Conversational" and "Tool calling":
`tool_calls[].function.arguments` is an object, a result is `{role: tool, name, content}`.
OpenAI: https://platform.openai.com/docs/guides/fine-tuning (examples with tools) and the API
reference's `FineTuneChatRequestInput`: `arguments` is JSON as text, a call has an id that its
result names in `tool_call_id`, and a function's name is 1 to 64 of `A-Z a-z 0-9 _ -`.
"""

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ace_project.core.api.render import dumps
from training.exports.trajectories import Tried
from training.models import TrainingJob

Message = dict[str, Any]
Tool = dict[str, Any]

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9_-]")
_LONGEST_NAME = 64
_KINDS: dict[type, str] = {
    str: "string",
    bool: "boolean",
    int: "integer",
    float: "number",
    list: "array",
    dict: "object",
}


def text_of(value: Any) -> str:
    """Return a text as it is, and any other JSON value as JSON; nothing as the empty text."""
    if value is None:
        return ""
    return value if isinstance(value, str) else dumps(value).decode()


def prompt(context: str, query: Any) -> list[Message]:
    """Return what the agent was told: the context, if there is any, and the task."""
    system = [{"role": "system", "content": context}] if context else []
    return [*system, {"role": "user", "content": text_of(query)}]


def completion(tried: Tried) -> list[Message]:
    """Return what the agent did, in TRL's form; empty where it did nothing.

    It ends with something that the agent said or called: the result of a last call that no
    answer followed is left out.
    """
    messages: list[Message] = []
    for step in tried.steps:
        name, arguments = function_name(str(step.get("tool"))), step.get("arguments") or {}
        if not isinstance(arguments, Mapping):
            # A model may call a tool with anything; a function takes an object.
            arguments = {"value": arguments}
        call = {"type": "function", "function": {"name": name, "arguments": arguments}}
        messages.append({"role": "assistant", "tool_calls": [call]})
        messages.append({"role": "tool", "name": name, "content": _result(step)})
    if tried.answer is not None:
        messages.append({"role": "assistant", "content": text_of(tried.answer)})
    elif messages:
        messages.pop()
    return messages


def as_openai(messages: Iterable[Message]) -> list[Message]:
    """Return messages in OpenAI's form: calls get ids, and arguments are text."""
    told: list[Message] = []
    calls = 0
    for message in messages:
        if "tool_calls" in message:
            calls += 1
            function = message["tool_calls"][0]["function"]
            named = {"name": function["name"], "arguments": text_of(function["arguments"])}
            call = {"id": f"call_{calls}", "type": "function", "function": named}
            told.append({"role": "assistant", "tool_calls": [call]})
        elif message["role"] == "tool":
            told.append(
                {"role": "tool", "tool_call_id": f"call_{calls}", "content": message["content"]}
            )
        else:
            told.append(message)
    return told


def _result(step: Mapping[str, Any]) -> str:
    if step.get("error"):
        return f"Error: {text_of(step['error'])}"
    return text_of(step.get("result"))


def function_name(name: str) -> str:
    """Return a tool's name as a function may be called."""
    return _NOT_IN_NAMES.sub("_", name)[:_LONGEST_NAME]


def declared(job: TrainingJob) -> dict[str, Tool]:
    """Return the tools that the job's runtime declares, by name; addresses and secrets stay out."""
    found = {}
    for tool in job.runtime.get("tools") or ():
        name = function_name(tool["name"])
        function = {"name": name, "description": tool.get("description") or ""}
        parameters = tool.get("parameters") or {"type": "object", "properties": {}}
        found[name] = {"type": "function", "function": {**function, "parameters": parameters}}
    return found


def tools_of(known: Mapping[str, Tool], messages: Sequence[Message]) -> list[Tool]:
    """Return the known tools and, as far as its calls show them, those that a chat calls beside."""
    tools = dict(known)
    for message in messages:
        for call in message.get("tool_calls", ()):
            name, arguments = call["function"]["name"], call["function"]["arguments"]
            if name not in known:
                tools[name] = _with(tools.get(name) or _unseen(name), arguments)
    return list(tools.values())


def _unseen(name: str) -> Tool:
    parameters = {"type": "object", "properties": {}}
    return {"type": "function", "function": {"name": name, "parameters": parameters}}


def _with(tool: Tool, arguments: Mapping[str, Any]) -> Tool:
    """Return the tool with these arguments among its parameters; a first kind seen is kept."""
    function = tool["function"]
    seen = {name: _schema(value) for name, value in arguments.items()}
    properties = {**seen, **function["parameters"]["properties"]}
    parameters = {**function["parameters"], "properties": properties}
    return {**tool, "function": {**function, "parameters": parameters}}


def _schema(value: Any) -> dict[str, str]:
    kind = _KINDS.get(type(value))
    return {"type": kind} if kind else {}
