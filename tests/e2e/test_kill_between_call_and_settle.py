"""Killed between call and settle, again and again: the ledger is never below what was served."""

import os
import random
import signal
import time
from decimal import Decimal
from functools import partial
from pathlib import Path
from threading import Event

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from evolution import ledger
from evolution.models import Budget, LlmCall
from tests.endpoint import Endpoint, Exchange, Reply, answer
from tests.spenders import MAX_TOKENS, USD_PER_MILLION, spenders
from tests.waiting import WAIT_SECONDS, wait_until

KILLS = 50
SERVING_SECONDS = 0.04
PROMPT_TOKENS = 30


class Slow:
    """Answers that are told from each other by their usage, held back while `gate` is closed."""

    def __init__(self) -> None:
        self.gate = Event()
        self.gate.set()

    def __call__(self, exchange: Exchange) -> Reply:
        self.gate.wait(WAIT_SECONDS)
        completed = 100 + exchange.number
        return answer("ok", delay=SERVING_SECONDS, prompt=PROMPT_TOKENS, completed=completed)


def cost(completion_tokens: int) -> Decimal:
    return Decimal((PROMPT_TOKENS + completion_tokens) * USD_PER_MILLION).scaleb(-6)


def has_asked(endpoint: Endpoint, name: str) -> bool:
    texts = (str(e.body["messages"][0]["content"]) for e in reversed(endpoint.log))
    return any(text.startswith(f"{name} ") for text in texts)


def has_answers(count: int) -> bool:
    return LlmCall.objects.filter(outcome="answered").count() >= count


def settle_what_was_lost() -> None:
    """Let the time run out in which the dead could have had their answer, and sweep."""
    LlmCall.objects.filter(state="reserved").update(expires_at=Now())
    ledger.sweep()


def others_connected() -> int:
    """Return how many processes still have the database at work for them, dead ones too."""
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()
               AND pid <> pg_backend_pid() AND backend_type = 'client backend'"""
        )
        return int(cursor.fetchone()[0])


@pytest.mark.django_db(transaction=True)
def test_the_ledger_is_what_the_endpoint_served_or_more_by_what_is_marked(tmp_path: Path) -> None:
    rng, slow = random.Random(4), Slow()
    with (
        Endpoint(slow) as endpoint,
        spenders(endpoint.base_url, tmp_path, Decimal(1_000_000)) as making,
    ):
        for number in range(KILLS):
            name = f"p{number}"
            if number % 5 == 1:
                # These die for certain while they wait for the answer; the rest at any point.
                slow.gate.clear()
            pid = making.make(name)
            wait_until(partial(has_asked, endpoint, name), "a request")
            if number % 5 == 0:
                wait_until(partial(has_answers, 1 + number // 5), "an answer")
            time.sleep(rng.uniform(0, 3 * SERVING_SECONDS))
            os.kill(pid, signal.SIGKILL)
            slow.gate.set()
            settle_what_was_lost()
        wait_until(lambda: all(e.time_out for e in endpoint.log), "the endpoint to be done")
    wait_until(lambda: others_connected() == 0, "the database to be done with the dead")
    settle_what_was_lost()
    assert not making.ended
    compare([exchange.usage["completion_tokens"] for exchange in endpoint.log if exchange.usage])


def compare(served: list[int]) -> None:
    """Hold the ledger against what the endpoint counted, in tokens of its answers."""
    budget, calls = Budget.objects.get(scope="global"), LlmCall.objects.all()
    answered = list(calls.filter(outcome="answered").values_list("completion_tokens", flat=True))
    lost = calls.filter(worst_case=True)
    marked = lost.aggregate(usd=Sum("charged_usd"))["usd"]
    assert len(answered) + lost.count() == calls.count()
    assert budget.reserved_usd == 0
    # Each answer is settled once, at what the endpoint counted; what is not, is among the lost.
    assert len(set(answered)) == len(answered)
    assert set(answered) <= set(served)
    assert len(served) - len(answered) <= lost.count() <= KILLS
    assert budget.spent_usd == sum(map(cost, answered)) + marked
    assert budget.spent_usd - marked <= sum(map(cost, served)) <= budget.spent_usd
    assert all(usd >= cost(MAX_TOKENS) for usd in lost.values_list("charged_usd", flat=True))
    # Those that were killed while they waited, and those that were let live until an answer.
    assert lost.count() >= KILLS // 5
    assert len(answered) >= KILLS // 5
