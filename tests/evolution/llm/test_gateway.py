"""Asking a model: what it says, what is tried again, where it falls back, what it costs."""

import socket
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest

from evolution.ledger import BudgetExceeded, TooBusy
from evolution.llm import breaker, failures, gateway
from evolution.llm import calls as llm_calls
from evolution.llm.gateway import AnswerRefused, ModelUnavailable, NoModel, Question, ask
from evolution.models import CallState, LlmCall, LlmExchange
from playbooks.models import Agent
from tests.endpoint import Endpoint, Exchange, Reply, answer, completion, refusal
from tests.evolution.llm.conftest import KEY, MODEL, Waits, assert_money_is_explained, calls

pytestmark = pytest.mark.django_db

Put = Callable[..., gateway.Answer]
SCHEMA = {"name": "colour", "schema": {"type": "object", "properties": {"colour": {}}}}


def test_an_answer_comes_with_its_usage_and_its_price(wired: Endpoint, put: Put) -> None:
    wired.play([answer("Blue.", prompt=1000, cached=400, completed=50)])
    got = put()
    assert (got.text, got.value, got.model, got.fallback) == ("Blue.", None, MODEL, ())
    (call,) = calls()
    assert (call.state, call.outcome, call.worst_case) == ("settled", "answered", False)
    assert (call.prompt_tokens, call.cached_tokens, call.completion_tokens) == (1000, 400, 50)
    # 600 at 2, 400 at 0.5 and 50 at 8 dollars for a million.
    assert call.cost_usd == call.charged_usd == Decimal("0.0018")
    assert got.call.pk == call.pk
    assert_money_is_explained()


def test_without_an_address_or_a_key_there_is_no_model(settings: Any) -> None:
    question = Question(messages=[], schema=None, purpose="test", max_tokens=16)
    with pytest.raises(NoModel):
        ask(question)
    assert not gateway.is_configured() and not calls()


def test_the_request_is_whole_and_never_streamed(wired: Endpoint, put: Put) -> None:
    put(max_tokens=77, temperature=0.3)
    (met,) = wired.log
    assert met.path == "/v1/chat/completions" and met.method == "POST"
    assert met.body == {
        "model": MODEL,
        "messages": [{"role": "user", "content": "Say ok."}],
        "max_tokens": 77,
        "temperature": 0.3,
        "stream": False,
    }
    assert met.headers["authorization"] == f"Bearer {KEY}"


def test_a_schema_is_asked_for_and_its_document_is_read(wired: Endpoint, put: Put) -> None:
    wired.play([answer({"colour": "blue"})])
    assert put(SCHEMA).value == {"colour": "blue"}
    wanted = {"name": "colour", "schema": SCHEMA["schema"], "strict": True}
    assert wired.log[0].body["response_format"] == {"type": "json_schema", "json_schema": wanted}


def lacking(*words: str) -> Callable[[Exchange], Reply]:
    """Return an endpoint that refuses requests with any of `words` in their body."""

    def reply(met: Exchange) -> Reply:
        found = next((word for word in words if word in str(met.body)), None)
        if found:
            return refusal(400, f"Unsupported parameter: '{found}'", param=found)
        return answer('Here you are:\n```json\n{"colour": "red"}\n```\nGood luck!')

    return reply


def test_an_endpoint_without_schemas_is_asked_in_words_and_that_is_remembered(
    wired: Endpoint, put: Put
) -> None:
    wired.play(lacking("response_format"))
    assert put(SCHEMA).value == {"colour": "red"}
    forms = [met.body.get("response_format", {}).get("type") for met in wired.log]
    assert forms == ["json_schema", "json_object", None]
    assert '"properties"' in wired.log[-1].body["messages"][-1]["content"]
    assert [call.outcome for call in calls()] == ["refused", "refused", "answered"]
    put(SCHEMA)
    assert len(wired.log) == 4 and "response_format" not in wired.log[-1].body
    assert_money_is_explained()


def test_the_name_of_the_limit_and_the_temperature_adapt(wired: Endpoint, put: Put) -> None:
    wired.play(lacking("max_tokens", "temperature"))
    put()
    assert wired.log[-1].body["max_completion_tokens"] == 1000
    assert "temperature" not in wired.log[-1].body and len(wired.log) == 3


