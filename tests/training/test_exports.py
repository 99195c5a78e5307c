"""Exports: every row is what the libraries' own documentation asks for, and memory stays flat."""

import json
import re
import sys
import tracemalloc
from io import BytesIO, TextIOWrapper
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as parquet
import pytest
from django.core.management import CommandError, call_command
from openai.types.chat import ChatCompletionMessageParam, ChatCompletionToolParam
from pydantic import TypeAdapter

from ace_project.core.api.render import dumps
from ace_project.core.errors import InvalidInput
from tests.training.trained import STEPS, make_agent, make_job, tried
from training import bodies
from training.exports import FORMATS, Wanted, format_named, page, stream
from training.models import TrainingJob, Trajectory
from training.runtimes.base import Rollout

pytestmark = pytest.mark.django_db

# What OpenAI's own client takes, as far as it is typed.
OPENAI_MESSAGES = TypeAdapter(list[ChatCompletionMessageParam])
OPENAI_TOOLS = TypeAdapter(list[ChatCompletionToolParam])


@pytest.fixture
def job() -> TrainingJob:
    return make_job(make_agent())


def exported(job: TrainingJob, name: str, **wanted: Any) -> list[dict[str, Any]]:
    """Return the rows of a file of lines."""
    text = b"".join(stream(job, format_named(name), Wanted(**wanted))).decode()
    assert text == "" or text.endswith("\n")
    return [json.loads(line) for line in text.splitlines()]


def is_trl_dialogue(messages: list[dict[str, Any]]) -> bool:
    """Tell whether messages keep to TRL's "Conversational" and "Tool calling"."""
    for message in messages:
        if "tool_calls" in message:
            assert set(message) == {"role", "tool_calls"}
            assert message["role"] == "assistant"
            for call in message["tool_calls"]:
                assert call["type"] == "function"
                assert isinstance(call["function"]["name"], str)
                assert isinstance(call["function"]["arguments"], dict)
        elif message["role"] == "tool":
            assert set(message) == {"role", "name", "content"}
            assert isinstance(message["content"], str)
        else:
            assert set(message) == {"role", "content"}
            assert message["role"] in ("system", "user", "assistant")
            assert isinstance(message["content"], str)
    return True


def is_openai_example(row: dict[str, Any]) -> bool:
    """Tell whether a row keeps to `FineTuneChatRequestInput` and the guide's examples."""
    assert set(row) <= {"messages", "tools", "parallel_tool_calls"}
    open_calls: list[str] = []
    for message in row["messages"]:
        if message["role"] == "tool":
            assert set(message) == {"role", "tool_call_id", "content"}
            open_calls.remove(message["tool_call_id"])
            continue
        assert not open_calls
        for call in message.get("tool_calls", ()):
            assert set(call) == {"id", "type", "function"}
            assert isinstance(json.loads(call["function"]["arguments"]), dict)
            assert call["function"]["name"] in {t["function"]["name"] for t in row["tools"]}
            open_calls.append(call["id"])
        assert "tool_calls" in message or isinstance(message["content"], str)
    assert row["messages"][-1]["role"] == "assistant"
    for tool in row.get("tools", ()):
        assert tool["type"] == "function"
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", tool["function"]["name"])
        assert tool["function"]["parameters"]["type"] == "object"
    return True


def test_raw_rows_hold_what_was_chosen_what_it_earned_and_what_was_done(job):
    row = tried(job, 1.0)
    timeout = tried(job, None, trial=1)
    first, second = exported(job, "raw")
    strategies = [entry["bullet_id"] for entry in job.candidates]
    assert first == {
        "job_id": job.pk,
        "trajectory_id": row.pk,
        "iteration": 1,
        "task": 0,
        "trial": 0,
        "task_type": None,
        "query": "task 0",
        "expected_outcome": {"refund": 0},
        "outcome": "ended",
        "error": None,
        "success": True,
        "reward": 1.0,
        "advantage": 0.25,
        "log_prob": -2.0,
        "bullets": [strategies[0], strategies[2]],
        "heads": {"variant": "act at once"},
        "steps": list(STEPS),
        "answer": "Done.",
        "step_count": 2,
        "tokens": 120,
        "cost_usd": 0.002,
        "seconds": 1.5,
    }
    assert (second["trajectory_id"], second["outcome"]) == (timeout.pk, "timeout")
    assert (second["reward"], second["steps"]) == (None, [])


