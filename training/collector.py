"""Many attempts side by side: a failed one is recorded, the rest go on, the order stays."""

import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from threading import Condition, Thread

from django.db import connections

from training.runtimes.base import Attempt, ContextRuntime, Outcome

logger = logging.getLogger(__name__)

# How often it is asked whether to go on.
_LOOK_SECONDS = 1.0
# After so many timeouts in a row, or twice the attempts at once, the rest is not tried: thousands
# of attempts would each wait as long, and hold a worker for hours.
_MOST_LATE = 16
_MOST_ERROR = 300


class Interrupted(Exception):
    """Somebody wants the attempts to stop; those under way are left to end by themselves."""


@dataclass(frozen=True, slots=True)
class Limits:
    """At most so many attempts at once, each for so many seconds."""

    at_once: int
    seconds: float


def collect(
    runtime: ContextRuntime,
    attempts: Sequence[Attempt],
    limits: Limits,
    *,
    go_on: Callable[[], bool] = lambda: True,
) -> list[Outcome]:
    """Return the outcome of each attempt, in their order.

    An attempt that takes longer than `limits.seconds` is recorded as a timeout; its thread is
    left behind, and another takes its place. Once many in a row were too late, the rest is
    recorded so untried. Raises Interrupted once `go_on` says no.
    """
    if runtime.simulated:
        # All work is done here: threads would only wait for each other.
        return _one_by_one(runtime, attempts, go_on)
    return _Crew(runtime, attempts, limits).work(go_on)


def _one_by_one(
    runtime: ContextRuntime, attempts: Sequence[Attempt], go_on: Callable[[], bool]
) -> list[Outcome]:
    outcomes, look = [], time.monotonic() + _LOOK_SECONDS
    for attempt in attempts:
        if time.monotonic() > look:
            if not go_on():
                raise Interrupted
            look = time.monotonic() + _LOOK_SECONDS
        outcomes.append(_carried_out(runtime, attempt))
    return outcomes


class _Crew:
    """Threads that take one attempt after the other; one that hangs is replaced."""

    def __init__(
        self, runtime: ContextRuntime, attempts: Sequence[Attempt], limits: Limits
    ) -> None:
        self.runtime, self.attempts, self.limits = runtime, attempts, limits
        self.outcomes: dict[int, Outcome] = {}
        self.began: dict[int, float] = {}  # of those under way
        self.next = 0
        self.late = 0  # timeouts in a row
        self.stopped = False
        self.changed = Condition()

    def work(self, go_on: Callable[[], bool]) -> list[Outcome]:
        for _ in range(min(self.limits.at_once, len(self.attempts))):
            self._hire()
        look = time.monotonic() + _LOOK_SECONDS
        with self.changed:
            while len(self.outcomes) < len(self.attempts):
                self.changed.wait(self._until_next(look))
                self._give_up_late_ones()
                if time.monotonic() >= look:
                    self._ask(go_on)
                    look = time.monotonic() + _LOOK_SECONDS
        return [self.outcomes[place] for place in range(len(self.attempts))]

    def _until_next(self, look: float) -> float:
        first = min(self.began.values(), default=float("inf")) + self.limits.seconds
        return max(0.0, min(first, look) - time.monotonic())

    def _ask(self, go_on: Callable[[], bool]) -> None:
        try:
            self.stopped = not go_on()
        except BaseException:
            self.stopped = True
            raise
        if self.stopped:
            raise Interrupted

    def _give_up_late_ones(self) -> None:
        late = time.monotonic() - self.limits.seconds
        for place in [place for place, began in self.began.items() if began <= late]:
            del self.began[place]
            self.late += 1
            self.outcomes[place] = Outcome(
                failure="timeout",
                error=f"no answer within {self.limits.seconds:g} s",
                seconds=self.limits.seconds,
            )
            self._give_up_the_rest()
            if self.next < len(self.attempts):
                self._hire()

    def _give_up_the_rest(self) -> None:
        if self.late < max(_MOST_LATE, 2 * self.limits.at_once):
            return
        told = f"not tried: {self.late} attempts in a row had brought no answer in time"
        for place in range(self.next, len(self.attempts)):
            self.outcomes[place] = Outcome(failure="timeout", error=told, cost_usd=Decimal(0))
        self.next = len(self.attempts)

    def _hire(self) -> None:
        Thread(target=self._labour, name="attempts", daemon=True).start()

    def _labour(self) -> None:
        try:
            while (place := self._take()) is not None:
                outcome = _carried_out(self.runtime, self.attempts[place])
                if not self._hand_in(place, outcome):
                    return
        finally:
            # Each thread that asked the database has a connection of its own.
            connections.close_all()

    def _take(self) -> int | None:
        with self.changed:
            if self.stopped or self.next >= len(self.attempts):
                return None
            self.next += 1
            self.began[self.next - 1] = time.monotonic()
            return self.next - 1

    def _hand_in(self, place: int, outcome: Outcome) -> bool:
        """Store what came of an attempt; False where it came too late, and nobody waits for it."""
        with self.changed:
            if self.began.pop(place, None) is None:
                return False
            self.outcomes[place] = outcome
            self.late = self.late + 1 if outcome.failure == "timeout" else 0
            self._give_up_the_rest()
            self.changed.notify()
            return True


def _carried_out(runtime: ContextRuntime, attempt: Attempt) -> Outcome:
    try:
        return runtime.run(attempt)
    except Exception as error:  # noqa: BLE001 - an agent's fault must not end the whole iteration
        logger.exception("attempt %s of task %s failed", attempt.trial, attempt.task.number)
        told = f"{type(error).__name__}: {error}"[:_MOST_ERROR]
        return Outcome(failure="broken", error=told)
