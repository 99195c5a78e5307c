"""One request to a model's endpoint: an answer, or a failure that says what became of it."""

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import httpx2
import openai

from evolution.llm import completions, documents
from evolution.llm.completions import Completion
from evolution.llm.failures import CallFailed, Kind, retry_after
from evolution.llm.providers import Endpoint
from evolution.llm.wire import BoundedTransport, TooManyBytes, Wire

_BY_STATUS = {
    401: Kind.BAD_KEY,
    403: Kind.BAD_KEY,
    404: Kind.NO_MODEL,
    408: Kind.SERVER_ERROR,
    409: Kind.SERVER_ERROR,
    429: Kind.RATE_LIMITED,
}
_NO_QUOTA = ("insufficient_quota", "billing_hard_limit_reached", "insufficient_balance")


def send(
    endpoint: Endpoint,
    body: Mapping[str, Any],
    *,
    seconds: float,
    at_most_tokens: int,
    now: Callable[[], datetime] = lambda: datetime.now(UTC),
) -> Completion:
    """Ask once, within `seconds` in all; raises CallFailed, whose texts hold no key.

    A usage of more than `at_most_tokens` is not believed.
    """
    wire = Wire(seconds)
    try:
        response = _post(endpoint, body, wire, seconds)
        completion = completions.read_completion(
            response.content,
            response.headers.get("content-type", ""),
            at_most_tokens,
            tools="tools" in body,
        )
    except openai.APIStatusError as error:
        failure = _refused(error.response, now())
    except openai.APITimeoutError:
        failure = _late(wire, seconds)
    except openai.APIConnectionError as error:
        failure = _lost(wire, error.__cause__)
    except CallFailed as error:
        failure = error
    else:
        return Completion(
            endpoint.scrub(completion.text),
            completion.finish_reason,
            completion.usage,
            endpoint.scrub(completion.raw),
            tuple(
                replace(call, arguments=endpoint.scrub(call.arguments))
                for call in completion.tool_calls
            ),
        )
    failure.detail, failure.raw = endpoint.scrub(failure.detail), endpoint.scrub(failure.raw)
    raise failure


def _post(
    endpoint: Endpoint, body: Mapping[str, Any], wire: Wire, seconds: float
) -> httpx2.Response:
    transport = BoundedTransport(wire, endpoint.secrets, endpoint.query)
    with httpx2.Client(
        transport=transport, follow_redirects=False, timeout=seconds, trust_env=False
    ) as http:
        package = openai.OpenAI(
            # The transport adds the real one, so that the package has nothing to give away.
            api_key="in-the-transport",
            base_url=endpoint.url_for(str(body["model"])),
            max_retries=0,
            timeout=seconds,
            http_client=http,
        )
        answered = package.chat.completions.with_raw_response.create(**body)
        return answered.http_response


def _refused(response: httpx2.Response, now: datetime) -> CallFailed:
    status = response.status_code
    if status < 400:
        return CallFailed(Kind.REDIRECTED, f"status {status} is not followed", status=status)
    code, param, message = completions.read_error(response.content)
    failure = CallFailed(
        _kind(status, code, message),
        f"status {status}: {' '.join(filter(None, (code, param, message)))}",
        status=status,
        retry_after=retry_after(response.headers.get("retry-after", ""), now),
    )
    failure.raw = documents.clean_text(response.content.decode(errors="replace"))
    return failure


def _kind(status: int, code: str, message: str) -> Kind:
    if status == 429 and any(name in code or name in message for name in _NO_QUOTA):
        return Kind.NO_QUOTA
    if 400 <= status < 500 and "content_filter" in code:
        return Kind.FILTERED
    return _BY_STATUS.get(status, Kind.SERVER_ERROR if status >= 500 else Kind.BAD_REQUEST)


def _late(wire: Wire, seconds: float) -> CallFailed:
    if not wire.sent:
        return CallFailed(Kind.UNREACHABLE, "no connection in time", sent=False)
    return CallFailed(Kind.TIMED_OUT, f"no whole answer within {seconds:g} s")


def _lost(wire: Wire, cause: BaseException | None) -> CallFailed:
    if isinstance(cause, TooManyBytes):
        return CallFailed(Kind.UNUSABLE, str(cause))
    why = str(cause) or type(cause).__name__
    if not wire.sent:
        return CallFailed(Kind.UNREACHABLE, why, sent=False)
    return CallFailed(Kind.BROKEN_OFF, why)