def test_prompt_completion_rows_are_trl_s(job):
    tried(job, 1.0)
    (row,) = exported(job, "trl-prompt-completion")
    assert set(row) == {"prompt", "completion", "tools"}
    assert is_trl_dialogue(row["prompt"])
    assert is_trl_dialogue(row["completion"])
    assert [message["role"] for message in row["prompt"]] == ["system", "user"]
    system = row["prompt"][0]["content"]
    assert "Look it up first." in system
    assert "Be brief." in system
    assert "Ask twice." not in system
    assert "act at once" in system
    assert row["prompt"][1]["content"] == "task 0"
    assert row["completion"][-1] == {"role": "assistant", "content": "Done."}
    assert row["completion"][3]["content"] == "Error: no such address"


def test_conversational_rows_are_trl_s(job):
    tried(job, 1.0)
    (row,) = exported(job, "trl-conversational")
    assert set(row) == {"messages", "tools"}
    assert is_trl_dialogue(row["messages"])
    roles = [message["role"] for message in row["messages"]]
    assert roles == ["system", "user", "assistant", "tool", "assistant", "tool", "assistant"]
    assert row["messages"][2]["tool_calls"][0]["function"]["name"] == "orders_find"


@pytest.mark.parametrize("given", [["a", 1], "rm -rf", 7])
@pytest.mark.parametrize("name", ["trl-prompt-completion", "trl-conversational", "openai"])
def test_arguments_that_are_no_object_are_wrapped_in_one(job, name, given):
    tried(job, 1.0, steps=[{"tool": "mail", "arguments": given, "result": "sent"}])
    (row,) = exported(job, name)
    (call,) = (row.get("messages") or row["completion"])[-3]["tool_calls"]
    told = call["function"]["arguments"]
    assert (json.loads(told) if name == "openai" else told) == {"value": given}


def test_openai_rows_are_what_its_fine_tuning_reads(job):
    tried(job, 1.0)
    tried(job, 1.0, trial=1, answer={"total": 3})
    tried(job, 0.0, trial=2, answer=None)
    tried(job, 0.0, trial=3, steps=())
    rows = exported(job, "openai")
    assert len(rows) == 4
    assert all(map(is_openai_example, rows))
    for row in rows:
        OPENAI_MESSAGES.validate_python(row["messages"])
        OPENAI_TOOLS.validate_python(row["tools"])
    assert rows[1]["messages"][-1]["content"] == '{"total":3}'
    assert "tool_calls" in rows[2]["messages"][-1]


def test_preference_pairs_are_of_one_task_and_iteration_and_the_chosen_earned_more(job):
    for trial, reward in enumerate([0.2, 1.0, 0.6, 0.0, 0.4]):
        tried(job, reward, trial=trial, answer=f"{reward}")
    tried(job, 0.9, task=1, answer="other task")
    tried(job, 0.1, iteration=2, answer="other policy")
    rows = exported(job, "trl-preference")
    assert [(r["chosen"][-1]["content"], r["rejected"][-1]["content"]) for r in rows] == [
        ("1.0", "0.0"),
        ("0.6", "0.2"),
    ]
    for row in rows:
        assert set(row) == {"prompt", "chosen", "rejected", "tools"}
        assert row["prompt"] == [{"role": "user", "content": "task 0"}]
        assert is_trl_dialogue(row["chosen"])
        assert is_trl_dialogue(row["rejected"])


def test_what_earned_the_same_or_did_the_same_makes_no_pair(job):
    tried(job, 1.0, trial=0, answer="a")
    tried(job, 1.0, trial=1, answer="b")
    tried(job, None, trial=2)
    tried(job, 1.0, task=1, trial=0, answer="same")
    tried(job, 0.0, task=1, trial=1, answer="same")
    assert exported(job, "trl-preference") == []


