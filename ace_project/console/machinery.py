"""Whether the work gets done: workers that live, jobs that wait."""

from dataclasses import dataclass
from datetime import datetime, timedelta

from django.db.models import Count, F, Max, Min, Q
from django.db.models.functions import Coalesce, Now

from ace_project.core.models import WorkerBeat
from ace_project.core.work.leases import ACTIVE, JobStatus
from evolution import pace
from evolution.models import EvolutionRun
from training.models import Comparison, TrainingJob

# A worker that has not beaten for this long counts as gone.
ALIVE = timedelta(seconds=10)


@dataclass(frozen=True, slots=True)
class Machinery:
    """Workers alive, the newest beat of any, jobs queued and the moment the oldest was.

    `paced_until` is when the next automatic run may start, None where none has to wait.
    """

    workers: int
    last_beat: datetime | None
    queued: int
    oldest: datetime | None
    paced_until: datetime | None = None
    # Training jobs that have not ended, paused ones too.
    trainings: int = 0

    @property
    def is_stuck(self) -> bool:
        """Whether jobs wait and nobody takes them."""
        return self.queued > 0 and self.workers == 0


def machinery() -> Machinery:
    """Return the present state, by the database's clock."""
    beats = WorkerBeat.objects.aggregate(
        alive=Count("pk", filter=Q(beat_at__gte=Now() - ALIVE)), last=Max("beat_at")
    )
    waiting = [
        rows.filter(status=JobStatus.QUEUED).aggregate(n=Count("pk"), oldest=Min(since))
        for rows, since in (
            (EvolutionRun.objects.all(), F("created_at")),
            (Comparison.objects.all(), F("created_at")),
            # A training job waits anew for each of its iterations, a paused one for its operator.
            (TrainingJob.objects.filter(paused_at=None), Coalesce("served_at", "created_at")),
        )
    ]
    moments = [row["oldest"] for row in waiting if row["oldest"]]
    queued = sum(row["n"] for row in waiting)
    trainings = TrainingJob.objects.filter(status__in=ACTIVE).count()
    oldest = min(moments, default=None)
    return Machinery(beats["alive"], beats["last"], queued, oldest, pace.opens_at(), trainings)
