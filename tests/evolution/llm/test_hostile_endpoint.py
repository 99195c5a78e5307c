"""An endpoint that means harm, or is broken: each answer ends as a recorded failure, in time."""

import gzip
import itertools
import json
import socket
import threading
import time
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import pytest

from evolution.llm import gateway, wire
from evolution.llm.gateway import ModelUnavailable
from evolution.models import LlmCall, LlmExchange
from tests.endpoint import Endpoint, Reply, answer, completion
from tests.evolution.llm.conftest import KEY, assert_money_is_explained, calls

pytestmark = pytest.mark.django_db

Put = Callable[..., gateway.Answer]
# A guard against hanging, not a measurement: a call of SHORT must end long before.
HANGS = 30.0
# The whole time of a call where that must run out; enough to connect on a loaded machine.
SHORT = 1.5
BIG = wire.MAX_BYTES
QUERY_KEY = "AIza-test-7c31"
SCHEMA = {"name": "anything", "schema": {"type": "object"}}


def raw(text: str, **options: Any) -> Reply:
    return Reply(text.encode(), **options)


def with_usage(**usage: Any) -> Reply:
    return Reply(json.dumps(completion("fine") | {"usage": usage}))


def with_content(content: str) -> Reply:
    """Return an answer whose content is the JSON string `content`, as written."""
    return raw(json.dumps(completion("CONTENT")).replace('"CONTENT"', content))


def endless(piece: bytes) -> Iterator[bytes]:
    return itertools.repeat(piece)


