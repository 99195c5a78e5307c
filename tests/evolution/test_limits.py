"""Caps on calls at once, a minute and tokens a minute, over all workers."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from decimal import Decimal
from typing import Any

import pytest
from django.db import connection
from django.db.models import F

from evolution import ledger
from evolution.ledger import BudgetExceeded, TooBusy, Usage
from evolution.models import Budget, CallState, LedgerEntry, LlmCall

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def caps(settings: Any) -> Any:
    settings.ACE_MONTHLY_BUDGET_USD = 100.0
    settings.ACE_LLM_MAX_CONCURRENT = 1000
    settings.ACE_LLM_CALLS_PER_MINUTE = 100_000
    settings.ACE_LLM_TOKENS_PER_MINUTE = 10**12
    return settings


def reserve(tokens: int = 1000, seconds: float = 60.0, usd: str = "0.01") -> LlmCall:
    return ledger.reserve(
        run=None,
        agent=None,
        purpose="generate",
        endpoint="http://llm",
        model="m",
        usd=Decimal(usd),
        tokens=tokens,
        seconds=seconds,
    )


def settle(call: LlmCall, prompt: int, completed: int, cached: int = 0) -> None:
    usd = Decimal("0.01")
    usage = Usage(prompt, cached, completed)
    ledger.settle(call=call, usage=usage, cost=usd, charged=usd, seconds=1.0)


def pass_time(seconds: float) -> None:
    """Let every call stand as far back as if `seconds` had passed."""
    gone = timedelta(seconds=seconds)
    LlmCall.objects.update(created_at=F("created_at") - gone, expires_at=F("expires_at") - gone)


def test_as_many_calls_run_at_once_as_may_and_no_more(caps: Any) -> None:
    caps.ACE_LLM_MAX_CONCURRENT = 2
    first = reserve()
    reserve()
    with pytest.raises(TooBusy) as refused:
        reserve()
    assert refused.value.retry_after > 0
    assert LlmCall.objects.count() == LedgerEntry.objects.count() == 2
    assert Budget.objects.get().reserved_usd == Decimal("0.02")
    settle(first, 10, 10)
    assert reserve().pk


def test_a_call_whose_time_is_over_holds_its_money_and_not_its_place(caps: Any) -> None:
    caps.ACE_LLM_MAX_CONCURRENT = 1
    reserve(seconds=30)
    pass_time(31)
    assert reserve().pk
    assert Budget.objects.get().reserved_usd == Decimal("0.02")


def test_calls_a_minute_are_capped_until_the_oldest_leaves_the_minute(caps: Any) -> None:
    caps.ACE_LLM_CALLS_PER_MINUTE = 2
    settle(reserve(), 1, 1)
    pass_time(30)
    settle(reserve(), 1, 1)
    with pytest.raises(TooBusy) as refused:
        reserve()
    assert 0 < refused.value.retry_after <= 30
    pass_time(5)
    with pytest.raises(TooBusy):
        reserve()
    pass_time(26)
    assert reserve().pk


def test_what_was_refused_counts_as_a_call_and_what_was_never_sent_does_not(caps: Any) -> None:
    caps.ACE_LLM_CALLS_PER_MINUTE = 2
    ledger.release(call=reserve(), outcome="unsent")
    ledger.release(call=reserve(), outcome="refused", status_code=429)
    reserve()
    with pytest.raises(TooBusy):
        reserve()


def test_tokens_a_minute_count_the_reserved_until_the_real_are_known(caps: Any) -> None:
    caps.ACE_LLM_TOKENS_PER_MINUTE = 10_000
    call = reserve(tokens=9000)
    with pytest.raises(TooBusy):
        reserve(tokens=2000)
    settle(call, 5000, 1000, cached=4000)
    assert reserve(tokens=4000).pk
    with pytest.raises(TooBusy):
        reserve(tokens=1)


def test_the_wait_for_tokens_is_until_enough_of_them_leave_the_minute(caps: Any) -> None:
    caps.ACE_LLM_TOKENS_PER_MINUTE = 10_000
    settle(reserve(), 4000, 0)
    pass_time(30)
    settle(reserve(), 4000, 0)
    with pytest.raises(TooBusy) as short:
        reserve(tokens=6000)
    with pytest.raises(TooBusy) as long:
        reserve(tokens=6001)
    assert 0 < short.value.retry_after <= 30 < long.value.retry_after <= 60


def test_a_refused_call_takes_no_tokens(caps: Any) -> None:
    caps.ACE_LLM_TOKENS_PER_MINUTE = 10_000
    ledger.release(call=reserve(tokens=10_000), outcome="refused", status_code=500)
    assert reserve(tokens=10_000).pk


def test_a_call_larger_than_a_minutes_tokens_goes_alone(caps: Any) -> None:
    caps.ACE_LLM_TOKENS_PER_MINUTE = 10_000
    settle(reserve(tokens=10), 5, 5)
    with pytest.raises(TooBusy):
        reserve(tokens=20_000)
    pass_time(61)
    assert reserve(tokens=20_000).pk


def test_a_spent_budget_is_said_before_a_full_minute(caps: Any) -> None:
    caps.ACE_MONTHLY_BUDGET_USD = 0.0
    caps.ACE_LLM_MAX_CONCURRENT = 1
    caps.ACE_LLM_CALLS_PER_MINUTE = 1
    with pytest.raises(BudgetExceeded):
        reserve()


def at_once(count: int, tokens: int = 1000) -> int:
    """Return how many of `count` threads that reserve at once got their call."""

    def one(_: int) -> bool:
        try:
            reserve(tokens=tokens)
        except (TooBusy, BudgetExceeded):
            return False
        finally:
            connection.close()
        return True

    with ThreadPoolExecutor(count) as pool:
        return sum(pool.map(one, range(count)))


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("ACE_LLM_MAX_CONCURRENT", 3),
        ("ACE_LLM_CALLS_PER_MINUTE", 3),
        ("ACE_LLM_TOKENS_PER_MINUTE", 3500),
        ("ACE_MONTHLY_BUDGET_USD", 0.03),
    ],
)
def test_of_twenty_at_once_exactly_as_many_pass_as_may(caps: Any, name: str, value: Any) -> None:
    setattr(caps, name, value)
    assert at_once(20) == 3
    assert LlmCall.objects.filter(state=CallState.RESERVED).count() == 3
    assert Budget.objects.get(scope="global").reserved_usd == Decimal("0.03")
