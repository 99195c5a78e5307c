"""An agent that is called back: what it is told, who calls it, how badly it may answer."""

import json
import socket
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from bench.http_agent import is_signed
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent
from playbooks.selectors import agent_by_id
from tests.endpoint import Endpoint, Reply
from tests.training.runtimes.conftest import NO_WAIT, SECRET, attempt_at
from training.runtimes import signing
from training.runtimes.base import Failure, InvalidRuntime, Task
from training.runtimes.http import HttpRuntime
from training.runtimes.registry import check_runtime, make_runtime

Calling = Callable[..., HttpRuntime]
STEP = {"tool": "look", "arguments": {"id": 7}, "result": {"ok": True}, "tokens": 4}
FINE = {"success": True, "output_quality": 0.5, "answer": "done", "steps": [STEP], "cost_usd": 0.01}


def test_a_trajectory_comes_back(agent_at: Endpoint, calling: Calling) -> None:
    agent_at.play([Reply(FINE)])
    outcome = calling(max_cost_usd=0.02).run(attempt_at())
    assert outcome.failure is None and outcome.success and outcome.answer == "done"
    assert list(outcome.steps) == [STEP] and not outcome.truncated
    assert (outcome.tokens, outcome.cost_usd, outcome.output_quality) == (4, Decimal("0.01"), 0.5)
    assert calling(max_cost_usd=0.02).worst_case_usd(20) == Decimal("0.02")


def test_the_agent_is_told_the_task_and_never_what_is_expected(
    agent_at: Endpoint, calling: Calling
) -> None:
    agent_at.play([Reply(FINE)])
    runtime = calling(heads={"strategy": ["plan first", "act at once"]})
    runtime.run(attempt_at(heads={"strategy": 1}))
    (met,) = agent_at.finished()
    name = met.body.pop("trajectory_id")
    assert met.body == {
        "job_id": 3,
        "task": {"query": "Refund order 7", "type": "refund"},
        "context": "# Rules",
        "bullets": [{"id": "rules-1", "text": "Before issue_refund, call check_policy."}],
        "heads": {"strategy": "act at once"},
        "seed": 5,
        "max_steps": 5,
    }
    assert "secret-outcome" not in met.text
    assert met.headers["idempotency-key"] == met.headers["webhook-id"] == name


def test_the_signature_holds_for_this_body_this_secret_and_this_moment(
    agent_at: Endpoint, calling: Calling
) -> None:
    agent_at.play([Reply(FINE)])
    runtime = HttpRuntime(calling()._spec, SECRET, NO_WAIT, now=lambda: 1_800_000_000.9)
    runtime.run(attempt_at())
    (met,) = agent_at.finished()
    body = met.text.encode()
    assert is_signed(SECRET, met.headers, body, 1_800_000_100)
    assert not is_signed(SECRET, met.headers, body, 1_800_000_400)
    assert not is_signed(SECRET, met.headers, body + b" ", 1_800_000_100)
    assert not is_signed("whsec_AAAA", met.headers, body, 1_800_000_100)
    assert not is_signed(SECRET, met.headers | {"webhook-id": "x"}, body, 1_800_000_100)


def test_the_signature_is_that_of_standard_webhooks() -> None:
    # The example of the reference libraries.
    headers = signing.headers_of(
        SECRET, "msg_p5jXN8AQM9LWM0D4loKWxJek", b'{"test": 2432232314}', now=1614265330
    )
    assert headers["webhook-signature"] == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


def test_a_secret_is_of_one_agent_and_version(settings: Any) -> None:
    def secret(pk: int, version: int) -> str:
        return signing.secret_of(Agent(pk=pk, agent_id="bot"), version)

    secrets = [secret(1, 1), secret(1, 2), secret(2, 1)]
    settings.SECRET_KEY = "another" * 8
    assert len({*secrets, secret(1, 1)}) == 4


