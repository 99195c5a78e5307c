"""Results of tau-bench: `{task_id, reward, info, traj, trial}` with the whole conversation."""

from collections.abc import Iterator
from typing import Any

from pydantic_core import from_json

from ace_project.core.errors import InvalidInput
from evolution.importers.normalised import text
from evolution.importers.own import fingerprint
from evolution.ingest import MAX_TEXT

# tau-bench's own test: rewards are products of floats.
_SOLVED = 1 - 1e-6
_ERRORS = ("Error", "Unknown action")
_SHOWN_MESSAGES = 200
_SHOWN_CHARACTERS = 600


def recognises(record: dict[str, Any]) -> bool:
    """Return whether a record has the conversation that only this form has."""
    return "traj" in record


def trace_of(record: dict[str, Any]) -> dict[str, Any]:
    """Return the body of a trace: tool calls are steps, what was said is in its metadata."""
    reward, messages, info = record.get("reward"), record.get("traj"), record.get("info")
    if isinstance(reward, bool) or not isinstance(reward, int | float):
        raise InvalidInput("reward must be a number")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise InvalidInput("traj must be a list of messages")
    if not isinstance(record.get("task_id"), int | str):
        raise InvalidInput("task_id must be a number or a text")
    info = info if isinstance(info, dict) else {}
    task, trial = str(record["task_id"]), record.get("trial")
    steps, said = _conversation(messages)
    return {
        "trace_id": f"tau-{task}-{'x' if trial is None else trial}-{fingerprint(record)}",
        "task_id": text(record["task_id"]),
        "task_group": task,
        "trial": trial,
        "success": reward >= _SOLVED,
        "error_message": _failure(info),
        "metadata": {"format": "tau-bench", "reward": reward, **_task(info), "conversation": said},
        "steps": steps,
    }


def _failure(info: dict[str, Any]) -> str | None:
    error = info.get("error")
    return None if error is None else str(error)[:MAX_TEXT]


def _task(info: dict[str, Any]) -> dict[str, Any]:
    task = info.get("task")
    instruction = task.get("instruction") if isinstance(task, dict) else None
    return {"instruction": instruction} if isinstance(instruction, str) else {}


def _conversation(messages: list[dict[str, Any]]) -> tuple[list[Any], list[dict[str, Any]]]:
    """Return the steps, and what user and agent said with the number of steps before it."""
    steps: list[dict[str, Any]] = []
    said: list[dict[str, Any]] = []
    # Models reuse call ids within a conversation: a result belongs to the call that waits for it.
    waiting: dict[str, dict[str, Any]] = {}
    for message in messages:
        role, content = message.get("role"), _content(message.get("content"))
        if role == "tool":
            _answer(waiting.pop(str(message.get("tool_call_id")), None), content)
            continue
        if role in ("user", "assistant") and content and len(said) < _SHOWN_MESSAGES:
            said.append(
                {"role": role, "text": content[:_SHOWN_CHARACTERS], "after_step": len(steps)}
            )
        for call_id, step in _calls(message.get("tool_calls") or []):
            steps.append(step)
            waiting[call_id] = step
    return steps, said


def _content(content: object) -> str:
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, dict))
        return "\n".join(part for part in parts if isinstance(part, str))
    return content if isinstance(content, str) else ""


def _calls(calls: object) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the id and the step of each tool call of a message."""
    if not isinstance(calls, list):
        raise InvalidInput("traj has tool calls that are no list")
    for call in calls:
        function = call.get("function") if isinstance(call, dict) else None
        if not isinstance(function, dict) or not isinstance(function.get("name"), str):
            raise InvalidInput("traj has a tool call without the name of its function")
        arguments = _arguments(function.get("arguments"))
        yield str(call.get("id")), {"tool": function["name"], "arguments": arguments}


def _arguments(raw: object) -> object:
    if not isinstance(raw, str):
        return {} if raw is None else raw
    try:
        return from_json(raw, allow_inf_nan=False)
    except ValueError:
        # What the model wrote is no JSON: kept as it wrote it.
        return raw


def _answer(step: dict[str, Any] | None, content: str) -> None:
    if step is None:
        raise InvalidInput("traj has a tool result without the call it answers")
    step["result"] = content
    if content.startswith(_ERRORS):
        step["error"] = content[:MAX_TEXT]