def test_verl_s_parquet_has_its_five_columns_and_one_row_for_each_task(job):
    tried(job, 1.0)
    tried(job, 0.0, trial=1)
    tried(job, None, task=1)
    table = parquet.read_table(BytesIO(b"".join(stream(job, FORMATS["verl"], Wanted()))))
    assert table.column_names == [
        *("data_source", "prompt", "ability", "reward_model", "extra_info"),
    ]
    first, second = table.to_pylist()
    assert first["data_source"] == "ace/shop"
    assert [message["role"] for message in first["prompt"]] == ["system", "user"]
    assert "Ask twice." in first["prompt"][0]["content"]
    assert first["reward_model"] == {"style": "rule", "ground_truth": '{"refund":0}'}
    assert first["extra_info"]["index"] == 0
    assert (first["extra_info"]["tries"], first["extra_info"]["mean_reward"]) == (2, 0.5)
    assert (second["ability"], second["extra_info"]["mean_reward"]) == ("refunds", None)


def test_without_pyarrow_it_says_what_to_install_before_anything_is_sent(job, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)
    with pytest.raises(InvalidInput, match="pip install"):
        stream(job, FORMATS["verl"], Wanted())
    tried(job, 1.0)
    assert page(job, FORMATS["verl"], Wanted(), limit=1, room=10_000).rows


def test_what_was_not_scored_or_did_nothing_is_nobody_s_example(job):
    tried(job, None)
    tried(job, 0.0, trial=1, steps=(), answer=None)
    for name in ("trl-prompt-completion", "trl-conversational", "openai"):
        assert exported(job, name) == []


def test_a_runtime_s_declared_tools_are_told_without_their_addresses():
    tool = {"name": "mail", "description": "Send.", "url": "https://x/", "headers": {"k": "secret"}}
    runtime = {"name": "openai", "model": "m", "system": "You are a clerk.", "tools": [tool]}
    job = make_job(make_agent(), runtime=runtime)
    tried(job, 1.0)
    (row,) = exported(job, "openai")
    assert row["messages"][0]["content"].startswith("You are a clerk.")
    assert is_openai_example(row)
    assert "secret" not in json.dumps(row)
    assert "https" not in json.dumps(row)
    told = {t["function"]["name"]: t["function"] for t in row["tools"]}
    assert told["mail"]["description"] == "Send."
    assert told["orders_find"]["parameters"]["properties"] == {
        "id": {"type": "integer"},
        "deep": {"type": "boolean"},
    }


@pytest.mark.parametrize("arguments", ["{broken", [1, 2], 5, None])
def test_a_call_with_anything_for_arguments_is_still_a_call(job, arguments):
    tried(job, 1.0, steps=[{"tool": "mail", "arguments": arguments, "error": "no JSON object"}])
    (row,) = exported(job, "openai")
    assert is_openai_example(row)
    (row,) = exported(job, "trl-conversational")
    assert is_trl_dialogue(row["messages"])


def test_every_row_of_a_job_names_the_same_tools(job):
    tried(job, 1.0, steps=STEPS[:1])
    tried(job, 1.0, trial=1, steps=STEPS[1:])
    first, second = exported(job, "trl-conversational")
    assert first["tools"] == second["tools"]
    assert len(first["tools"]) == 2


@pytest.mark.parametrize("name", sorted(FORMATS.keys() - {"raw"}))
def test_an_environment_s_actions_go_into_raw_alone(name):
    job = make_job(make_agent(), policy="action", runtime={"name": "gymnasium"})
    with pytest.raises(InvalidInput, match="raw"):
        stream(job, FORMATS[name], Wanted())


def test_an_episode_s_steps_are_its_actions_and_rewards():
    job = make_job(make_agent(), policy="action", runtime={"name": "gymnasium"})
    row = tried(job, 1.0, let_in=())
    played = Rollout(
        observations=np.zeros((2, 1)),
        actions=np.array([1, 0]),
        rewards=np.array([0.0, 1.0]),
        log_prob=np.array([-0.5, -0.7]),
        last_observation=np.zeros(1),
        truncated=False,
        success=True,
        seconds=0.1,
    )
    Trajectory.objects.filter(pk=row.pk).update(body=bodies.of_rollout(played))
    (told,) = exported(job, "raw")
    assert told["steps"] == [{"action": 1, "reward": 0}, {"action": 0, "reward": 1}]
    assert (told["bullets"], told["heads"]) == ([], {})


