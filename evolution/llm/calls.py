"""One try to get an answer from one model: permit, reserve, send, settle, tell the breaker.

No transaction is open while the network is. A process that dies in between leaves a reservation
that the ledger's sweeper settles at the worst case.
"""

import json
import random
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

from django.conf import settings
from django.db import IntegrityError, transaction

from ace_project.core.errors import AceError
from evolution import ledger
from evolution.ledger import Usage
from evolution.llm import breaker, prices
from evolution.llm.breaker import Permit
from evolution.llm.completions import Completion
from evolution.llm.failures import CallFailed, Kind
from evolution.llm.providers import Endpoint
from evolution.llm.question import Question
from evolution.models import EvolutionRun, LlmCall, LlmExchange
from playbooks.models import Agent
from playbooks.tokens import estimate_tokens

# Looking up a host and taking up a new process may go beyond the call's own time.
_GRACE_SECONDS = 30.0
# The marks around a message, and what a chat template puts at its ends.
_TOKENS_PER_MESSAGE, _TOKENS_PER_REQUEST = 8, 32
_ANSWER_BYTES = 200_000
# A usage may be above what was reserved, and is settled as it is; ten times that is a lie.
_BELIEVED_TIMES, _BELIEVED_TOKENS = 10, 100_000


@dataclass(frozen=True)
class Pace:
    """How waiting is done: tests pass a sleep that takes no time, and their own chance."""

    sleep: Callable[[float], None] = time.sleep
    # From 0 to 1.
    chance: Callable[[], float] = random.random


@dataclass(frozen=True)
class Caller:
    """Who asks what of which model."""

    endpoint: Endpoint
    model: str
    question: Question
    run: EvolutionRun | None
    agent: Agent | None
    pace: Pace
    job: int | None = None


@dataclass(frozen=True)
class Said:
    """What one try brought, and the row that says what it cost."""

    completion: Completion
    call: LlmCall


def try_once(caller: Caller, body: dict[str, Any]) -> Said:
    """Send `body` once; raises CallFailed, ledger.BudgetExceeded, or PricesInvalid.

    Whatever happened, the call's row says it before this returns.
    """
    worst = _worst_case(caller, body)
    permit, call = _admitted(caller, worst)
    began = time.monotonic()
    try:
        completion = _send(caller, body, worst)
    except CallFailed as failure:
        _end_failed(caller, call, failure, time.monotonic() - began)
        if failure.treatment.faulty:
            breaker.failed(permit, str(failure))
        else:
            breaker.succeeded(permit)
        _keep_exchange(caller, call, body, failure.raw or str(failure))
        raise
    _end_answered(caller, call, completion.usage, time.monotonic() - began)
    breaker.succeeded(permit)
    _keep_exchange(caller, call, body, completion.raw)
    return Said(completion, call)


def prompt_tokens(body: Mapping[str, Any]) -> int:
    """Return how many tokens the prompt of a request may have, by an estimate on the safe side."""
    texts = [
        part if isinstance(part, str) else json.dumps(part, ensure_ascii=False)
        for message in body["messages"]
        for part in message.values()
    ]
    texts += [json.dumps(body[name]) for name in ("response_format", "tools") if name in body]
    marks = _TOKENS_PER_MESSAGE * len(body["messages"]) + _TOKENS_PER_REQUEST
    return sum(map(estimate_tokens, texts)) + marks


@dataclass(frozen=True)
class _Worst:
    usd: Decimal
    tokens: int


def _worst_case(caller: Caller, body: dict[str, Any]) -> _Worst:
    """Return the most that the request can take: its text as estimated, the longest answer."""
    prompt = prompt_tokens(body)
    longest = caller.question.max_tokens
    usd = prices.worst_case(caller.endpoint.name, caller.model, prompt, longest, _now())
    return _Worst(usd, prompt + longest)


def _admitted(caller: Caller, worst: _Worst) -> tuple[Permit, LlmCall]:
    """Get a permit and a reservation, waiting for a place as long as one call may take.

    Who waits holds no permit: the time of a probe is that of one call. Raises CallFailed.
    """
    waited = 0.0
    while True:
        permit = breaker.permit(caller.endpoint.name, caller.model)
        if permit is None:
            raise CallFailed(Kind.OPEN, "it failed too often and is left alone for now", sent=False)
        try:
            return permit, _reserve(caller, worst)
        except ledger.TooBusy as busy:
            breaker.hand_back(permit)
            # Later than asked by up to as much again, so that those who wait do not come at once.
            pause = max(busy.retry_after, 0.05) * (1 + caller.pace.chance())
            if waited + pause > settings.ACE_LLM_TIMEOUT_SECONDS:
                raise CallFailed(Kind.CROWDED, busy.detail, sent=False) from busy
            caller.pace.sleep(pause)
            waited += pause
        except AceError:
            breaker.hand_back(permit)
            raise


def _reserve(caller: Caller, worst: _Worst) -> LlmCall:
    return ledger.reserve(
        run=caller.run,
        agent=caller.agent,
        purpose=caller.question.purpose,
        endpoint=caller.endpoint.name,
        model=caller.model,
        usd=worst.usd,
        tokens=worst.tokens,
        seconds=settings.ACE_LLM_TIMEOUT_SECONDS + _GRACE_SECONDS,
        job=caller.job,
    )


def _end_failed(caller: Caller, call: LlmCall, failure: CallFailed, seconds: float) -> None:
    """Release what was never sent or was refused; settle the rest, at the worst if need be."""
    if not failure.sent:
        ledger.release(call=call, outcome="unsent", error=str(failure))
    elif failure.status is not None and failure.status >= 400:
        ledger.release(call=call, outcome="refused", status_code=failure.status, error=str(failure))
    elif failure.usage is not None:
        _end_answered(caller, call, failure.usage, seconds)
    else:
        ledger.settle_worst_case(call=call, error=str(failure), seconds=seconds)


def _end_answered(caller: Caller, call: LlmCall, usage: Usage | None, seconds: float) -> None:
    if usage is None:
        ledger.settle_worst_case(
            call=call, error="answered without a usage that can be true", seconds=seconds
        )
        return
    quote = prices.quote(caller.endpoint.name, caller.model, usage, _now())
    ledger.settle(call=call, usage=usage, cost=quote.cost, charged=quote.charged, seconds=seconds)


def _send(caller: Caller, body: dict[str, Any], worst: _Worst) -> Completion:
    # Not on top: the openai package takes a second and 30 MB, in processes that never ask.
    from evolution.llm import client

    return client.send(
        caller.endpoint,
        body,
        seconds=settings.ACE_LLM_TIMEOUT_SECONDS,
        at_most_tokens=worst.tokens * _BELIEVED_TIMES + _BELIEVED_TOKENS,
    )


def _keep_exchange(caller: Caller, call: LlmCall, body: dict[str, Any], raw: str) -> None:
    agent = caller.agent or (caller.run.agent if caller.run else None)
    if agent is None:
        return
    answer = raw.encode(errors="replace")[:_ANSWER_BYTES].decode(errors="ignore")
    # Texts go with their agent, also with one that was erased while the model spoke.
    with suppress(IntegrityError), transaction.atomic():
        LlmExchange.objects.create(call=call, agent=agent, messages=body["messages"], answer=answer)


def _now() -> datetime:
    return datetime.now(UTC)
