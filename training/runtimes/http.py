"""An agent somewhere else, called back over HTTP: task and context go out, a trajectory comes."""

import hashlib
import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal
from typing import Annotated, Any

import tenacity
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from evolution.ingest import Count, Step, problems_of
from evolution.llm.calls import Pace
from evolution.llm.documents import clean_text, parse
from evolution.llm.failures import retry_after
from playbooks.models import Agent
from training.runtimes import signing
from training.runtimes.addresses import AddressRefused, check_url
from training.runtimes.base import Attempt, Failure, InvalidRuntime, Outcome
from training.runtimes.heads import check_heads, chosen
from training.runtimes.numbers import count_of, number_of

TIMEOUT, MOST_TIMEOUT = 60.0, 600.0
TRIES = 3
BASE_SECONDS, MOST_SECONDS = 0.5, 8.0
_DETAIL_CHARS = 200


class Answer(BaseModel):
    """What an agent sends back; null means the same as absent."""

    model_config = ConfigDict(extra="forbid", strict=True)

    trajectory_id: str | None = None
    success: bool | None = None
    output_quality: Annotated[float, Field(ge=0, le=1)] | None = None
    answer: Any = None
    steps: Annotated[list[Step], Field(max_length=5_000)] = []
    tokens: Count | None = None
    cost_usd: Annotated[float, Field(ge=0, le=10_000)] | None = None


@dataclass(eq=False)
class CallFailed(Exception):
    """One call that brought no trajectory."""

    failure: Failure
    detail: str
    retry: bool = False
    # Seconds that the agent asks to wait.
    after: float = 0.0


class HttpRuntime:
    """Calls an agent at a URL; every attempt has one id, under which it may be sent again."""

    simulated = False
    metered = False

    def __init__(
        self,
        spec: Mapping[str, Any],
        secret: str,
        pace: Pace | None = None,
        now: Callable[[], float] = time.time,
    ) -> None:
        self._spec, self._secret, self._now = spec, secret, now
        self._pace = pace or Pace()

    def worst_case_usd(self, max_steps: int) -> Decimal:
        """Return what the spec says that one run of the agent costs at most, in US dollars."""
        return Decimal(str(self._spec["max_cost_usd"]))

    def run(self, attempt: Attempt) -> Outcome:
        """Have the agent try once; what does not work is a failure of the outcome."""
        began = time.monotonic()
        message = self._message(attempt)
        ends = began + float(self._spec["timeout"])
        retrying = tenacity.Retrying(
            stop=tenacity.stop_after_attempt(TRIES),
            retry=tenacity.retry_if_exception(lambda error: self._may_retry(error, ends)),
            wait=self._wait,
            sleep=self._pace.sleep,
            reraise=True,
        )
        try:
            answer = retrying(self._call, message, ends)
        except CallFailed as failed:
            seconds = time.monotonic() - began
            return Outcome(failure=failed.failure, error=failed.detail, seconds=seconds)
        return _outcome(answer, attempt.max_steps, time.monotonic() - began)

    def _message(self, attempt: Attempt) -> dict[str, Any]:
        """Return what the agent is told; never what outcome is expected."""
        message: dict[str, Any] = {
            "job_id": attempt.job_id,
            "task": {"query": attempt.task.query, "type": attempt.task.task_type},
            "context": attempt.context,
            "bullets": [{"id": name, "text": text} for name, _, text in attempt.bullets],
            "heads": chosen(self._spec["heads"], attempt.heads),
            "seed": attempt.seed,
            "max_steps": attempt.max_steps,
        }
        # The same attempt, sent again by whoever takes the job over, has the same id.
        about = json.dumps([message, attempt.task.number, attempt.trial], sort_keys=True)
        digest = hashlib.sha256(about.encode()).hexdigest()
        return {**message, "trajectory_id": f"{attempt.job_id}-{digest[:32]}"}

    def _call(self, message: Mapping[str, Any], ends: float) -> Answer:
        """Send once; raises CallFailed."""
        # Not on top: it takes a tenth of a second in processes that never call an agent.
        from training.runtimes import outgoing

        body, name = json.dumps(message).encode(), message["trajectory_id"]
        headers = {
            "content-type": "application/json",
            "idempotency-key": name,
            **signing.headers_of(self._secret, name, body, now=self._now()),
        }
        left = max(0.001, ends - time.monotonic())
        try:
            reply = outgoing.send(
                "POST", self._spec["url"], headers=headers, body=body, seconds=left
            )
        except AddressRefused as error:
            raise CallFailed("refused", f"the agent {error}") from error
        except outgoing.Late as error:
            raise CallFailed("timeout", str(error)) from error
        except outgoing.TooLong as error:
            raise CallFailed("broken", str(error)) from error
        except outgoing.Lost as error:
            raise CallFailed("broken", f"the connection failed: {error}", retry=True) from error
        if reply.status != 200:
            raise _refusal(reply.status, reply.body, reply.retry_after)
        return _read(reply.body, name)

    def _may_retry(self, error: BaseException, ends: float) -> bool:
        if not isinstance(error, CallFailed) or not error.retry:
            return False
        return time.monotonic() + error.after < ends

    def _wait(self, state: tenacity.RetryCallState) -> float:
        """Return the seconds to the next try: full jitter on top of what the agent asks for."""
        error: Any = state.outcome.exception() if state.outcome else None
        most = min(MOST_SECONDS, BASE_SECONDS * 2 ** (state.attempt_number - 1))
        return float(error.after) + most * self._pace.chance()


