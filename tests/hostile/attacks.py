"""Values, raw bodies and templates to attack the API with; all from one seed."""

import copy
import json
import random
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

DEEP = "@@deep@@"
DEPTH = 10_000
CALLER = "@@agent@@"

TEXTS = [
    "",
    " ",
    "\n\t\r",
    "\x00",
    "a\x00b",
    "\ud800",
    "\udfff\ud800",
    "\ufeff",
    "\u202eevil",
    "🙂" * 300,
    "e\u0301" * 200,
    "' OR '1'='1",
    "'; DROP TABLE agents; --",
    "\\'; SELECT pg_sleep(10); --",
    "$$; DELETE FROM api_tokens; $$",
    "%(a)s %s %d {0} {a.__class__}",
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "{{ 7*7 }}{% debug %}${7*7}",
    "../../../../etc/passwd",
    "file:///etc/passwd",
    "http://169.254.169.254/latest/meta-data/",
    "\x1b[31mred",
    "NaN",
    "null",
    "true",
    "-1",
    "1e999",
    "2026-99-99T99:99:99Z",
    "/~2/~",
    "a.b\\.c..d",
    "x" * 256,
    "x" * 20_001,
    "x" * 300_000,
]
NUMBERS = [0, -0.0, -1, 1, 2, 201, 2**31 - 1, 2**31, 2**63, -(2**63) - 1, 2**64, 10**400]
NUMBERS += [10**4299, 0.5, 1.0000001, -0.1, 1e-320, 1e16, 1e308, -1e308, 1.7976931348623157e308]
SHAPES: list[Any] = [None, True, False, [], {}, [[]], [{}], {"": {}}, [None] * 300, {"a": DEEP}]
SHAPES += [DEEP, [DEEP], {"__proto__": {"x": 1}}, {"op": "add"}, [[[[1]]]]]
SHAPES += [{"\x00": 1}, {"\ud800": 1}, {"x" * 5000: 1}, ["x"] * 1000]
SHAPES += [{str(i): i for i in range(500)}]
VALUES = [*TEXTS, *NUMBERS, *SHAPES]

RAW = [
    b"",
    b" ",
    b"{",
    b"}",
    b"[",
    b'{"a":}',
    b'{"a":1,}',
    b"{'a':1}",
    b"nul",
    b"null",
    b"true",
    b"0",
    b'"x"',
    b"NaN",
    b"-Infinity",
    b"1e999",
    b"-",
    b"9" * 4301,
    b"9" * 100_000,
    b'{"a":' + b"9" * 5000 + b"}",
    b"0." + b"3" * 50_000,
    b'"\xff\xfe"',
    b"\xff\xfe{\x00}\x00",
    b"\xef\xbb\xbf{}",
    b'{"a":"\x00"}',
    b"\x00" * 100,
    b'{"a":"\\u0000"}',
    b'{"a":"\\ud800"}',
    b'{"\\udc00":1}',
    b'{"a":"\\x41"}',
    b'{"a":1}{"b":2}',
    b'{"a":1,"a":2}',
    b"/* comment */{}",
    b"[" * DEPTH,
    b"[" * DEPTH + b"]" * DEPTH,
    b'{"a":' * DEPTH + b"1" + b"}" * DEPTH,
    b'[{"a":' * DEPTH,
    b"[" * 65 + b"]" * 65,
    b"[" * 1_000_000,
    b'{"a":"' + b"\\ud83d" * 50_000 + b'"}',
    b'{"a":"' + b"x" * 1_000_000,
    b"--x\r\nContent-Disposition: form-data; name=a\r\n\r\n1\r\n--x--",
    b"a=1&b=2",
    b"<?xml version='1.0'?><!DOCTYPE x [<!ENTITY e SYSTEM 'file:///etc/passwd'>]><x>&e;</x>",
]


@dataclass(frozen=True)
class Target:
    """An address that takes a body, and a body that it would take."""

    method: str
    path: str
    body: dict[str, Any]


def _operations() -> list[dict[str, Any]]:
    bullet = "strategies-0123456789abcdef"
    return [
        {"op": "add", "section": "strategies", "text": "New.", "position": 0},
        {"op": "move", "bullet_id": bullet, "position": 1},
        {"op": "update", "bullet_id": bullet, "text": "Other."},
        {"op": "remove", "bullet_id": bullet},
        {"op": "merge", "bullet_ids": [bullet, "strategies-fedcba9876543210"], "text": "Both."},
        {"op": "set", "path": "/goals/main", "value": {"a": [1]}},
        {"op": "unset", "path": "/goals/main"},
    ]