BAD: dict[str, tuple[Reply, Failure, str]] = {
    "fails": (Reply({"error": "out of order"}, 500), "broken", "status 500"),
    "is busy": (Reply("later", 429), "refused", "status 429: later"),
    "refuses": (Reply("who are you", 401), "refused", "status 401: who are you"),
    "redirects": (
        Reply("", 307, {"location": "http://169.254.169.254/latest/meta-data"}),
        "refused",
        "redirect",
    ),
    "leaves": (Reply(drop=True), "broken", "connection"),
    "breaks off": (Reply(FINE, cut_after=20), "broken", "connection"),
    "talks garbage": (Reply("<html>hello</html>", content_type="text/html"), "broken", "JSON"),
    "says NaN": (Reply(b'{"success": true, "output_quality": NaN}'), "broken", "NaN"),
    "sends 10 MB": (Reply(b'{"answer": "' + b"x" * 10_000_000 + b'"}'), "broken", "longer"),
    "inflates": (Reply(b"\x1f\x8b\x08\x00garbage", 200, {"content-encoding": "br"}), "broken", ""),
    "misspells": (Reply({"sucess": True}), "broken", "/sucess"),
    "has other types": (Reply({"success": "yes"}), "broken", "/success"),
    "has odd steps": (Reply({"steps": [{"name": "look"}]}), "broken", "/steps/0"),
    "is too good": (Reply({"output_quality": 1.5}), "broken", "/output_quality"),
    "is a list": (Reply([FINE]), "broken", "the answer"),
    "means another": (Reply({**FINE, "trajectory_id": "9-x"}), "broken", "trajectory_id"),
}


def test_one_that_goes_wrong_is_recorded_and_the_others_go_on(
    agent_at: Endpoint, calling: Calling
) -> None:
    agent_at.play(lambda met: BAD.get(met.body["task"]["query"], (Reply(FINE),))[0])
    queries = [query for bad in BAD for query in (bad, f"fine beside {bad}")]
    runtime = calling()
    with ThreadPoolExecutor(8) as threads:
        outcomes = list(threads.map(runtime.run, map(attempt_at, queries)))
    for query, outcome in zip(queries, outcomes, strict=True):
        if query not in BAD:
            assert outcome.failure is None and outcome.success, (query, outcome)
            continue
        _, failure, told = BAD[query]
        assert outcome.failure == failure and told in outcome.error, (query, outcome)
        assert outcome.success is None and not outcome.steps
    paths = {met.path for met in agent_at.finished()}
    assert paths == {"/v1"}


def test_one_that_hangs_is_a_timeout_and_is_not_sent_again(
    agent_at: Endpoint, calling: Calling
) -> None:
    agent_at.play([Reply(FINE, delay=600)])
    assert calling(timeout=0.3).run(attempt_at()).failure == "timeout"
    drip = Reply(b" " * 600 + json.dumps(FINE).encode(), gap=0.1)
    agent_at.play([drip])
    assert calling(timeout=0.3).run(attempt_at()).failure == "timeout"
    assert len(agent_at.log) == 2


def test_a_call_that_may_work_later_is_sent_again_under_its_name(
    agent_at: Endpoint, calling: Calling
) -> None:
    slept: list[float] = []
    agent_at.play([Reply(status=503, headers={"retry-after": "2"}), Reply(drop=True), Reply(FINE)])
    pace = replace(NO_WAIT, sleep=slept.append)
    outcome = HttpRuntime(calling()._spec, SECRET, pace).run(attempt_at())
    assert outcome.failure is None and outcome.success
    names = {met.headers["idempotency-key"] for met in agent_at.finished()}
    assert len(names) == 1 and len(agent_at.log) == 3
    assert slept[0] > 2


def test_it_gives_up_after_three_calls(agent_at: Endpoint, calling: Calling) -> None:
    agent_at.play([Reply(status=500)])
    assert calling().run(attempt_at()).failure == "broken"
    assert len(agent_at.finished()) == 3