def test_filters_hold_in_every_format(job):
    for trial, reward in enumerate([0.0, 0.4, 0.6, 1.0]):
        tried(job, reward, trial=trial, answer=f"{reward}")
    tried(job, None, trial=4)
    assert [r["reward"] for r in exported(job, "raw", success_only=True)] == [0.6, 1.0]
    assert [r["reward"] for r in exported(job, "raw", min_reward=0.4)] == [0.4, 0.6, 1.0]
    (pair,) = exported(job, "trl-preference", min_reward=0.4)[:1]
    assert pair["rejected"][-1]["content"] == "0.4"


def test_pages_one_after_the_other_are_the_whole(job):
    for trial in range(7):
        tried(job, trial / 10, trial=trial)
    rows, offset = [], 0
    while offset is not None:
        found = page(job, FORMATS["raw"], Wanted(offset=offset), limit=3, room=10**6)
        rows += [json.loads(dumps(row)) for row in found.rows]
        offset = found.next_offset
    assert rows == exported(job, "raw")


def test_a_page_ends_where_its_room_does_and_says_so_where_nothing_fits(job):
    for trial in range(4):
        tried(job, 0.5, trial=trial)
    one = len(exported(job, "raw")[0].__repr__())
    found = page(job, FORMATS["raw"], Wanted(), limit=4, room=2 * one)
    assert 0 < len(found.rows) < 4
    assert found.next_offset == len(found.rows)
    with pytest.raises(InvalidInput, match="fits"):
        page(job, FORMATS["raw"], Wanted(), limit=4, room=10)


def test_a_page_never_cuts_a_group_that_pairs_are_made_of(job):
    for task in (0, 1):
        for trial in range(4):
            tried(job, trial / 4, task=task, trial=trial, answer=f"{task} {trial}")
    first = page(job, FORMATS["trl-preference"], Wanted(), limit=2, room=10**6)
    assert (len(first.rows), first.next_offset) == (2, 4)
    rest = page(job, FORMATS["trl-preference"], Wanted(offset=4), limit=10, room=10**6)
    assert (len(rest.rows), rest.next_offset) == (2, None)


def test_memory_and_queries_do_not_grow_with_the_job(job, django_assert_max_num_queries):
    """2,000 trajectories of 40 kB in steps pass through a window of one chunk."""
    big = ({"tool": "t", "arguments": {}, "result": "x" * 40_000},)
    row = tried(job, 1.0, steps=big)
    copies = [
        Trajectory(
            **{f.attname: getattr(row, f.attname) for f in row._meta.fields if f.name != "id"}
        )
        for _ in range(1999)
    ]
    Trajectory.objects.bulk_create(copies, batch_size=1000)
    del copies
    tracemalloc.start()
    with django_assert_max_num_queries(50):
        sent = sum(map(len, stream(job, FORMATS["raw"], Wanted())))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert sent > 80_000_000
    assert peak < 20_000_000


def test_what_is_added_meanwhile_waits_for_the_next_export(job):
    tried(job, 1.0)
    rows = stream(job, FORMATS["raw"], Wanted())
    units = FORMATS["raw"].units(job, Wanted())
    next(units)
    tried(job, 1.0, trial=1)
    assert list(units) == []
    assert len(b"".join(rows).splitlines()) == 2


def test_the_command_writes_a_whole_file(job, tmp_path, capsys):
    tried(job, 1.0)
    file = tmp_path / "rows.jsonl"
    call_command("export_trajectories", job.pk, format="openai", output=file)
    assert is_openai_example(json.loads(file.read_text()))
    assert list(tmp_path.iterdir()) == [file]
    assert "bytes" in capsys.readouterr().err


def test_the_command_writes_bytes_to_standard_output(job):
    tried(job, 1.0)
    out = TextIOWrapper(BytesIO())
    call_command("export_trajectories", job.pk, format="verl", stdout=out)
    assert parquet.read_table(BytesIO(out.buffer.getvalue())).num_rows == 1


@pytest.mark.parametrize(
    ("number", "output", "message"),
    [(10**6, None, "no training job"), (None, "/nowhere/rows.jsonl", "cannot be written")],
)
def test_the_command_says_what_is_wrong_in_one_line(job, number, output, message):
    options = {"output": Path(output)} if output else {}
    with pytest.raises(CommandError, match=message):
        call_command("export_trajectories", number or job.pk, **options)
