"""Attempts side by side: in order, bounded, and none that fails or hangs holds the others up."""

from collections.abc import Callable
from threading import Barrier, Event, Lock
from types import SimpleNamespace

import pytest

from training.collector import Interrupted, Limits, collect
from training.runtimes.base import Attempt, Outcome, Task

PATIENT = 240.0


class Crowd:
    """A runtime of the test's own, and how many attempts it had at once at the most."""

    simulated = metered = False

    def __init__(self, play: Callable[[Attempt], Outcome]) -> None:
        self.play, self.now, self.most, self.lock = play, 0, 0, Lock()

    def run(self, attempt: Attempt) -> Outcome:
        with self.lock:
            self.now += 1
            self.most = max(self.most, self.now)
        try:
            return self.play(attempt)
        finally:
            with self.lock:
                self.now -= 1


def attempts(count: int) -> list[Attempt]:
    return [Attempt(1, Task(n, n), 0, n, (), "") for n in range(count)]


def test_attempts_run_side_by_side_up_to_the_limit_and_come_back_in_their_order() -> None:
    # Each waits for three more: fewer at once would never get on.
    four = Barrier(4)

    def together(attempt: Attempt) -> Outcome:
        four.wait(PATIENT)
        return Outcome(success=True, answer=attempt.seed)

    crowd = Crowd(together)
    found = collect(crowd, attempts(12), Limits(4, PATIENT))
    assert [outcome.answer for outcome in found] == list(range(12))
    assert crowd.most == 4


def test_an_attempt_that_hangs_or_raises_is_recorded_and_the_rest_go_on(monkeypatch) -> None:
    never, hanging = Event(), []

    def mixed(attempt: Attempt) -> Outcome:
        if attempt.seed < 2:
            hanging.append(attempt.seed)
            never.wait(2 * PATIENT)
        if attempt.seed == 2:
            raise ValueError("a bug")
        return Outcome(success=True)

    # The time is up once both places are taken by those that hang, and stands still before and
    # after: on a slow machine nothing else may come too late.
    clock = SimpleNamespace(monotonic=lambda: 1000.0 if len(hanging) == 2 else 0.0)
    monkeypatch.setattr("training.collector.time", clock)
    try:
        found = collect(Crowd(mixed), attempts(6), Limits(2, PATIENT))
    finally:
        never.set()
    assert [outcome.failure for outcome in found] == ["timeout", "timeout", "broken", *[None] * 3]
    assert found[0].error == "no answer within 240 s"
    assert found[2].error == "ValueError: a bug"


def test_an_agent_that_never_answers_in_time_is_not_asked_thousands_of_times() -> None:
    begun = []

    def late(attempt: Attempt) -> Outcome:
        begun.append(attempt.seed)
        return Outcome(failure="timeout", error="late")

    found = collect(Crowd(late), attempts(2000), Limits(1, PATIENT))
    assert len(begun) == 16
    assert {outcome.failure for outcome in found} == {"timeout"}
    assert [outcome.error for outcome in found].count("late") == 16
    assert found[-1].error.startswith("not tried")
    # Nothing was sent, so nothing is charged, where an unknown cost counts at its most.
    assert {outcome.cost_usd for outcome in found[16:]} == {0}


def test_an_agent_that_answers_now_and_then_is_asked_every_time() -> None:
    def moody(attempt: Attempt) -> Outcome:
        return Outcome(failure="timeout") if attempt.seed % 10 else Outcome(success=True)

    found = collect(Crowd(moody), attempts(100), Limits(1, PATIENT))
    assert not any(outcome.error for outcome in found)


@pytest.mark.parametrize("simulated", [True, False])
def test_no_attempt_begins_once_nobody_wants_them_any_more(simulated, monkeypatch) -> None:
    monkeypatch.setattr("training.collector._LOOK_SECONDS", 0.0)
    begun, wanted = [], Event()

    def counting(attempt: Attempt) -> Outcome:
        begun.append(attempt.seed)
        if not simulated:
            wanted.wait(PATIENT)
        return Outcome(success=True)

    crowd = Crowd(counting)
    crowd.simulated = simulated
    try:
        with pytest.raises(Interrupted):
            collect(crowd, attempts(9), Limits(2, PATIENT), go_on=lambda: len(begun) < 2)
    finally:
        wanted.set()
    assert len(begun) == 2