def test_a_name_is_of_one_attempt(agent_at: Endpoint, calling: Calling) -> None:
    agent_at.play([Reply(FINE)])
    first = attempt_at()
    others = [
        replace(first, trial=1),
        replace(first, seed=6),
        replace(first, job_id=4),
        replace(first, task=Task(1, "Refund order 7", task_type="refund")),
    ]
    for attempt in (first, first, *others):
        calling().run(attempt)
    names = [met.headers["idempotency-key"] for met in agent_at.finished()]
    assert names[0] == names[1] and len(set(names)) == 5


def test_more_steps_than_allowed_are_cut(agent_at: Endpoint, calling: Calling) -> None:
    agent_at.play([Reply({**FINE, "steps": [STEP] * 9})])
    outcome = calling().run(attempt_at())
    assert len(outcome.steps) == 5 and outcome.truncated


def test_loopback_is_refused_unless_a_setting_allows_it(
    agent_at: Endpoint, calling: Calling, settings: Any
) -> None:
    runtime = calling()
    settings.ACE_ALLOWED_PRIVATE_NETWORKS = []
    outcome = runtime.run(attempt_at())
    assert outcome.failure == "refused" and "ACE_ALLOWED_PRIVATE_NETWORKS" in outcome.error
    with pytest.raises(InvalidRuntime) as caught:
        check_runtime({"name": "http", "url": agent_at.base_url})
    assert caught.value.field == "runtime.url"
    assert not agent_at.log


@pytest.mark.parametrize(
    ("changed", "field"),
    [
        ({"url": None}, "runtime.url"),
        ({"url": "ftp://a.example/"}, "runtime.url"),
        ({"url": "https://"}, "runtime.url"),
        ({"url": "https://user:word@a.example/"}, "runtime.url"),
        ({"url": "https://a.example:99999/"}, "runtime.url"),
        ({"url": "https://a.example/\r\nx: y"}, "runtime.url"),
        ({"timeout": 0}, "runtime.timeout"),
        ({"timeout": float("nan")}, "runtime.timeout"),
        ({"max_cost_usd": -1}, "runtime.max_cost_usd"),
        ({"secret_version": 0}, "runtime.secret_version"),
        ({"heads": {"route": ["one"]}}, "runtime.heads.route"),
        ({"heads": ["route"]}, "runtime.heads"),
        ({"secret": "whsec_x"}, "runtime.secret"),
    ],
)
def test_a_wrong_spec_names_its_field(changed: dict[str, Any], field: str) -> None:
    with pytest.raises(InvalidRuntime) as caught:
        check_runtime({"name": "http", "url": "https://agent.example/try", **changed})
    assert caught.value.field == field


def test_what_was_looked_up_and_checked_is_what_is_connected_to(
    agent_at: Endpoint, calling: Calling, monkeypatch: pytest.MonkeyPatch
) -> None:
    agent_at.play([Reply(FINE)])
    really, asked = socket.getaddrinfo, []

    def rebinding(host: Any, port: Any, *more: Any, **options: Any) -> Any:
        if host == "agent.example":
            asked.append(host)
            host = "127.0.0.1" if len(asked) == 1 else "127.0.0.2"
        return really(host, port, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    outcome = calling(url=f"http://agent.example:{agent_at.port}/try").run(attempt_at())
    (met,) = agent_at.finished()
    assert outcome.success and len(asked) == 1
    assert met.headers["host"] == f"agent.example:{agent_at.port}"


@pytest.mark.django_db
def test_the_command_shows_the_secret_that_calls_are_signed_with(
    agent_at: Endpoint, capsys: pytest.CaptureFixture[str]
) -> None:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    agent = agent_by_id("bot")
    call_command("callback_secret", "bot")
    secret = capsys.readouterr().out.strip()
    agent_at.play([Reply(FINE)])
    runtime: Any = make_runtime(
        check_runtime({"name": "http", "url": agent_at.base_url}), agent=agent
    )
    runtime.run(attempt_at())
    (met,) = agent_at.finished()
    assert is_signed(
        secret, met.headers, met.text.encode(), float(met.headers["webhook-timestamp"])
    )
    with pytest.raises(CommandError):
        call_command("callback_secret", "nobody")