def check(spec: Mapping[str, Any], agent: Agent | None) -> dict[str, Any]:
    """Return the spec with defaults: seconds of an attempt, its dearest cost, no heads."""
    try:
        url = check_url(spec.get("url"))
    except AddressRefused as error:
        raise InvalidRuntime("runtime.url", str(error)) from error
    return {
        "name": "http",
        "url": url,
        "timeout": number_of(spec, "timeout", TIMEOUT, 0.1, MOST_TIMEOUT),
        "max_cost_usd": number_of(spec, "max_cost_usd", 0.0, 0.0, 10_000.0),
        "secret_version": count_of(spec, "secret_version", 1, 1, 10**6),
        "heads": check_heads(spec),
    }


def make(spec: Mapping[str, Any], agent: Agent | None) -> HttpRuntime:
    """Return the runtime of a checked spec, which signs with the secret of `agent`."""
    if agent is None:
        raise InvalidRuntime("runtime.name", "http needs an agent, whose secret signs its calls")
    return HttpRuntime(spec, signing.secret_of(agent, spec["secret_version"]))


def _refusal(status: int, body: bytes, after: str) -> CallFailed:
    if 300 <= status < 400:
        return CallFailed("refused", f"status {status}: a redirect is not followed")
    text = " ".join(clean_text(body[:2000].decode(errors="replace")).split())[:_DETAIL_CHARS]
    detail = f"status {status}: {text}" if text else f"status {status}"
    asked = retry_after(after, datetime.now(UTC)) or 0.0
    if status in (408, 429) or status >= 500:
        failure: Failure = "refused" if status == 429 else "broken"
        return CallFailed(failure, detail, retry=True, after=asked)
    return CallFailed("refused", detail)


def _read(body: bytes, name: str) -> Answer:
    try:
        answer = Answer.model_validate(parse(body))
    except ValidationError as error:
        first = problems_of(error)[0]
        raise CallFailed(
            "broken", f"{first['pointer'] or 'the answer'} {first['message']}"
        ) from None
    except ValueError as error:
        raise CallFailed("broken", f"the answer is no clear JSON: {error}"[:300]) from None
    if answer.trajectory_id not in (None, name):
        raise CallFailed("broken", "the answer names another trajectory_id")
    return answer


def _outcome(answer: Answer, max_steps: int, seconds: float) -> Outcome:
    """Return what the agent said; of more steps than it was allowed, the first ones."""
    counts = [step["tokens"] for step in answer.steps if step.get("tokens") is not None]
    known = [count for count in counts if count is not None]
    cost = answer.cost_usd
    return Outcome(
        steps=[dict(step) for step in answer.steps[:max_steps]],
        success=answer.success,
        output_quality=answer.output_quality,
        answer=answer.answer,
        tokens=answer.tokens if answer.tokens is not None else (sum(known) if known else None),
        cost_usd=None if cost is None or not math.isfinite(cost) else Decimal(str(cost)),
        seconds=seconds,
        truncated=len(answer.steps) > max_steps,
    )
