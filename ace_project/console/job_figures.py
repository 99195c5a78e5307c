"""The figures at the head of a training job's page: how far, how dear, how good, what signal."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from statistics import mean, median

from training.models import Evaluation, JobState, TrainingIteration, TrainingJob

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


def progress(job: TrainingJob, newest: Sequence[TrainingIteration], now: datetime) -> Progress:
    """Return the progress of a job from its newest iterations, the newest first.

    What is left is measured from one iteration's end to the next one's, other jobs' turns in
    between included; the median, since a pause makes one such step long.
    """
    total = job.total_iterations
    each = mean(row.seconds for row in newest) if newest else None
    ends = [row.created_at for row in newest]
    gaps = [(a - b).total_seconds() for a, b in zip(ends, ends[1:], strict=False)]
    pace = median(gaps) if gaps else each
    is_over = job.state in ENDED
    left = None if pace is None or is_over else pace * (total - job.iteration)
    is_going = left is not None and job.state == JobState.RUNNING
    ends_at = now + timedelta(seconds=left) if is_going and left is not None else None
    return Progress(job.iteration, total, each, left, ends_at)


@dataclass(frozen=True, slots=True)
class Spend:
    """What a job cost and will cost, US dollars; None where nothing is known yet."""

    spent: float
    limit: float
    forecast: float | None
    per_trajectory: float | None
    group: int

    @property
    def per_thousand(self) -> float | None:
        """The price of 1,000 queries, each tried by a whole group."""
        return None if self.per_trajectory is None else 1000 * self.group * self.per_trajectory

    @property
    def is_over(self) -> bool:
        """Whether the forecast passes the limit: the job would end there, with a checkpoint."""
        return self.forecast is not None and self.forecast > self.limit


def spend(job: TrainingJob) -> Spend:
    """Return what a job spent, evaluation included, and where that leads at its end."""
    spent, done = float(job.spent_usd), job.iteration
    is_going = bool(done) and job.state not in ENDED
    return Spend(
        spent=spent,
        limit=float(job.config["max_budget_usd"]),
        forecast=spent / done * job.total_iterations if is_going and spent else None,
        per_trajectory=spent / job.trajectories if job.trajectories else None,
        group=int(job.config["n_trajectories_per_query"]),
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