def bomb() -> bytes:
    """Return 100 MB of zeros in 100 kB."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    return b"".join(packer.compress(bytes(10**6)) for _ in range(100)) + packer.flush()


@contextmanager
def dripping_headers() -> Iterator[str]:
    """Yield the base URL of a server that sends its headers a byte at a time, without end."""
    over = threading.Event()

    def serve() -> None:
        link, _ = listener.accept()
        with link, suppress(OSError):
            link.sendall(b"HTTP/1.1 200 OK\r\nx: ")
            while not over.wait(0.02):
                link.sendall(b"y")

    with socket.create_server(("127.0.0.1", 0)) as listener:
        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}/v1"
        over.set()
        thread.join(10)


def unusable(reply: Reply, reason: str, name: str) -> Any:
    return pytest.param(reply, reason, id=name)


UNUSABLE = [
    unusable(raw(""), "no clear JSON", "nothing"),
    unusable(raw("{"), "no clear JSON", "half a document"),
    unusable(raw("null"), "no JSON object", "null"),
    unusable(raw("[]"), "no JSON object", "a list"),
    unusable(raw('"ok"'), "no JSON object", "a text"),
    unusable(raw("<html>no", content_type="text/html"), "a web page", "a page"),
    unusable(raw("data: {}\n\n", content_type="text/event-stream"), "streams", "a stream"),
    unusable(raw("{}"), "no chat completion", "an empty object"),
    unusable(raw('{"choices": []}'), "no chat completion", "no choices"),
    unusable(raw('{"choices": {"0": 1}}'), "no chat completion", "choices of another type"),
    unusable(raw('{"choices": [null]}'), "no chat completion", "a null choice"),
    unusable(raw('{"choices": [{"message": "ok"}]}'), "no chat completion", "a text as message"),
    unusable(raw('{"choices": [{"message": {}}]}'), "said nothing", "no content"),
    unusable(raw('{"choices": [{"message": {"content": 7}}]}'), "said nothing", "a number"),
    unusable(
        raw('{"choices": [{"message": {"content": [1, null, {"text": 2}]}}]}'), "said", "parts"
    ),
    unusable(raw('{"error": {"message": "boom"}}'), "an error with status 200: boom", "an error"),
    unusable(raw('{"error": "boom"}'), "an error with status 200: boom", "an error as text"),
    unusable(raw('{"error": [["x"]]}'), "an error with status 200", "an error as a list"),
    unusable(raw('{"choices": NaN}'), "NaN is no number", "NaN"),
    unusable(raw('{"choices": -Infinity}'), "no number", "infinity"),
    unusable(raw('{"choices": 1e999}'), "beyond all bounds", "a number beyond bounds"),
    unusable(raw('{"choices": ' + "9" * 5000 + "}"), "no clear JSON", "5,000 digits"),
    unusable(raw('{"choices": 1, "choices": 2}'), "a key twice", "a key twice"),
    unusable(raw("[" * 100_000 + "]" * 100_000), "nested too deeply", "100,000 levels"),
    unusable(raw('{"a":' * 100 + "1" + "}" * 100), "nested too deeply", "100 levels"),
    unusable(Reply(b"\xff\xfe{}"), "no clear JSON", "bytes that are no text"),
    unusable(Reply(json.dumps(completion("x")).encode("utf-16")), "no clear JSON", "UTF-16"),
    unusable(Reply(b" " * (BIG + 1)), "longer than", "too many bytes"),
    unusable(Reply(b"x" * 10**7), "longer than", "10 MB"),
    unusable(Reply(endless(b"x" * 65_536)), "longer than", "an endless answer"),
    unusable(Reply(bomb(), headers={"content-encoding": "gzip"}), "longer than", "a packed bomb"),
    unusable(Reply(b"{}", headers={"content-encoding": "gzip"}), "unpacked", "not packed at all"),
    unusable(Reply(b"{}", headers={"content-encoding": "br"}), "is packed", "packed otherwise"),
    unusable(Reply(b"{}", status=204, headers={"content-length": "0"}), "JSON", "no content"),
    unusable(Reply(completion("x"), cut_after=40), "broken off", "cut off in the middle"),
    unusable(Reply(completion("x"), cut_after=0), "broken off", "cut off after the headers"),
    unusable(Reply(drop=True), "broken off", "dropped"),
    unusable(Reply(b"{}", headers={"content-length": "9" * 30}), "broken off", "a false length"),
]


@pytest.mark.parametrize(("reply", "reason"), UNUSABLE)
def test_what_is_no_answer_is_a_recorded_failure(
    wired: Endpoint, put: Put, reply: Reply, reason: str
) -> None:
    reply.cut_after = 2 if len(reply.headers.get("content-length", "")) > 20 else reply.cut_after
    wired.play([reply])
    with pytest.raises(ModelUnavailable, match=reason):
        put()
    for call in calls():
        assert (call.state, call.worst_case) == ("settled", True)
        assert reason in call.error
    assert LlmExchange.objects.count() == len(calls())
    assert_money_is_explained()


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308, 304])
def test_a_redirect_is_not_followed_and_carries_no_key(
    wired: Endpoint, put: Put, status: int
) -> None:
    with Endpoint() as elsewhere:
        headers = {"location": f"{elsewhere.base_url}/chat/completions"}
        wired.play([Reply(b"", status=status, headers=headers)])
        with pytest.raises(ModelUnavailable, match="not followed"):
            put()
        assert elsewhere.log == [] and len(wired.log) == 1
    assert calls()[0].worst_case
    assert_money_is_explained()


@pytest.mark.parametrize(
    "reply",
    [
        pytest.param(answer("fine", delay=60), id="silent"),
        pytest.param(Reply(completion("fine"), pause=60), id="silent in the middle"),
        pytest.param(Reply(completion("fine"), gap=0.05), id="a byte at a time"),
        pytest.param(Reply(endless(b" "), gap=0.05), id="a byte at a time for ever"),
    ],
)
def test_no_answer_takes_longer_than_the_whole_time(
    wired: Endpoint, put: Put, settings: Any, reply: Reply
) -> None:
    settings.ACE_LLM_TIMEOUT_SECONDS = SHORT
    wired.play([reply])
    began = time.monotonic()
    with pytest.raises(ModelUnavailable, match="timed out"):
        put()
    assert time.monotonic() - began < HANGS
    assert len(wired.log) == 1
    (call,) = calls()
    assert call.worst_case and f"{SHORT:g} s" in call.error
    assert_money_is_explained()


def test_headers_that_drip_are_late_too(wired: Endpoint, put: Put, settings: Any) -> None:
    settings.ACE_LLM_TIMEOUT_SECONDS = SHORT
    began = time.monotonic()
    with dripping_headers() as base_url, pytest.raises(ModelUnavailable, match="timed out"):
        settings.ACE_LLM_BASE_URL = base_url
        put()
    assert time.monotonic() - began < HANGS
    assert calls()[0].worst_case


def test_an_error_stands_where_its_text_does_not_arrive(wired: Endpoint, put: Put) -> None:
    wired.play([Reply(b"{" * 1000, status=400, cut_after=10)])
    with pytest.raises(ModelUnavailable, match="status 400"):
        put()
    (call,) = calls()
    assert (call.outcome, call.status_code) == ("refused", 400)


def test_a_huge_error_is_cut(wired: Endpoint, put: Put) -> None:
    wired.play([Reply(b"e" * 10**7, status=400)])
    with pytest.raises(ModelUnavailable) as caught:
        put()
    assert len(caught.value.detail) < 1000 and len(calls()[0].error) < 1000


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"prompt_tokens": 10},
        {"prompt_tokens": -10, "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": -5},
        {"prompt_tokens": 10**12, "completion_tokens": 5},
        {"prompt_tokens": 10, "completion_tokens": 10**300},
        {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 10**12},
        {"prompt_tokens": "10", "completion_tokens": 5},
        {"prompt_tokens": 10.0, "completion_tokens": 5},
        {"prompt_tokens": True, "completion_tokens": 5},
        {"prompt_tokens": None, "completion_tokens": None},
        {"prompt_tokens": [10], "completion_tokens": {}},
        {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": 11},
        {"prompt_tokens": 10, "completion_tokens": 5, "cached_tokens": -1},
        {
            "prompt_tokens": 10,
            "completion_tokens": 5,
            "prompt_tokens_details": {"cached_tokens": "x"},
        },
    ],
)
def test_a_usage_that_cannot_be_true_is_settled_at_the_worst_case(
    wired: Endpoint, put: Put, usage: dict[str, Any]
) -> None:
    wired.play([with_usage(**usage)])
    assert put().usage is None
    (call,) = calls()
    assert call.worst_case and call.charged_usd == call.reserved_usd
    assert call.prompt_tokens is None and call.cost_usd is None
    assert_money_is_explained()


def test_the_thoughts_that_only_the_total_counts_are_paid_for(wired: Endpoint, put: Put) -> None:
    wired.play([with_usage(prompt_tokens=35, completion_tokens=12, total_tokens=109)])
    put()
    assert calls()[0].completion_tokens == 74
    wired.play([with_usage(prompt_tokens=35, completion_tokens=12, total_tokens=-1)])
    put()
    assert calls()[-1].completion_tokens == 12


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('"a\\u0000b"', "a\ufffdb"),
        ('"a\\ud83db"', "a\ufffdb"),
        ('"\\udc00"', "\ufffd"),
        ('"\\ud83d\\ude42"', "\U0001f642"),
        ('"<script>\\u202e"', "<script>\u202e"),
    ],
)
def test_texts_that_no_row_can_hold_are_replaced(
    wired: Endpoint, put: Put, content: str, text: str
) -> None:
    wired.play([with_content(content)])
    got = put()
    assert got.text == text
    # PostgreSQL takes it.
    LlmCall.objects.filter(pk=got.call.pk).update(error=got.text)
    assert LlmExchange.objects.get().answer


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ('{"a": 1}', {"a": 1}),
        ("[1]", [1]),
        ('Sure!\n```json\n{"a": 1}\n```', {"a": 1}),
        ('Sure! {"a": {"b": 2}} Done.', {"a": {"b": 2}}),
        ('<think>{"a": 0}</think>{"a": 1}', {"a": 1}),
        ('{"a": "\\u0000\\ud800"}', {"a": "\ufffd\ufffd"}),
        ("no JSON at all", None),
        ("42", None),
        ('{"a": 1, "a": 2}', None),
        ('{"a": NaN}', None),
        ("[" * 100_000, None),
        ('{"a":' * 1000 + "1" + "}" * 1000, None),
        ("{" * 100_000, None),
    ],
)
def test_the_document_in_an_answer_is_found_or_there_is_none(
    wired: Endpoint, put: Put, text: str, value: Any
) -> None:
    wired.play([answer(text)])
    got = put(SCHEMA)
    assert got.value == value and got.text == text
    assert calls()[0].outcome == "answered"


def test_a_packed_answer_is_read_all_the_same(wired: Endpoint, put: Put) -> None:
    packed = gzip.compress(json.dumps(completion("fine")).encode())
    wired.play([Reply(packed, headers={"content-encoding": "gzip"})])
    assert put().text == "fine"
    assert wired.log[0].headers["accept-encoding"] == "identity"


def test_a_chunked_answer_is_read(wired: Endpoint, put: Put) -> None:
    body = json.dumps(completion("fine")).encode()
    wired.play([Reply(iter([body[:10], body[10:]]))])
    assert put().text == "fine"


def test_the_key_is_in_no_log_no_row_and_no_error(
    wired: Endpoint, put: Put, caplog: pytest.LogCaptureFixture, settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL += f"?key={QUERY_KEY}"
    caplog.set_level("DEBUG")
    for name in ("openai", "httpx2", "httpcore2", "urllib3"):
        caplog.set_level("DEBUG", logger=name)
    echo = f"Incorrect key Bearer {KEY} given with {QUERY_KEY}"
    replies = [
        Reply({"error": {"message": echo}}, status=401),
        Reply({"error": {"message": echo}}),
        Reply(f"<html>{echo}", content_type="text/html"),
        Reply(completion(echo)),
    ]
    said = []
    for reply in replies:
        wired.play([reply])
        try:
            said.append(put().text)
        except ModelUnavailable as error:
            said.append(f"{error!r} {error} {error.__cause__!r} {error.__context__!r}")
    rows = [*LlmCall.objects.values_list(), *LlmExchange.objects.values_list()]
    assert len(wired.log) == 4 and all(KEY in met.headers["authorization"] for met in wired.log)
    assert all(met.path.endswith(f"/chat/completions?key={QUERY_KEY}") for met in wired.log)
    assert "chat/completions" in caplog.text
    for shown in (caplog.text, str(said), str(rows), repr(gateway.providers.configured())):
        assert KEY not in shown and QUERY_KEY not in shown
    assert "[key]" in said[-1] and "[key]" in str(rows)
