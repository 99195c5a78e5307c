"""Recorded runs out of files."""

import gzip
import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
from django.core.management import CommandError, call_command

from evolution.importers import Format, Found, Rejected, read_traces, slug, stem, streams
from evolution.models import ExecutionTrace, Origin
from playbooks.models import Agent

OWN = {"agent_id": "a", "trace_id": "t1", "execution_time": 1, "success": True}
NORMALISED = {
    "trace_id": "n1",
    "dataset": "d",
    "agent": "gpt-9+extra",
    "config": "c",
    "task_id": "sql-1",
    "group": "world",
    "trial": 0,
    "success": 1,
    "reward": 0.5,
    "steps": [
        {"tool": "select", "args": {"cmd": "x"}, "error": None, "obs": "rows", "reward": 0.1},
        {"tool": "select", "args": {}, "error": "no such table", "obs": None, "reward": 0.0},
    ],
    "meta": {"query": "q", "task_type": "count"},
}


def call(name, call_id, arguments="{}"):
    function = {"name": name, "arguments": arguments}
    return {
        "role": "assistant",
        "content": None,
        "tool_calls": [{"id": call_id, "function": function}],
    }


def answer(call_id, content):
    return {"role": "tool", "tool_call_id": call_id, "content": content}


TAU = {
    "task_id": 3,
    "reward": 1.0,
    "trial": 2,
    "info": {"task": {"instruction": "book it"}},
    "traj": [
        {"role": "system", "content": "policy"},
        {"role": "user", "content": "hello"},
        call("find", "c1", '{"q": 1}'),
        answer("c1", "Error: nothing found"),
        call("book", "c1", "not json"),
        answer("c1", "booked"),
        call("end", "c2"),
        {"role": "assistant", "content": "done"},
    ],
}


def read(path, form=Format.AUTO, agent=None):
    return list(read_traces(path, form, agent))


def write(folder, *lines, name="runs.jsonl"):
    path = folder / name
    texts = [line if isinstance(line, bytes) else json.dumps(line).encode() for line in lines]
    path.write_bytes(b"\n".join(texts))
    return path


def test_the_normalised_form_becomes_a_trace(tmp_path):
    (found,) = read(write(tmp_path, NORMALISED))
    trace = found.trace
    assert (trace.agent_id, trace.trace_id) == ("gpt-9-extra", "n1")
    assert (trace.task_id, trace.task_group, trace.trial) == ("sql-1", "world", 0)
    assert (trace.success, trace.execution_time) == (True, None)
    assert trace.steps == [
        {"tool": "select", "arguments": {"cmd": "x"}, "result": "rows", "reward": 0.1},
        {
            "tool": "select",
            "arguments": {},
            "result": None,
            "reward": 0.0,
            "error": "no such table",
        },
    ]
    kept = {"dataset": "d", "config": "c", "reward": 0.5, "query": "q", "task_type": "count"}
    assert trace.metadata == kept


def test_our_own_form_is_taken_as_it_stands(tmp_path):
    own = OWN | {"steps": [{"tool": "t", "arguments": {}}], "captured_at": "2026-01-01T00:00:00Z"}
    (found,) = read(write(tmp_path, own))
    assert found.trace.execution_time == 1
    assert found.trace.steps == own["steps"]


def test_a_tau_bench_result_becomes_a_trace(tmp_path):
    (found,) = read(write(tmp_path, json.dumps([TAU]).encode(), name="gpt 4o.json"))
    trace = found.trace
    assert (trace.agent_id, trace.task_group, trace.trial) == ("gpt-4o", "3", 2)
    assert trace.success
    assert trace.metadata["instruction"] == "book it"
    assert trace.metadata["conversation"] == [
        {"role": "user", "text": "hello", "after_step": 0},
        {"role": "assistant", "text": "done", "after_step": 3},
    ]


