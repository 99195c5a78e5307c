"""What a job holds and spends."""

import pytest

from ace_project.core.work.leases import JobStatus
from evolution.models import Budget, LlmCall
from playbooks import actors
from tests.training.scripted import (
    make_agent,
    scripted,
    start,
    usd,
    work,
)
from training import selectors
from training.runtimes.base import Attempt, Outcome

pytestmark = pytest.mark.django_db
ALICE = actors.person("alice")


def test_an_iteration_is_reserved_for_before_it_and_settled_at_what_it_cost_after() -> None:
    held = []

    def paid(attempt: Attempt) -> Outcome:
        held.append(Budget.objects.get(scope=f"job:{attempt.job_id}").reserved_usd)
        return Outcome(success=attempt.seed % 2 == 0, cost_usd=usd("0.002"))

    with scripted(paid, usd="0.01") as runtime:
        job = work(start(make_agent(), runtime, config={"max_budget_usd": 1}), 2)
    assert held[1:] == [usd("0.12")] * 12
    budget = Budget.objects.get(scope=f"job:{job.pk}")
    assert (budget.reserved_usd, budget.spent_usd) == (0, usd("0.026"))
    assert job.spent_usd == usd("0.026")
    assert job.iterations.get(number=1).cost_usd == usd("0.024")
    assert selectors.status_of(job)["budget_remaining_percent"] == pytest.approx(97.4)
    assert Budget.objects.get(scope="global").spent_usd == usd("0.026")


def test_a_job_stops_with_a_checkpoint_where_the_money_went_elsewhere(settings) -> None:
    def paid(attempt: Attempt) -> Outcome:
        return Outcome(success=attempt.seed % 2 == 0, cost_usd=usd("0.01"))

    with scripted(paid, usd="0.01") as runtime:
        job = work(start(make_agent(), runtime), 3)
        Budget.objects.filter(scope="global").update(spent_usd=99.99)
        work(job)
    assert (job.status, job.reason, job.iteration) == (JobStatus.FAILED, "budget_exceeded", 2)
    assert job.checkpoints.order_by("-iteration").first().iteration == 2
    assert not LlmCall.objects.filter(state="reserved").exists()


def test_what_an_agent_says_it_cost_its_owner_is_not_counted_as_ours() -> None:
    def theirs(attempt: Attempt) -> Outcome:
        return Outcome(success=attempt.seed % 2 == 0, cost_usd=usd("0.5"))

    with scripted(theirs) as runtime:
        job = work(start(make_agent(), runtime), 2)
    assert (job.spent_usd, job.report["theirs_usd"]) == (0, "6.0")
