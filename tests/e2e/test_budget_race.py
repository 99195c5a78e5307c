"""Twenty processes race for the last dollar of a budget through a slow endpoint, and some die."""

import os
import random
import signal
from decimal import Decimal
from pathlib import Path
from threading import Event

import pytest
from django.db import connection
from django.db.models import Sum
from django.db.models.functions import Now

from evolution import ledger
from evolution.models import Budget, LlmCall
from tests.endpoint import Endpoint, Exchange, Reply, answer
from tests.spenders import COST, USAGE, spenders
from tests.waiting import WAIT_SECONDS, wait_until

DOLLAR = Decimal(1)
PROCESSES, KILLED = 20, 6
SERVING_SECONDS = 0.15


def name_in(exchange: Exchange) -> str:
    """Return who sent a request."""
    return str(exchange.body["messages"][0]["content"].split()[0])


def held() -> Decimal:
    """Return what is settled plus what is reserved, at this instant."""
    row = Budget.objects.filter(scope="global").first()
    return row.spent_usd + row.reserved_usd if row else Decimal(0)


class Race:
    """Looks on, compares the endpoint's log with the ledger, and kills."""

    def __init__(self) -> None:
        self.endpoint = Endpoint(self.answer)
        self.pids: dict[str, int] = {}
        self.killed: list[str] = []
        self.rng = random.Random(3)
        # While it is shut, everybody who asked waits for an answer.
        self.gate = Event()

    def answer(self, _: Exchange) -> Reply:
        self.gate.wait(WAIT_SECONDS)
        return answer("ok", delay=SERVING_SECONDS, **USAGE)

    def look(self) -> list[Exchange]:
        """Return the log; raises AssertionError where more is spent than there is."""
        # In this order: what the log holds now is in the ledger by the time that it is read.
        met = self.endpoint.log
        now = held()
        assert len(met) * COST <= now <= DOLLAR
        return met

    def all_wait(self) -> bool:
        """Tell whether every process has asked for its first answer."""
        return len(self.look()) == PROCESSES

    def kill(self, count: int) -> None:
        """Kill up to `count` processes whose requests are being served."""
        asking = {name_in(exchange) for exchange in self.look() if exchange.time_out is None}
        alive = sorted(asking.difference(self.killed))
        for name in self.rng.sample(alive, min(count, len(alive))):
            os.kill(self.pids[name], signal.SIGKILL)
            self.killed.append(name)

    def is_over(self, ended: dict[str, str]) -> bool:
        """Look, kill one more where some are to die, and tell whether all came to an end."""
        self.look()
        if len(self.killed) < KILLED:
            self.kill(1)
        return self.pids.keys() - set(self.killed) <= ended.keys()


@pytest.mark.django_db(transaction=True)
def test_twenty_processes_never_spend_more_than_the_last_dollar_whoever_dies(
    tmp_path: Path,
) -> None:
    race = Race()
    with race.endpoint, spenders(race.endpoint.base_url, tmp_path, DOLLAR) as making:
        race.pids = {f"p{n}": making.make(f"p{n}") for n in range(PROCESSES)}
        wait_until(race.all_wait, "all to ask")
        race.kill(KILLED // 2)
        race.gate.set()
        wait_until(lambda: race.is_over(making.ended), "the budget to stop all")
        survivors = race.pids.keys() - set(race.killed)
        assert {making.ended[name] for name in survivors} == {"by the budget"}
    served = len(race.look())
    spend_what_was_lost()
    check_the_end(served)


def spend_what_was_lost() -> None:
    """Let the time of the dead run out, and sweep."""
    LlmCall.objects.filter(state="reserved").update(expires_at=Now())
    wait_until(lambda: ledger.sweep() == 0, "the sweeper")


def check_the_end(served: int) -> None:
    budget = Budget.objects.get(scope="global")
    calls = LlmCall.objects.all()
    lost = calls.filter(worst_case=True)
    answered = calls.filter(outcome="answered").count()
    assert budget.reserved_usd == 0
    assert budget.spent_usd == calls.aggregate(usd=Sum("charged_usd"))["usd"] <= DOLLAR
    assert answered <= served <= answered + lost.count()
    assert KILLED // 2 <= lost.count() <= KILLED
    # It was the last dollar: no call more would have fitted while all of them ran.
    assert budget.spent_usd > DOLLAR * 9 / 10
    with connection.cursor() as cursor:
        cursor.execute("SELECT sum(amount_usd) FROM ledger_entries WHERE kind = 'settle'")
        assert cursor.fetchone()[0] == budget.spent_usd