def test_a_parameter_that_is_refused_under_each_name_ends_the_tries(
    wired: Endpoint, put: Put
) -> None:
    wired.play([refusal(400, "max_tokens or max_completion_tokens is too large")])
    with pytest.raises(AnswerRefused):
        put()
    assert len(wired.log) == 2
    assert_money_is_explained()


@pytest.mark.parametrize("status", [408, 409, 429, 500, 502, 503, 504, 529])
def test_what_may_pass_is_tried_again(wired: Endpoint, put: Put, waits: Waits, status: int) -> None:
    wired.play([refusal(status), answer("fine")])
    assert put().text == "fine"
    assert len(wired.log) == 2 and waits.slept == [0.25]
    first, second = calls()
    assert (first.state, first.outcome, first.status_code) == ("released", "refused", status)
    assert second.outcome == "answered"
    assert_money_is_explained()


@pytest.mark.parametrize("status", [400, 401, 403, 404, 413, 422])
def test_what_will_not_pass_is_not_tried_again(wired: Endpoint, put: Put, status: int) -> None:
    wired.play([refusal(status, "no, never")])
    with pytest.raises(ModelUnavailable, match="no, never") as caught:
        put()
    assert len(wired.log) == 1
    assert isinstance(caught.value, AnswerRefused) is (status in (400, 413, 422))
    (call,) = calls()
    assert (call.state, call.status_code) == ("released", status) and "no, never" in call.error
    assert_money_is_explained()


def test_a_used_up_quota_is_not_tried_again(wired: Endpoint, put: Put) -> None:
    wired.play([refusal(429, "You exceeded your quota", code="insufficient_quota")])
    with pytest.raises(ModelUnavailable, match="no quota"):
        put()
    assert len(wired.log) == 1


def test_a_filtered_question_is_refused(wired: Endpoint, put: Put) -> None:
    wired.play([refusal(400, "filtered", code="content_filter")])
    with pytest.raises(AnswerRefused, match="content filtered"):
        put()
    wired.play([answer(None, finish_reason="content_filter", prompt=10, completed=0)])
    with pytest.raises(AnswerRefused, match="content filter"):
        put()
    first, second = calls()
    assert (first.state, second.state) == ("released", "settled")
    assert second.prompt_tokens == 10 and not second.worst_case


def test_tries_end_after_three(wired: Endpoint, put: Put, waits: Waits) -> None:
    wired.play([refusal(503)])
    with pytest.raises(ModelUnavailable):
        put()
    assert len(wired.log) == gateway.TRIES == len(calls())
    assert waits.slept == [0.25, 0.5]


def test_the_waits_are_spread_over_their_whole_range(
    wired: Endpoint, put: Put, waits: Waits
) -> None:
    wired.play([refusal(503)])
    for chance in (0.0, 1.0):
        waits.chance = lambda chance=chance: chance
        with pytest.raises(ModelUnavailable):
            put()
    assert waits.slept == [0.0, 0.0, 0.5, 1.0]


def test_retry_after_is_waited_for(wired: Endpoint, put: Put, waits: Waits) -> None:
    wired.play([refusal(429, headers={"Retry-After": "7"}), answer("fine")])
    assert put().text == "fine"
    assert waits.slept == [7.25]


def test_a_long_retry_after_passes_the_model_over(
    wired: Endpoint, put: Put, waits: Waits, settings: Any
) -> None:
    settings.ACE_LLM_FALLBACK_MODELS = ["spare"]
    wired.play([refusal(429, headers={"Retry-After": "3600"}), answer("fine")])
    assert put().model == "spare"
    assert waits.slept == []


@pytest.mark.parametrize(
    ("header", "seconds"),
    [
        ("0", 0.0),
        (" 12 ", 12.0),
        ("Sun, 01 Nov 2026 12:00:30 GMT", 30.0),
        ("Sun, 01 Nov 2026 11:00:00 GMT", 0.0),
        ("Sun, 01 Nov 2026 12:00:30 -0000", 30.0),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("1e9", None),
        ("9" * 400, None),
        ("²", None),
        ("Sun, 01 Nov 2026 12:00:30 +99999999999999", None),
        ("Sun, 01 Nov 99999 12:00:30 GMT", None),
    ],
)
def test_retry_after_is_read_as_seconds_or_as_a_date(header: str, seconds: float | None) -> None:
    assert failures.retry_after(header, datetime(2026, 11, 1, 12, tzinfo=UTC)) == seconds


