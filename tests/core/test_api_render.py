"""Strict JSON in, exact JSON out."""

import json
import time
from datetime import UTC, datetime
from uuid import UUID

import pytest

from ace_project.core.api.render import dumps, is_shallow, loads
from ace_project.core.errors import InvalidInput

DEEP = 10_000


@pytest.mark.parametrize(
    ("body", "pointer", "word"),
    [
        (b'{"a": ["\\u0000"]}', "/a/0", "NUL"),
        (b'{"a\\u0000": 1}', "", "NUL"),
        (b'{"a": {"b": "\\ud800"}}', "/a/b", "surrogate"),
        (b'{"\\udfff": 1}', "", "surrogate"),
        (b'{"a/b": {"c~d": "\\ud800x"}}', "/a~1b/c~0d", "surrogate"),
        (b'{"a": NaN}', "", "NaN"),
        (b"[Infinity]", "", "Infinity"),
        (b"[-Infinity]", "", "Infinity"),
        (b'{"a": 1e400}', "/a", "too large"),
        (b"9" * 5000, "", "4,300 digits"),
        (b'{"a": "\xff"}', "", "UTF-8"),
        (b"{", "", "not JSON"),
        (b"", "", "not JSON"),
        (b"{} {}", "", "not JSON"),
        (b"{'a': 1}", "", "not JSON"),
        (b"\xef\xbb\xbf{}", "", "not JSON"),
        (b"[" * DEEP, "", "deeper than 64"),
        (b"[" * DEEP + b"]" * DEEP, "", "deeper than 64"),
        (b'{"a":' * DEEP + b"1" + b"}" * DEEP, "", "deeper than 64"),
        (b"[" * 65 + b"]" * 65, "", "deeper than 64"),
        (b"[" * 65 + b"1234567890123456789" + b"]" * 65, "", "deeper than 64"),
    ],
)
def test_what_cannot_be_kept_is_refused_with_its_place(body, pointer, word):
    with pytest.raises(InvalidInput) as caught:
        loads(body)
    assert caught.value.status == 400
    assert caught.value.errors[0]["pointer"] == pointer
    assert word in caught.value.errors[0]["message"]


@pytest.mark.parametrize(
    "value",
    [
        {"a": 2**64, "b": -(10**300), "c": [1.5, 1e300, 0.1234567890123456789]},
        {"text": "\\u0000 as six letters", "é": "🙂"},
        [[]] * 3,
        {"": None, "~": {"/": True}},
        json.loads("[" * 64 + "]" * 64),
    ],
)
def test_what_goes_in_comes_out_the_same(value):
    assert loads(json.dumps(value).encode()) == value
    assert json.loads(dumps(value)) == value


def test_times_and_ids_are_written_as_text():
    moment = datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC)
    document = {"at": moment, "id": UUID(int=7), "big": 10**30}
    assert json.loads(dumps(document)) == {
        "at": "2026-01-02T03:04:05.000678Z",
        "id": str(UUID(int=7)),
        "big": 10**30,
    }


def test_many_faults_are_told_but_not_without_end():
    with pytest.raises(InvalidInput) as caught:
        loads(json.dumps(["\x00"] * 1000).encode())
    assert len(caught.value.errors) == 20


def test_depth_is_counted_without_recursion():
    value: list[object] = []
    for _ in range(100_000):
        value = [value]
    assert not is_shallow(value)
    while value:
        value = value.pop()  # type: ignore[assignment]


def test_a_long_hostile_body_is_refused_without_hanging():
    started = time.perf_counter()
    with pytest.raises(InvalidInput):
        loads(b"[" * 10_000_000)
    with pytest.raises(InvalidInput):
        loads(b'"' + b"\\ud800" * 1_000_000 + b'"')
    assert time.perf_counter() - started < 60
