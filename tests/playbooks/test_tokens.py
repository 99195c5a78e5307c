"""The token estimate: on the safe side of what models really counted."""

import gzip
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from playbooks.tokens import estimate_tokens


def test_an_empty_text_costs_nothing():
    assert estimate_tokens("") == 0


@pytest.mark.parametrize(
    ("text", "at_least", "at_most"),
    [
        ("Call verify_customer before refund.", 7, 16),
        ("3.14159265", 10, 10),
        ("你好世界", 4, 12),
        ("Привет мир, как дела?", 8, 37),
        ("😀", 1, 4),
        ("x" * 400, 50, 400),
        ("A1b2C3d4" * 100, 500, 800),
        ("\ud800", 1, 3),
    ],
)
def test_every_script_and_shape_has_a_bounded_cost(text, at_least, at_most):
    assert at_least <= estimate_tokens(text) <= at_most


@given(st.text(), st.text())
def test_more_text_never_costs_less_than_either_half_less_a_seam(first, second):
    whole = estimate_tokens(f"{first}\n{second}")
    assert max(estimate_tokens(first), estimate_tokens(second)) - 1 <= whole
    assert whole <= estimate_tokens(first) + estimate_tokens(second) + 1


@given(st.text())
def test_no_estimate_is_above_the_bytes_of_the_text(text):
    assert 0 <= estimate_tokens(text) <= len(text.encode(errors="surrogatepass"))


def _recorded_answers(path):
    with gzip.open(path) as lines:
        for line in lines:
            response = json.loads(line)["response"]
            if not isinstance(response, dict) or not response.get("usage"):
                continue
            message = (response.get("choices") or [{}])[0].get("message") or {}
            details = response["usage"].get("completion_tokens_details") or {}
            hidden = details.get("reasoning_tokens") or message.get("reasoning")
            text = message.get("content")
            if isinstance(text, str) and not hidden and not message.get("tool_calls"):
                yield text, response["usage"]["completion_tokens"]


@pytest.mark.shared
def test_recorded_answers_cost_no_more_than_estimated_and_not_far_less(shared_data):
    path = shared_data / "llm" / "chat_completions.jsonl.gz"
    long = [(text, tokens) for text, tokens in _recorded_answers(path) if tokens >= 50]
    assert len(long) > 50
    assert [text[:60] for text, tokens in long if estimate_tokens(text) < tokens] == []
    estimated = sum(estimate_tokens(text) for text, _ in long)
    assert estimated < 2 * sum(tokens for _, tokens in long)