def test_an_address_where_nobody_listens_costs_nothing(
    wired: Endpoint, put: Put, settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL = "http://127.0.0.1:1/v1"
    with pytest.raises(ModelUnavailable, match="unreachable"):
        put()
    assert [(call.state, call.outcome) for call in calls()] == [("released", "unsent")] * 3
    assert_money_is_explained()


def test_a_name_that_does_not_resolve_costs_nothing(
    wired: Endpoint, put: Put, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def unknown(*_: Any) -> None:
        raise socket.gaierror("unknown name")

    settings.ACE_LLM_BASE_URL = "http://nowhere.invalid/v1"
    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(ModelUnavailable, match="unreachable"):
        put()
    assert {call.outcome for call in calls()} == {"unsent"}


def test_tls_that_fails_costs_nothing(wired: Endpoint, put: Put, settings: Any) -> None:
    settings.ACE_LLM_BASE_URL = wired.base_url.replace("http:", "https:")
    with pytest.raises(ModelUnavailable, match="unreachable"):
        put()
    assert {call.outcome for call in calls()} == {"unsent"} and not wired.log


def test_the_fallback_models_are_asked_in_order(wired: Endpoint, put: Put, settings: Any) -> None:
    settings.ACE_LLM_FALLBACK_MODELS = ["second", MODEL, "third"]
    bad = {MODEL: refusal(404, "no such model"), "second": refusal(401, "not for you")}
    wired.play(lambda met: bad.get(met.body["model"], answer("fine")))
    got = put()
    assert got.model == "third"
    assert [line.split(":")[0] for line in got.fallback] == [MODEL, "second"]
    assert "no such model" in got.fallback[0] and "not for you" in got.fallback[1]
    assert [call.model for call in calls()] == [MODEL, "second", "third"]
    # Nobody knows a price of it, and it counts all the same.
    assert calls()[-1].cost_usd is None and calls()[-1].charged_usd


def test_an_agent_may_have_a_model_of_its_own(
    wired: Endpoint, put: Put, agent: Agent, settings: Any
) -> None:
    settings.ACE_LLM_FALLBACK_MODELS = ["second"]
    agent.overrides = {"ACE_LLM_MODEL": "its-own"}
    wired.play([refusal(404), answer("fine")])
    put()
    assert [met.body["model"] for met in wired.log] == ["its-own", "second"]


def test_every_failure_is_named_when_no_model_is_left(
    wired: Endpoint, put: Put, settings: Any
) -> None:
    settings.ACE_LLM_FALLBACK_MODELS = ["second"]
    wired.play([refusal(401, "bad key"), refusal(404, "unknown")])
    with pytest.raises(ModelUnavailable) as caught:
        put()
    assert [reason.split(":")[0] for reason in caught.value.reasons] == [MODEL, "second"]


def test_an_open_breaker_passes_the_model_over_without_a_call(
    wired: Endpoint, put: Put, settings: Any
) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 2
    settings.ACE_LLM_FALLBACK_MODELS = ["second"]
    wired.play(lambda met: refusal(500) if met.body["model"] == MODEL else answer("fine"))
    assert put().model == "second"
    assert breaker.state(wired.base_url, MODEL) == "open"
    before = len(wired.log)
    got = put()
    assert got.model == "second" and "breaker open" in got.fallback[0]
    assert [met.body["model"] for met in wired.log[before:]] == ["second"]


@pytest.mark.parametrize(
    ("reply", "counts"),
    [
        (refusal(500), True),
        (refusal(401), True),
        (refusal(404), True),
        (Reply(b"<html>", content_type="text/html"), True),
        (refusal(400), False),
        (refusal(429), False),
        (answer(None), False),
    ],
)
def test_the_breaker_counts_what_is_the_endpoint_s_fault(
    wired: Endpoint, put: Put, settings: Any, reply: Reply, counts: bool
) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 1
    wired.play([reply])
    with pytest.raises(ModelUnavailable):
        put()
    assert breaker.state(wired.base_url, MODEL) == ("open" if counts else "closed")


def test_a_budget_without_room_sends_nothing_and_keeps_no_probe(
    wired: Endpoint, put: Put, settings: Any
) -> None:
    settings.ACE_CB_FAILURE_THRESHOLD = 1
    settings.ACE_CB_RECOVERY_TIMEOUT = 0.1
    wired.play([refusal(401), answer("fine")])
    with pytest.raises(ModelUnavailable):
        put()
    permit = None
    while permit is None:
        permit = breaker.permit(wired.base_url, MODEL)
    breaker.hand_back(permit)
    settings.ACE_MONTHLY_BUDGET_USD = 0.0
    with pytest.raises(BudgetExceeded):
        put()
    settings.ACE_MONTHLY_BUDGET_USD = 10.0
    assert put().text == "fine"


def test_a_full_house_is_waited_for_and_then_given_up(
    wired: Endpoint, put: Put, waits: Waits, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(**_: Any) -> LlmCall:
        raise busy

    busy = TooBusy("4 calls are under way", retry_after=2.0)
    monkeypatch.setattr(llm_calls.ledger, "reserve", full)
    settings.ACE_LLM_FALLBACK_MODELS = ["second"]
    with pytest.raises(ModelUnavailable, match="too many calls under way") as caught:
        put()
    assert len(caught.value.reasons) == 1 and not wired.log
    assert waits.slept == [3.0] * 6 and sum(waits.slept) <= settings.ACE_LLM_TIMEOUT_SECONDS


def test_the_exchange_is_kept_as_it_was_sent_and_as_it_came(wired: Endpoint, put: Put) -> None:
    wired.play([Reply("<b>half a page", content_type="text/html")])
    with pytest.raises(ModelUnavailable):
        put(messages=[{"role": "user", "content": "a\x00b\ud800"}])
    kept = LlmExchange.objects.get()
    assert kept.messages == wired.log[0].body["messages"]
    assert kept.messages == [{"role": "user", "content": "a\ufffdb\ufffd"}]
    assert kept.answer == "<b>half a page"


def test_a_long_answer_is_kept_in_part(wired: Endpoint, put: Put) -> None:
    wired.play([answer("é" * 300_000)])
    assert len(put().text) == 300_000
    assert len(LlmExchange.objects.get().answer.encode()) <= 200_000


def test_a_call_of_nobody_keeps_no_texts(wired: Endpoint, waits: Waits) -> None:
    question = Question(messages=[], schema=None, purpose="test", max_tokens=16)
    ask(question, pace=waits.pace)
    assert not LlmExchange.objects.exists() and calls()[0].agent is None


def test_more_tokens_than_were_reserved_are_settled_as_they_are(wired: Endpoint, put: Put) -> None:
    wired.play([answer("fine", prompt=50_000, completed=2_000)])
    put(max_tokens=16)
    (call,) = calls()
    assert call.charged_usd == Decimal("0.116") and call.charged_usd > call.reserved_usd
    assert not call.worst_case
    assert_money_is_explained()


def test_an_answer_without_usage_is_settled_at_the_worst_case(wired: Endpoint, put: Put) -> None:
    body = completion("fine")
    del body["usage"]
    wired.play([Reply(body)])
    assert put().usage is None
    (call,) = calls()
    assert call.worst_case and call.charged_usd == call.reserved_usd and call.cost_usd is None
    assert call.state == CallState.SETTLED
    assert_money_is_explained()


def test_what_is_reserved_covers_a_prompt_of_many_scripts(wired: Endpoint, put: Put) -> None:
    put(messages=[{"role": "user", "content": "Ωμέγα 漢字 🙂 " * 50}], max_tokens=100)
    (call,) = calls()
    # No tokenizer makes more of a text than its bytes.
    assert 100 + 50 * 8 <= call.reserved_tokens <= 100 + 50 * 30 + 200


def test_a_question_is_frozen_and_its_schema_may_be_bare() -> None:
    question = Question(messages=[], schema=SCHEMA, purpose="test", max_tokens=16)
    bare = replace(question, schema=SCHEMA["schema"])
    assert question.json_schema == bare.json_schema == SCHEMA["schema"]
    assert (question.schema_name, bare.schema_name) == ("colour", "answer")