def test_tool_results_belong_to_the_call_that_waits_though_ids_are_used_twice(tmp_path):
    (found,) = read(write(tmp_path, TAU))
    assert found.trace.steps == [
        {
            "tool": "find",
            "arguments": {"q": 1},
            "result": "Error: nothing found",
            "error": "Error: nothing found",
        },
        {"tool": "book", "arguments": "not json", "result": "booked"},
        {"tool": "end", "arguments": {}},
    ]


@pytest.mark.parametrize(("reward", "success"), [(1.0, True), (0.9999999, True), (0.99, False)])
def test_a_task_is_solved_at_full_reward(tmp_path, reward, success):
    (found,) = read(write(tmp_path, TAU | {"reward": reward}))
    assert found.trace.success is success


def test_a_run_that_broke_off_keeps_what_broke_it(tmp_path):
    broken = TAU | {"reward": 0, "traj": [], "info": {"error": "rate limit", "traceback": "..."}}
    (found,) = read(write(tmp_path, broken))
    assert (found.trace.success, found.trace.error_message) == (False, "rate limit")


def test_a_record_without_an_id_has_the_same_name_in_every_file(tmp_path):
    nameless = {key: value for key, value in NORMALISED.items() if key != "trace_id"}
    (one,) = read(write(tmp_path, nameless, name="one.jsonl"))
    (two,) = read(write(tmp_path, nameless, name="two.jsonl"))
    (other,) = read(write(tmp_path, nameless | {"success": 0}, name="three.jsonl"))
    assert one.trace.trace_id == two.trace.trace_id != other.trace.trace_id


def test_an_agent_named_on_the_call_overrides_the_files(tmp_path):
    (found,) = read(write(tmp_path, NORMALISED), agent="mine")
    assert found.trace.agent_id == "mine"


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        (b"{nonsense", "not JSON"),
        (b"[1, 2]", "not a JSON object"),
        (b"7", "not a JSON object"),
        (b'{"a": "\xff"}', "not JSON"),
        (b"[" * 100_000, "not JSON"),
        (NORMALISED | {"success": 0.5}, "success must be"),
        (NORMALISED | {"steps": None}, "steps must be a list"),
        (NORMALISED | {"steps": [1]}, "step 0 is not an object"),
        (NORMALISED | {"steps": [{"args": {}}]}, "/steps/0/tool"),
        (NORMALISED | {"trial": "x"}, "/trial"),
        (OWN | {"success": "yes"}, "/success"),
        (OWN | {"surprise": 1}, "/surprise is not a known key"),
        (TAU | {"reward": None}, "reward must be a number"),
        (TAU | {"traj": None}, "traj must be a list"),
        (TAU | {"traj": [1]}, "traj must be a list"),
        (TAU | {"traj": [answer("c9", "x")]}, "without the call"),
        (TAU | {"traj": [{"tool_calls": [{"id": 1}]}]}, "without the name"),
        (TAU | {"traj": [{"tool_calls": 7}]}, "tool calls"),
        (TAU | {"task_id": [1]}, "task_id"),
    ],
)
def test_a_malformed_line_is_named_and_the_rest_goes_in(tmp_path, bad, said):
    found = read(write(tmp_path, OWN, b"", bad, OWN | {"trace_id": "t2"}))
    assert [item.line for item in found] == [1, 3, 4]
    assert isinstance(found[1], Rejected)
    assert said in found[1].message
    assert [item.trace.trace_id for item in found if isinstance(item, Found)] == ["t1", "t2"]


def test_byte_order_mark_windows_line_ends_and_blank_lines_are_nothing_special(tmp_path):
    path = tmp_path / "windows.jsonl"
    line = json.dumps(OWN).encode()
    path.write_bytes(b"\xef\xbb\xbf" + line + b"\r\n\r\n  \r\n" + line + b"\r\n")
    assert [item.line for item in read(path) if isinstance(item, Found)] == [1, 4]


