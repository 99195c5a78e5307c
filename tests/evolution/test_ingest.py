"""The shape of a trace, and the row that it becomes."""

import json
from datetime import UTC, datetime

import pytest

from ace_project.core.errors import InvalidInput
from evolution.ingest import (
    MAX_BATCH,
    MAX_STEPS,
    RecordedTrace,
    Refused,
    Trace,
    parse_batch,
    parse_trace,
    row_of,
)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
LEAST = {"agent_id": "a", "execution_time": 1.5, "success": True}


def row(**fields):
    body = json.dumps({**LEAST, **fields}).encode()
    return row_of(parse_trace(body, Trace), now=NOW, new_id=lambda: "made-up")


def problems(**fields):
    with pytest.raises(InvalidInput) as caught:
        row(**fields)
    return {error["pointer"]: error["message"] for error in caught.value.errors}


def test_what_a_trace_leaves_out_gets_its_default():
    made = row()
    assert (made.trace_id, made.captured_at, made.origin) == ("made-up", NOW, "agent")
    assert (made.task_id, made.task_group, made.task_type, made.session) == ("", "", "", "")
    assert (made.metadata, made.steps, made.bullets, made.tokens) == ("{}", "[]", None, None)


def test_null_means_the_same_as_absent():
    optional = set(Trace.model_fields) - set(LEAST)
    assert row(**dict.fromkeys(optional)) == row()


def test_the_task_is_its_own_group_unless_another_is_named():
    assert row(task_id="t").task_group == "t"
    assert row(task_id="t", task_group="g").task_group == "g"


def test_the_task_type_is_read_from_the_metadata_if_it_is_a_text():
    assert row(metadata={"task_type": "refund"}).task_type == "refund"
    assert row(metadata={"task_type": 7}).task_type == ""
    assert problems(metadata={"task_type": "x" * 256}) == {
        "/metadata/task_type": "is longer than 255 characters"
    }


def test_steps_errors_and_tokens_are_counted():
    steps = [
        {"tool": "a", "arguments": {}, "tokens": 10},
        {"tool": "b", "arguments": None, "error": ""},
        {"tool": "c", "arguments": [1], "error": None, "tokens": 5},
    ]
    made = row(steps=steps)
    assert (made.step_count, made.error_count, made.tokens) == (3, 1, 15)
    assert json.loads(made.steps) == steps


def test_the_time_of_capture_is_kept_with_its_offset():
    made = row(captured_at="2026-02-03T04:05:06+02:00")
    assert made.captured_at == datetime(2026, 2, 3, 2, 5, 6, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    ["2026-02-03T04:05:06", "2026-02-03", "1700000000", 1700000000, "soon", ""]
    + ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"],
)
def test_a_time_of_capture_without_offset_or_outside_the_calendar_is_refused(value):
    assert list(problems(captured_at=value)) == ["/captured_at"]


@pytest.mark.parametrize("value", [1, 0, "true", "yes", None, [], {}])
def test_success_is_strictly_a_truth_value(value):
    assert list(problems(success=value)) == ["/success"]


@pytest.mark.parametrize("value", [-0.1, True, "1", None, float("nan"), float("inf"), 10**400])
def test_execution_time_is_a_finite_number_of_seconds(value):
    assert list(problems(execution_time=value)) == ["/execution_time"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("output_quality", 1.01),
        ("trial", -1),
        ("trial", 2**31),
        ("playbook_version", 0),
        ("trace_id", ""),
        ("trace_id", "x" * 256),
        ("task_id", 7),
        ("bullets", "b"),
        ("metadata", []),
        ("steps", {}),
        ("error_message", "x" * 100_001),
    ],
)
def test_a_field_of_the_wrong_kind_or_size_is_named(field, value):
    assert list(problems(**{field: value})) == [f"/{field}"]


def test_an_unknown_key_is_named_so_that_a_slip_is_seen():
    assert problems(sucess=True) == {"/sucess": "is not a known key"}
    step = {"tool": "t", "arguments": {}, "args/x": 1}
    assert problems(steps=[step]) == {"/steps/0/args~1x": "is not a known key"}


def test_a_step_needs_its_tool_and_its_arguments():
    assert problems(steps=[{}]) == {
        "/steps/0/tool": "is required",
        "/steps/0/arguments": "is required",
    }


