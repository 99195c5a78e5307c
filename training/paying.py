"""Attempts that may cost money: what they cost at most is held before, what they cost counts."""

import time
from collections.abc import Sequence
from decimal import Decimal

from django.utils import timezone

from evolution import ledger
from evolution.ledger import Usage
from training import money
from training.collector import collect
from training.runtimes.base import Attempt, Outcome
from training.scene import Scene

# An iteration's reservation is not a call: it takes no place among those of language models.
PURPOSE = ledger.OF_TRAINING
_GRACE_SECONDS = 60.0


def carry_out(scene: Scene, attempts: Sequence[Attempt]) -> list[Outcome]:
    """Return the outcome of each attempt, in their order.

    A runtime that costs something is reserved for in the ledger as a whole; one that is `metered`
    reserves and settles every call itself, and needs to have room for all of them. Raises
    BudgetExceeded before anything is spent, and Interrupted.
    """
    each: Decimal = scene.runtime.worst_case_usd(scene.config.max_steps_per_trajectory)
    if each and scene.runtime.metered:
        money.check_room(scene.job, each * len(attempts), now=timezone.now())
    if not each or scene.runtime.metered:
        return collect(scene.runtime, attempts, scene.limits, go_on=scene.go_on)
    return _reserved(scene, attempts, each)


def _reserved(scene: Scene, attempts: Sequence[Attempt], each: Decimal) -> list[Outcome]:
    rounds = -(-len(attempts) // scene.limits.at_once)
    call = ledger.reserve(
        run=None,
        agent=scene.job.agent,
        purpose=PURPOSE,
        endpoint="training",
        model=str(scene.job.runtime["name"]),
        usd=each * len(attempts),
        tokens=0,
        seconds=rounds * scene.limits.seconds + _GRACE_SECONDS,
        job=scene.job.pk,
    )
    began = time.monotonic()
    try:
        outcomes = collect(scene.runtime, attempts, scene.limits, go_on=scene.go_on)
    except BaseException as error:
        ledger.settle_worst_case(call=call, error=f"not ended: {type(error).__name__}")
        raise
    costs = [_cost(outcome, each) for outcome in outcomes]
    usd, took = sum(costs, Decimal(0)), time.monotonic() - began
    ledger.settle(call=call, usage=Usage(0, 0, 0), cost=usd, charged=usd, seconds=took)
    return outcomes


def _cost(outcome: Outcome, most: Decimal) -> Decimal:
    """Return what an attempt counts at: nothing if refused, the most where nobody says."""
    if outcome.cost_usd is not None:
        return outcome.cost_usd
    return Decimal(0) if outcome.failure == "refused" else most
