"""What tokens cost, against sums done by hand; offline."""

import json
import socket
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from evolution.ledger import Usage
from evolution.llm import prices

OPENAI = "https://api.openai.com/v1"
LOOPBACK = "http://127.0.0.1:9/v1"
NOW = datetime(2026, 11, 1, 12, tzinfo=UTC)
MANY = Usage(prompt_tokens=1_000_000, cached_tokens=400_000, completion_tokens=100_000)


def own(settings: Any, folder: Path, document: Any) -> None:
    path = folder / "prices.json"
    path.write_text(document if isinstance(document, str) else json.dumps(document))
    settings.ACE_LLM_PRICES_FILE = str(path)


def test_cached_tokens_are_priced_once() -> None:
    quote = prices.quote(OPENAI, "gpt-4o-mini", MANY, NOW)
    # 600,000 fresh at 0.15, 400,000 cached at 0.075 and 100,000 out at 0.60 for a million.
    assert quote.cost == quote.charged == Decimal("0.09") + Decimal("0.03") + Decimal("0.06")


def test_a_maker_s_model_has_its_price_behind_any_address() -> None:
    direct = prices.quote(OPENAI, "gpt-4o-mini", MANY, NOW)
    for name in ("gpt-4o-mini", "@team/gpt-4o-mini", "openai/gpt-4o-mini"):
        assert prices.quote(LOOPBACK, name, MANY, NOW) == direct
    assert prices.quote(LOOPBACK, "claude-sonnet-4-5", MANY, NOW).cost is not None
    assert prices.quote(LOOPBACK, "google/gemini-2.5-flash", MANY, NOW).cost is not None


@pytest.mark.parametrize("model", ["qwen3:0.6b", "gpt-oss:20b", "my-deployment", "llama3.2", ""])
def test_a_model_without_a_price_is_unpriced_and_counts_by_tokens(
    settings: Any, model: str
) -> None:
    settings.ACE_COST_PER_1M_TOKENS = 0.15
    quote = prices.quote(LOOPBACK, model, MANY, NOW)
    assert quote.cost is None
    assert quote.charged == Decimal("1.1") * Decimal("0.15")


def test_the_operator_s_price_goes_first(settings: Any, tmp_path: Path) -> None:
    price = {"input": 2, "cached_input": 0.5, "output": 8, "date": "2026-10-01"}
    own(settings, tmp_path, {"gpt-4o-mini": price})
    assert prices.quote(OPENAI, "gpt-4o-mini", MANY, NOW).cost == Decimal("2.2")
    assert prices.quote(OPENAI, "gpt-4o", MANY, NOW).cost == Decimal("3.0")


def test_of_the_operator_s_prices_the_newest_that_holds_is_taken(
    settings: Any, tmp_path: Path
) -> None:
    dated = [("2026-01-01", 1), ("2026-10-01", 2), ("2027-01-01", 9)]
    own(settings, tmp_path, {"m": [{"input": p, "output": 0, "date": d} for d, p in dated]})
    assert prices.quote(LOOPBACK, "m", Usage(1_000_000, 0, 0), NOW).cost == Decimal(2)


def test_cached_input_costs_as_other_input_where_no_price_is_given(
    settings: Any, tmp_path: Path
) -> None:
    own(settings, tmp_path, {"m": {"input": 3, "output": 0, "date": "2026-01-01"}})
    assert prices.quote(LOOPBACK, "m", MANY, NOW).cost == Decimal(3)


def test_an_edited_file_holds_from_the_next_call(settings: Any, tmp_path: Path) -> None:
    own(settings, tmp_path, {"m": {"input": 3, "output": 0, "date": "2026-01-01"}})
    prices.quote(LOOPBACK, "m", MANY, NOW)
    own(settings, tmp_path, {"m": {"input": 4.5, "output": 0, "date": "2026-01-01"}})
    assert prices.quote(LOOPBACK, "m", MANY, NOW).cost == Decimal("4.5")


@pytest.mark.parametrize(
    "document",
    [
        "not json",
        "[]",
        {"m": {"input": 1, "date": "2026-01-01"}},
        {"m": {"input": -1, "output": 1, "date": "2026-01-01"}},
        {"m": {"input": True, "output": 1, "date": "2026-01-01"}},
        {"m": {"input": "1", "output": 1, "date": "2026-01-01"}},
        {"m": {"input": 1, "output": 1, "date": "soon"}},
        {"m": 3},
        '{"m": {"input": NaN, "output": 1, "date": "2026-01-01"}}',
        '{"m": {"input": 1e999, "output": 1, "date": "2026-01-01"}}',
    ],
)
def test_a_file_that_cannot_be_used_says_so(settings: Any, tmp_path: Path, document: Any) -> None:
    own(settings, tmp_path, document)
    with pytest.raises(prices.PricesInvalid, match=r"prices\.json"):
        prices.quote(LOOPBACK, "m", MANY, NOW)


def test_a_file_that_is_missing_says_so(settings: Any, tmp_path: Path) -> None:
    settings.ACE_LLM_PRICES_FILE = str(tmp_path / "nowhere.json")
    with pytest.raises(prices.PricesInvalid, match="nowhere"):
        prices.quote(LOOPBACK, "m", MANY, NOW)


def test_prices_need_no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any, **__: Any) -> None:
        raise AssertionError("prices asked the network")

    monkeypatch.setattr(socket, "getaddrinfo", refuse)
    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert prices.quote(OPENAI, "gpt-4o", MANY, NOW).cost


@given(
    st.integers(0, 200_000),
    st.integers(0, 200_000),
    st.integers(0, 50_000),
    st.sampled_from(["gpt-4o-mini", "gemini-2.5-pro", "claude-sonnet-4-5", "unknown"]),
)
def test_the_worst_case_is_never_below_what_it_bounds(
    prompt: int, cached: int, completed: int, model: str
) -> None:
    usage = Usage(prompt, min(prompt, cached), completed)
    worst = prices.worst_case(LOOPBACK, model, prompt, completed, NOW)
    assert prices.quote(LOOPBACK, model, usage, NOW).charged <= worst


def test_amounts_are_rounded_up_to_what_a_row_holds() -> None:
    # One cached token of gpt-4o-mini costs 0.000000075 dollars.
    quote = prices.quote(OPENAI, "gpt-4o-mini", Usage(1, 1, 0), NOW)
    assert quote.charged == Decimal("0.00000008")