def _training(job_id: int) -> list[Target]:
    job = f"training/jobs/{job_id}"
    start = {
        "agent_id": "bot",
        "config": {"n_iterations": 2, "seed": 1, "policy": "context", "positive_only": False},
        "runtime": {"name": "workshop", "seed": 3},
        "training_data": [{"query": "q", "expected_outcome": {"a": 1}, "task_type": "t"}],
        "candidates": ["Look.", {"section": "strategies", "text": "Ask."}],
        "title": "t",
    }
    export = {"job_id": job_id, "format": "raw", "success_only": True, "min_reward": 0.5}
    calls = {
        "training.start_grpo": start,
        "training.get_status": {"job_id": job_id},
        "training.pause": {"job_id": job_id, "reason": "r"},
        "training.evaluate": {"job_id": job_id, "checkpoint_id": 1},
        "training.export_trajectories": {**export, "limit": 10, "offset": 0},
        "training.list_jobs": {"agent_id": "bot", "status": "queued", "limit": 5},
    }
    measured = {"checkpoint_id": 1, "evaluation_queries": [{"query": "q"}]}
    return [
        Target("post", "training/jobs", start),
        Target("post", f"{job}/pause", {"reason": "r"}),
        Target("post", f"{job}/evaluate", measured),
        *(
            Target("post", "jsonrpc", {"jsonrpc": "2.0", "id": 1, "method": name, "params": params})
            for name, params in calls.items()
        ),
    ]


def targets(delta_id: str, job_id: int) -> list[Target]:
    """Return every address that takes a body."""
    step = {"tool": "t", "arguments": {"a": 1}, "result": "r", "error": "e", "seconds": 1.0}
    trace = {
        "agent_id": "bot",
        "trace_id": "t1",
        "task_id": "k",
        "task_group": "g",
        "trial": 1,
        "execution_time": 1.0,
        "success": True,
        "output_quality": 0.5,
        "error_message": "",
        "metadata": {"task_type": "x"},
        "steps": [{**step, "tokens": 3, "reward": 0.5}],
        "playbook_version": 1,
        "bullets": ["strategies-0123456789abcdef"],
        "session": "s",
        "captured_at": "2026-01-01T00:00:00Z",
    }
    change = {"delta_id": "mine", "confidence": 0.9, "reasoning": "r", "base_version": 1}
    new = {"agent_id": CALLER, "name": "n", "metadata": {}, "initial_context": {"s": ["x"]}}
    found = [
        Target("post", "agents", new),
        Target("patch", "agents/bot", {"name": "n", "metadata": {"a": 1}}),
        Target("post", "playbooks", {"agent_id": CALLER, "initial_context": {"s": ["x"]}}),
        Target("patch", "playbooks/bot", {**change, "changes": {"goals.main": "x", "s": ["a"]}}),
        Target("post", "playbooks/bot/rollback", {"to_version": 1, "reason": "r"}),
        Target("post", f"deltas/{delta_id}/approve", {"reason": "r"}),
        Target("post", f"deltas/{delta_id}/reject", {"reason": "r"}),
        Target("post", f"deltas/{delta_id}/request-changes", {"reason": "r"}),
        Target("post", "traces", trace),
        Target("post", "traces/batch", {"traces": [trace]}),
        Target("post", "evolution/trigger", {"agent_id": "bot", "force": True}),
        *_training(job_id),
    ]
    for operation in _operations():
        body = {**change, "operations": [operation]}
        found.append(Target("patch", "playbooks/bot", body))
        found.append(Target("post", "deltas", {"agent_id": "bot", **body}))
    return found


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the path to every value inside a body, itself included."""
    yield path
    if not isinstance(value, dict | list):
        return
    for key, item in value.items() if isinstance(value, dict) else enumerate(value):
        yield from places(item, (*path, key))


def attacked(body: Any, path: tuple[Any, ...], value: Any) -> Any:
    """Return a copy of `body` with `value` at `path`."""
    if not path:
        return value
    changed = copy.deepcopy(body)
    node = changed
    for key in path[:-1]:
        node = node[key]
    node[path[-1]] = value
    return changed


def spelled(body: Any, number: int) -> bytes:
    """Return a body as bytes, with the deep value and a fresh agent's name put in."""
    text = json.dumps(body)
    opened = ("[" if number % 2 else '{"a":') * DEPTH
    closed = ("]" if number % 2 else "}") * DEPTH
    text = text.replace(f'"{DEEP}"', f"{opened}1{closed}").replace(CALLER, f"new-{number}")
    return text.encode()


def bodies(delta_id: str, job_id: int, count: int, seed: int) -> Iterator[tuple[Target, bytes]]:
    """Yield `count` attacks: every raw body everywhere, then values in places, shuffled."""
    found = targets(delta_id, job_id)
    number = 0
    for target in found:
        for raw in RAW:
            number += 1
            yield target, raw
    combinations = [
        (target, path, value)
        for target in found
        for path in places(target.body)
        for value in VALUES
    ]
    random.Random(seed).shuffle(combinations)
    for target, path, value in combinations[: count - number]:
        number += 1
        yield target, spelled(attacked(target.body, path, value), number)
