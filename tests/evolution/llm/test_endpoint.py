"""The scripted endpoint of the tests does what its script says, and logs what it did."""

import http.client
import json
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.endpoint import Endpoint, Reply, answer, read_log, refusal, spawned


def post(base_url: str, body: object) -> tuple[int, bytes]:
    parts = urlsplit(base_url)
    link = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=30)
    try:
        link.request("POST", f"{parts.path}/chat/completions", json.dumps(body), {"X-A": "b"})
        got = link.getresponse()
        return got.status, got.read()
    finally:
        link.close()


def test_replies_come_in_order_and_the_last_one_repeats() -> None:
    with Endpoint([refusal(500), answer("fine")]) as endpoint:
        statuses = [post(endpoint.base_url, {})[0] for _ in range(3)]
    assert statuses == [500, 200, 200]


def test_the_log_holds_request_and_usage() -> None:
    with Endpoint([answer("fine", prompt=7, completed=3)]) as endpoint:
        post(endpoint.base_url, {"model": "m"})
        (met,) = endpoint.finished()
    assert met.body == {"model": "m"} and met.headers["x-a"] == "b"
    assert met.path == "/v1/chat/completions" and met.status == 200 and met.whole
    assert met.usage is not None and met.usage["prompt_tokens"] == 7
    assert met.time_out is not None and met.time_out >= met.time_in


def test_a_cut_body_is_not_whole() -> None:
    with Endpoint([Reply({"a": "b" * 100}, cut_after=10)]) as endpoint:
        with pytest.raises(http.client.IncompleteRead) as caught:
            post(endpoint.base_url, {})
        assert len(caught.value.partial) == 10
        (met,) = endpoint.finished()
    assert not met.whole and met.bytes_sent == 10


def test_chunks_and_drips_arrive_whole() -> None:
    replies = [Reply(iter([b'{"a":', b"1}"])), Reply(b"drip", gap=0.001), Reply(b"pp", pause=0.001)]
    with Endpoint(replies) as endpoint:
        bodies = [post(endpoint.base_url, {})[1] for _ in replies]
    assert bodies == [b'{"a":1}', b"drip", b"pp"]


def test_an_endpoint_in_a_process_of_its_own_writes_a_log(tmp_path: Path) -> None:
    log = tmp_path / "endpoint.log"
    with spawned(log, content="hello", prompt=11) as base_url:
        status, body = post(base_url, {"model": "m"})
        assert status == 200 and b"hello" in body
    (met,) = read_log(log)
    assert met.body == {"model": "m"} and (met.usage or {})["prompt_tokens"] == 11