def test_there_is_an_end_to_the_steps_of_a_trace():
    step = {"tool": "t", "arguments": {}}
    assert row(steps=[step] * MAX_STEPS).step_count == MAX_STEPS
    assert list(problems(steps=[step] * (MAX_STEPS + 1))) == ["/steps"]


def test_metadata_and_steps_have_a_size():
    assert list(problems(metadata={"m": "x" * 1_000_001})) == ["/metadata"]
    big = {"tool": "t", "arguments": {}, "result": "x" * 5_000_001}
    assert list(problems(steps=[big])) == ["/steps"]


@pytest.mark.parametrize("place", ["agent_id", "trace_id", "task_id", "session", "error_message"])
def test_a_nul_is_refused_where_it_stands(place):
    assert problems(**{place: "a\0b"}) == {f"/{place}": "contains a NUL character"}


def test_a_nul_inside_metadata_or_steps_is_refused_where_it_stands():
    step = {"tool": "t", "arguments": {"deep/er": ["\0"]}}
    assert problems(steps=[step]) == {"/steps/0/arguments/deep~1er/0": "contains a NUL character"}
    assert problems(metadata={"\0": 1}) == {"/metadata": "has a key that contains a NUL character"}


@pytest.mark.parametrize(
    "number", ["NaN", "Infinity", "-Infinity", "1e999", "1" + "0" * 400 + ".5"]
)
def test_numbers_that_json_has_not_are_refused_where_they_stand(number):
    body = json.dumps({**LEAST, "metadata": {"n": [0]}}).replace("[0]", f"[{number}]")
    with pytest.raises(InvalidInput) as caught:
        row_of(parse_trace(body.encode(), Trace), now=NOW, new_id=str)
    assert caught.value.errors == [
        {"pointer": "/metadata/n/0", "message": "is not a finite number"}
    ]


def test_words_that_only_look_like_trouble_pass():
    said = {"s": "NaN and Infinity", "t": "a literal \\u0000"}
    assert json.loads(row(metadata=said).metadata) == said


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[",
        b"nul",
        b'"\\ud800"',
        b"\xff",
        b"[" * 100_000,
        b"9" * 5000,
        b"\xef\xbb\xbf{}",
        b"[]",
    ],
)
def test_what_is_no_json_object_is_refused(text):
    with pytest.raises(InvalidInput):
        parse_trace(text, Trace)


def test_at_most_twenty_errors_are_told_and_the_rest_counted():
    with pytest.raises(InvalidInput) as caught:
        row(steps=[{}] * 30)
    assert len(caught.value.errors) == 21
    assert caught.value.errors[-1]["message"] == "and 40 more of the kind"


def test_a_recorded_trace_may_leave_its_time_unsaid():
    body = json.dumps({"agent_id": "a", "success": False}).encode()
    made = row_of(parse_trace(body, RecordedTrace), now=NOW, new_id=str, origin="imported")
    assert made.execution_time is None
    assert made.origin == "imported"


def batch(*traces, **beside):
    return json.dumps({"traces": list(traces), **beside}).encode()


def test_one_bad_trace_of_a_batch_is_refused_alone():
    found = parse_batch(batch(LEAST, {**LEAST, "success": 1}, 7, LEAST))
    assert [isinstance(item, Refused) for item in found] == [False, True, True, False]
    assert found[1].errors[0]["pointer"] == "/success"


def test_a_nul_in_one_trace_of_a_batch_is_that_traces_fault():
    found = parse_batch(batch(LEAST, {**LEAST, "session": "\0"}))
    assert [isinstance(item, Refused) for item in found] == [False, True]
    assert found[1].errors == [{"pointer": "/session", "message": "contains a NUL character"}]


@pytest.mark.parametrize(
    "body",
    [
        b"{}",
        b"[]",
        b"x",
        b'{"traces": {}}',
        batch(LEAST, more=1),
        batch(*[LEAST] * (MAX_BATCH + 1)),
    ],
)
def test_what_is_no_batch_is_refused_as_a_whole(body):
    with pytest.raises(InvalidInput):
        parse_batch(body)


def test_a_batch_of_nothing_is_a_batch():
    assert parse_batch(batch()) == []
