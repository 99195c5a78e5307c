"""What a job may cost at most, line by line, before it starts; and what it holds while it runs."""

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from evolution import budgets, spending
from evolution.ledger import BudgetExceeded
from evolution.models import Budget
from playbooks.models import Agent
from training.datasets import Tasks
from training.engine.config import Config
from training.models import TrainingJob

# A job's own limit stands in the ledger's table, which holds no more.
MOST_USD = Decimal(1_000_000)


@dataclass(frozen=True, slots=True)
class Estimate:
    """The most that a job can cost, in US dollars, with the arithmetic in words."""

    usd_per_trajectory: Decimal
    trajectories: int
    evaluation_trajectories: int
    usd: Decimal
    lines: list[str]


class WouldExceed(BudgetExceeded):
    """A job whose worst case passes its own budget or a monthly one; it does not start."""

    def __init__(self, scope: str, limit_usd: Decimal, estimate: Estimate) -> None:
        self.scope, self.limit_usd = scope, limit_usd
        self.spent_usd = self.reserved_usd = Decimal(0)
        whose = {"job": "max_budget_usd", budgets.GLOBAL: "what all agents have left this month"}
        name = whose.get(scope, "what the agent has left this month")
        super(BudgetExceeded, self).__init__(
            f"at most {dollars(estimate.usd)} would be spent, and {name} is {dollars(limit_usd)}: "
            + "; ".join(estimate.lines),
            scope=scope,
        )


def estimate(config: Config, tasks: Tasks, usd_per_trajectory: Decimal) -> Estimate:
    """Return the worst case of a job: every iteration and evaluation, every attempt at its most."""
    batch = min(config.batch_size, len(tasks.train))
    size, iterations = config.n_trajectories_per_query, config.n_iterations
    trained = iterations * batch * size
    times = evaluations(config) + 1
    # Before, with the best checkpoint, and with the playbook as the delta would make it.
    arms = 2 if config.policy == "action" else 3
    evaluated = times * len(tasks.validation) + arms * len(tasks.test)
    usd = usd_per_trajectory * (trained + evaluated)
    lines = [
        f"{iterations:,} iterations x {batch} tasks x {size} trajectories = {trained:,} to train",
        f"{times:,} evaluations (the baseline is one) x {len(tasks.validation)} validation tasks "
        f"+ {arms} x {len(tasks.test)} test tasks = {evaluated:,} to measure",
    ]
    if not usd_per_trajectory:
        return Estimate(Decimal(0), trained, evaluated, usd, [*lines, "they cost us nothing"])
    thousand = 1000 * size * usd_per_trajectory
    most = Decimal(str(config.max_budget_usd)) / (trained + evaluated)
    lines += [
        f"{trained + evaluated:,} trajectories x at most {dollars(usd_per_trajectory)} = "
        f"at most {dollars(usd)}",
        f"1,000 queries x {size} trajectories x {dollars(usd_per_trajectory)} = "
        f"at most {dollars(thousand)} per 1,000 queries",
        f"max_budget_usd {dollars(Decimal(str(config.max_budget_usd)))} allows {dollars(most)} "
        "a trajectory",
    ]
    return Estimate(usd_per_trajectory, trained, evaluated, usd, lines)


def evaluations(config: Config) -> int:
    """Return how many times validation is read after the start, the last iteration included."""
    return -(-config.n_iterations // config.eval_interval)


def check_affordable(agent: Agent, config: Config, found: Estimate, *, now: datetime) -> None:
    """Raise WouldExceed where the worst case passes the job's, the agent's or all agents' limit."""
    if not found.usd:
        return
    limits = {
        "job": Decimal(str(config.max_budget_usd)),
        f"{budgets.AGENT}{agent.pk}": _left_to(agent, now),
        budgets.GLOBAL: spending.remaining(now=now),
    }
    for scope, limit in limits.items():
        if found.usd > limit:
            raise WouldExceed(scope, limit, found)


def check_room(job: TrainingJob, usd: Decimal, *, now: datetime) -> None:
    """Raise BudgetExceeded unless the job, its agent and all agents have `usd` left to reserve."""
    scopes = budgets.scopes_of(job.agent, None, budgets.period_of(now), job.pk)
    budgets.open_rows(scopes)
    agents = budgets.agents_in(scope for scope, _ in scopes)
    for scope, period in scopes:
        row = Budget.objects.get(scope=scope, period=period)
        limit = budgets.limit_of(scope, agents) + row.raised_usd
        if row.spent_usd + row.reserved_usd + usd > limit:
            raise BudgetExceeded(row, limit, usd)


def spent_usd(job: TrainingJob) -> Decimal:
    """Return what the job has cost us in US dollars, as the ledger counts it; one query."""
    row = Budget.objects.filter(scope=scope_of(job.pk), period="").only("spent_usd").first()
    return Decimal(row.spent_usd) if row else Decimal(0)


def scope_of(job_id: int) -> str:
    """Return the scope of a job's own budget."""
    return f"{budgets.JOB}{job_id}"


def dollars(usd: Decimal) -> str:
    """Return an amount as `$25.00` or, below a cent, with four significant digits."""
    if usd and abs(usd) < 1:
        return f"${float(usd):.4g}"
    return f"${usd:,.2f}"


def _left_to(agent: Agent, now: datetime) -> Decimal:
    scope = f"{budgets.AGENT}{agent.pk}"
    line = spending.lines_of([scope], now=now).get(scope)
    return line.remaining_usd if line else budgets.limit_of(scope, {agent.pk: agent})
