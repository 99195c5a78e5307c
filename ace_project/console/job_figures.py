"""The figures at the head of a training job's page: how far, how dear, how good, what signal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import mean

from evolution.models import Budget
from training.models import Evaluation, JobState, TrainingIteration, TrainingJob
from training.money import scope_of

# The pace is that of this many of the newest iterations.
PACE_OVER = 20
ENDED = (JobState.COMPLETED, JobState.FAILED, JobState.CANCELLED)


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a job is, and when it ends at its pace; times in seconds, None before it is known."""

    done: int
    total: int
    seconds_each: float | None
    seconds_left: float | None
    ends_at: datetime | None

    @property
    def percent(self) -> float:
        """The share of the iterations that are done, in per cent."""
        return 100 * self.done / self.total


def progress(
    job: TrainingJob,
    newest: Sequence[TrainingIteration],
    *,
    ends_at: datetime | None,
    now: datetime,
) -> Progress:
    """Return the progress of a job from some of its newest iterations, and when it will end.

    A paused job tells the work that is left: as long as these took, other jobs' turns left out.
    """
    total = job.total_iterations
    each = mean(row.seconds for row in newest) if newest else None
    left = None if each is None or job.state in ENDED else each * (total - job.iteration)
    if ends_at is not None:
        left = max(0.0, (ends_at - now).total_seconds())
    return Progress(job.iteration, total, each, left, ends_at)


@dataclass(frozen=True, slots=True)
class Spend:
    """What a job cost and will cost, US dollars; None where nothing is known yet."""

    spent: float
    reserved: float
    limit: float
    forecast: float | None
    per_trajectory: float | None
    group: int
    # What the agent says that its tries cost it; nothing of ours.
    theirs: float | None

    @property
    def per_thousand(self) -> float | None:
        """The price of 1,000 queries, each tried by a whole group."""
        return None if self.per_trajectory is None else 1000 * self.group * self.per_trajectory

    @property
    def is_over(self) -> bool:
        """Whether the forecast passes the limit: the job would end there, with a checkpoint."""
        return self.forecast is not None and self.forecast > self.limit


def spend(job: TrainingJob) -> Spend:
    """Return what a job spent, evaluation included, and where that leads at its end; one query."""
    row = Budget.objects.filter(scope=scope_of(job.pk), period="").first()
    spent = float(row.spent_usd) if row else float(job.spent_usd)
    done, is_going = job.iteration, bool(job.iteration) and job.state not in ENDED
    theirs = job.report.get("theirs_usd")
    return Spend(
        spent=spent,
        reserved=float(row.reserved_usd) if row else 0.0,
        limit=float(job.config["max_budget_usd"]),
        forecast=spent / done * job.total_iterations if is_going and spent else None,
        per_trajectory=spent / job.trajectories if job.trajectories else None,
        group=int(job.config["n_trajectories_per_query"]),
        theirs=float(theirs) if theirs else None,
    )


@dataclass(frozen=True, slots=True)
class Signal:
    """Shares of the groups of one iteration: those that teach, and those without a difference."""

    mixed: float
    passed: float
    failed: float

    @property
    def equal(self) -> float:
        """The share whose rewards were equal, neither all passed nor all failed."""
        return max(0.0, 1.0 - self.mixed - self.passed - self.failed)


def signal(row: TrainingIteration | None) -> Signal | None:
    """Return the signal of an iteration, None where it was not measured."""
    if row is None or row.frac_zero_variance_groups is None:
        return None
    passed, failed = row.frac_all_passed or 0.0, row.frac_all_failed or 0.0
    return Signal(1.0 - row.frac_zero_variance_groups, passed, failed)


@dataclass(frozen=True, slots=True)
class HeldOut:
    """An evaluation as it is told: how many of how many tasks, and against the baseline."""

    row: Evaluation

    @property
    def scored(self) -> int:
        """The tasks that were scored: those whose agent failed to answer count for nobody."""
        return self.row.tasks - self.row.failed

    @property
    def successes(self) -> int | None:
        """How many of the scored tasks succeeded."""
        share = self.row.success_rate
        return None if share is None else round(share * self.scored)

    @property
    def compares(self) -> bool:
        """Whether a difference to the baseline is known with its interval."""
        row = self.row
        return row.difference is not None and row.low is not None and row.high is not None


def held_out(row: Evaluation | None) -> HeldOut | None:
    """Return an evaluation for a page, None where there is none."""
    return None if row is None else HeldOut(row)