def test_a_line_over_the_limit_is_skipped_and_named(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_RECORD", 1000)
    found = read(write(tmp_path, OWN, b"x" * 5000, OWN))
    assert [type(item) for item in found] == [Found, Rejected, Found]
    assert found[1].line == 2


def test_a_nul_that_a_tool_printed_is_replaced(tmp_path):
    odd = {"tool": "cat", "arguments": {}, "result": "a\0\0b and a literal \\u0000"}
    (found,) = read(write(tmp_path, OWN | {"steps": [odd]}))
    assert found.trace.steps[0]["result"] == "a\ufffd\ufffdb and a literal \\u0000"


def test_a_gzip_file_is_known_by_its_content(tmp_path):
    path = tmp_path / "no-ending"
    path.write_bytes(gzip.compress(json.dumps(OWN).encode()))
    assert isinstance(read(path)[0], Found)


def test_a_gzip_file_that_is_cut_off_gives_what_it_has(tmp_path):
    lines = b"\n".join(json.dumps(OWN | {"trace_id": f"t{i}"}).encode() for i in range(20_000))
    path = tmp_path / "cut.jsonl.gz"
    path.write_bytes(gzip.compress(lines)[:-20])
    found = read(path)
    assert isinstance(found[-1], Rejected)
    assert "cannot be read" in found[-1].message
    assert len(found) > 1000


def test_an_array_gives_its_items_with_their_lines_across_any_chunk(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "_CHUNK", 7)
    texts = [OWN | {"trace_id": f't"{i}\\', "session": "a, ] } ["} for i in range(5)]
    path = tmp_path / "runs.json"
    path.write_text(json.dumps(texts, indent=1))
    found = read(path)
    assert [item.trace.trace_id for item in found] == [text["trace_id"] for text in texts]
    assert [item.line for item in found] == [2 + 7 * i for i in range(5)]


def test_a_malformed_item_of_an_array_is_named_and_the_rest_goes_in(tmp_path):
    first, second = json.dumps(OWN), json.dumps(OWN | {"trace_id": "t2"})
    path = write(tmp_path, f"[{first},\n7, {{oops}},\n\n{second}]".encode())
    found = read(path)
    assert [(item.line, type(item)) for item in found] == [
        (1, Found),
        (2, Rejected),
        (2, Rejected),
        (4, Found),
    ]


def test_an_array_that_is_cut_off_gives_what_it_has(tmp_path):
    found = read(write(tmp_path, f"[{json.dumps(OWN)},\n{json.dumps(OWN)[:-5]}".encode()))
    assert [type(item) for item in found] == [Found, Rejected]
    assert (found[1].line, found[1].message) == (2, "the file ends in the middle of the array")


def test_an_item_over_the_limit_ends_the_reading(tmp_path, monkeypatch):
    monkeypatch.setattr(streams, "MAX_RECORD", 1000)
    monkeypatch.setattr(streams, "_CHUNK", 100)
    found = read(write(tmp_path, f'[{json.dumps(OWN)}, "{"x" * 5000}"]'.encode()))
    assert [type(item) for item in found] == [Found, Rejected]


def test_an_empty_file_and_an_empty_array_hold_nothing(tmp_path):
    assert read(write(tmp_path, b"")) == []
    assert read(write(tmp_path, b" [ ] ")) == []


def test_any_name_becomes_an_agent_id():
    assert slug("gpt-3.5+schema") == "gpt-3.5-schema"
    assert slug("../etc/ü") == "etc"
    assert slug("+++") == ""
    assert stem(Path("x/runs.v2.json.gz")) == "runs.v2"


_MEASURE = """
import resource, sys
from pathlib import Path
from evolution.importers import Format, read_traces
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
count = sum(1 for _ in read_traces(Path(sys.argv[1]), Format.AUTO, None))
after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(count, (after - before) // 1024)
"""


@pytest.mark.parametrize("kind", ["lines", "array"])
def test_a_file_of_200_megabytes_is_read_within_60(tmp_path, kind):
    record = json.dumps(TAU | {"padding": "x" * 100_000}).encode()
    path = tmp_path / "big.json"
    with path.open("wb") as file:
        file.write(b"[" if kind == "array" else b"")
        for number in range(2000):
            between = b"," if kind == "array" else b"\n"
            file.write((between if number else b"") + record)
        file.write(b"]" if kind == "array" else b"")
    root = Path(__file__).resolve().parents[2]
    command = [sys.executable, "-c", _MEASURE, str(path)]
    said = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    count, megabytes = map(int, said.stdout.split())
    assert count == 2000
    assert megabytes < 60


@pytest.mark.django_db
def test_importing_twice_adds_nothing_twice(tmp_path, capsys):
    path = write(tmp_path, NORMALISED, NORMALISED | {"trace_id": "n2"}, b"oops")
    call_command("import_traces", path)
    first = capsys.readouterr()
    assert "2 accepted, 0 already there, 1 rejected" in first.out
    assert first.err.startswith("line 3: not JSON")
    call_command("import_traces", path)
    assert "0 accepted, 2 already there, 1 rejected" in capsys.readouterr().out
    agent = Agent.objects.get(agent_id="gpt-9-extra")
    assert agent.playbook.version == 1
    kept = ExecutionTrace.objects.get(agent=agent, trace_id="n1")
    assert (kept.origin, kept.execution_time, kept.task_type) == (Origin.IMPORTED, None, "count")
    assert (kept.step_count, kept.error_count) == (2, 1)


@pytest.mark.django_db
def test_a_file_is_loaded_in_many_batches(tmp_path, capsys):
    write(tmp_path, *(OWN | {"trace_id": f"t{i % 900}"} for i in range(1200)))
    call_command("import_traces", tmp_path / "runs.jsonl", agent="other")
    assert "900 accepted, 300 already there" in capsys.readouterr().out
    assert ExecutionTrace.objects.filter(agent__agent_id="other").count() == 900


@pytest.mark.django_db
@pytest.mark.parametrize("content", [None, b"", b"oops", b'{"agent_id": "+", "success": true}'])
def test_a_file_without_a_single_trace_fails(tmp_path, content):
    path = tmp_path / "file"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(CommandError):
        call_command("import_traces", path)
    assert not Agent.objects.exists()


@pytest.mark.django_db
@pytest.mark.parametrize("arguments", [["--agent", "a b"], ["--format", "xml"]])
def test_wrong_usage_is_refused(tmp_path, arguments):
    with pytest.raises(CommandError):
        call_command("import_traces", str(write(tmp_path, OWN)), *arguments)


@pytest.mark.shared
@pytest.mark.parametrize(
    ("name", "runs", "groups", "agent"),
    [
        ("tau_airline_gpt4o.json", 100, 25, "tau_airline_gpt4o"),
        ("intercode_sql_gpt35.jsonl.gz", 580, 11, "gpt-3.5"),
        ("intercode_sql_gpt35_schema_arm.jsonl.gz", 580, 11, "gpt-3.5-schema"),
        ("intercode_bash_gpt4.jsonl.gz", 200, 200, "gpt-4"),
    ],
)
def test_recorded_files_go_in_whole(shared_data, name, runs, groups, agent):
    found = read(shared_data / "traces" / name)
    assert Counter(type(item) for item in found) == {Found: runs}
    assert {item.trace.agent_id for item in found} == {agent}
    assert len({item.trace.task_group for item in found}) == groups
    assert len({item.trace.trace_id for item in found}) == runs


@pytest.mark.shared
def test_every_tool_message_of_the_airline_runs_is_a_result(shared_data):
    path = shared_data / "traces" / "tau_airline_gpt4o.json"
    results = json.loads(path.read_text())
    expected = [sum(m["role"] == "tool" for m in result["traj"]) for result in results]
    found = read(path)
    assert [sum("result" in s for s in item.trace.steps) for item in found] == expected
    assert [item.trace.success for item in found] == [r["reward"] == 1 for r in results]
