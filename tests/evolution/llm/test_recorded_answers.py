"""All recorded answers of real endpoints, served on loopback and met by the real client.

What must come of each is worked out here from its status and body alone, in another way than the
client does it.
"""

import gzip
import json
import math
import re
from collections import Counter
from collections.abc import Callable
from decimal import Decimal
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest

from evolution.llm import gateway
from evolution.llm.gateway import AnswerRefused, ModelUnavailable
from evolution.models import LlmCall
from tests.endpoint import Endpoint, Reply, answer
from tests.evolution.llm.conftest import assert_money_is_explained

pytestmark = [pytest.mark.django_db, pytest.mark.shared]

Recorded = dict[str, Any]
# Of the model of the tests, in millionths of a dollar for a token.
INPUT, CACHED, OUTPUT = Fraction(2), Fraction(1, 2), Fraction(8)
PARTS = 10
# Those worth another try, and the rest that refuse.
PASSING = {408, 409, 429}


@pytest.fixture(scope="module")
def recorded(shared_data: Path) -> list[Recorded]:
    path = shared_data / "llm" / "chat_completions.jsonl.gz"
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def as_served(item: Recorded) -> Reply:
    body = item["response"]
    kind = (item["response_content_type"] or ["application/json"])[0]
    return Reply(body, status=item["status"], content_type=kind)


def text_of(item: Recorded) -> str:
    """Return the text that the recorded answer holds, "" for none."""
    document = item["response"]
    if item["status"] != 200 or not isinstance(document, dict) or "choices" not in document:
        return ""
    choice = document["choices"][0]
    message = choice.get("message", {})
    if choice["finish_reason"] == "content_filter" or message.get("refusal"):
        return ""
    content = message.get("content") or ""
    if isinstance(content, list):
        content = "".join(part["text"] for part in content if part["type"] == "text")
    return content.strip()


def counts_of(item: Recorded) -> tuple[int, int, int] | None:
    """Return prompt, cached and completion tokens from the text of the recorded usage."""
    document = item["response"]
    usage = document.get("usage") if isinstance(document, dict) else None
    if not usage:
        return None
    text = json.dumps(usage)
    cached = [int(n) for n in re.findall(r'"(?:num_)?cached_tokens": (\d+)', text)]
    return (
        usage["prompt_tokens"],
        max(cached, default=0),
        usage["total_tokens"] - usage["prompt_tokens"],
    )


def dollars(counts: tuple[int, int, int]) -> Decimal:
    """Return the price, rounded up to a hundred-millionth of a dollar."""
    prompt, cached, completed = counts
    millionths = prompt * INPUT - cached * INPUT + cached * CACHED + completed * OUTPUT
    return Decimal(math.ceil(millionths * 100)) / 10**8


def expected_end(item: Recorded) -> str:
    """Return how the call must end that gets this answer: in what state, counted how."""
    if item["status"] >= 400:
        return "released refused"
    return "settled answered" if counts_of(item) else "settled unknown"


def outcome(put: Callable[..., gateway.Answer]) -> tuple[str, str]:
    try:
        return "answered", put().text
    except AnswerRefused as error:
        return "refused", error.detail
    except ModelUnavailable as error:
        return "failed", error.detail


def expected_outcome(item: Recorded) -> str:
    if text_of(item):
        return "answered"
    body = json.dumps(item["response"])
    filtered = re.search(r'content_filter"|"refusal": "[^"]', body) and item["status"] == 200
    return "refused" if filtered or item["status"] in (400, 413, 422) else "failed"


def differences(item: Recorded, met: tuple[str, str], rows: list[LlmCall]) -> list[str]:
    """Return what is not as it must be, in words."""
    tries = gateway.TRIES if item["status"] in PASSING or item["status"] >= 500 else 1
    wanted = {"outcome": expected_outcome(item), "ends": [expected_end(item)] * tries}
    found = {"outcome": met[0], "ends": [f"{row.state} {row.outcome}" for row in rows]}
    if wanted["outcome"] == "answered":
        wanted["text"], found["text"] = text_of(item), met[1]
    counts = counts_of(item) if item["status"] < 400 else None
    if counts:
        row = rows[-1]
        wanted["counts"], wanted["cost"] = counts, dollars(counts)
        found["counts"] = (row.prompt_tokens, row.cached_tokens, row.completion_tokens)
        found["cost"] = row.cost_usd
    elif item["status"] < 400:
        wanted["charged"], found["charged"] = rows[-1].reserved_usd, rows[-1].charged_usd
    return [
        f"{key}: {found[key]!r}, not {wanted[key]!r}" for key in wanted if found[key] != wanted[key]
    ]


# In parts: a budget's row that one transaction changes a thousand times gets slower to find.
@pytest.mark.parametrize("part", range(PARTS))
def test_every_recorded_answer_ends_as_it_must(
    wired: Endpoint,
    put: Callable[..., gateway.Answer],
    recorded: list[Recorded],
    settings: Any,
    part: int,
) -> None:
    # What the breaker makes of failures in a row is not looked at here.
    settings.ACE_CB_FAILURE_THRESHOLD = 10**6
    wrong, ends, seen = [], Counter[str](), 0
    for number, item in list(enumerate(recorded))[part::PARTS]:
        wired.play([as_served(item)])
        met = outcome(put)
        rows = list(LlmCall.objects.order_by("created_at")[seen:])
        seen += len(rows)
        wrong += [f"line {number + 1}: {what}" for what in differences(item, met, rows)]
        ends[met[0]] += 1
    assert not wrong, "\n".join(wrong)
    assert ends["answered"] and ends["failed"]
    assert_money_is_explained()


def test_every_recorded_rate_limit_is_followed_by_the_answer(
    wired: Endpoint, put: Callable[..., gateway.Answer], recorded: list[Recorded]
) -> None:
    limited = [item for item in recorded if item["status"] == 429]
    assert limited
    for item in limited:
        wired.play([as_served(item), answer("fine")])
        assert put().text == "fine"
    assert_money_is_explained()


def test_a_stream_that_nobody_asked_for_is_named(
    wired: Endpoint, put: Callable[..., gateway.Answer], recorded: list[Recorded]
) -> None:
    stream = next(item for item in recorded if item["stream"] and item["status"] == 200)
    wired.play([as_served(stream)])
    with pytest.raises(ModelUnavailable, match="streams, though a whole answer was asked for"):
        put()
