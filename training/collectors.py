"""Training metrics that PostgreSQL already knows: right with any number of processes."""

from collections.abc import Iterator

from django.db import connection
from django.db.models import Count
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ace_project.core.work.leases import ACTIVE
from training.models import JobState, TrainingJob

BUCKETS_SECONDS = (0.1, 0.5, 1.0, 5.0, 10.0, 30.0, 60.0, 300.0, 1800.0)


class TrainingCollector(Collector):
    """Reads jobs and their iterations at scrape time; never the trajectories themselves."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families; one statement each."""
        yield self._jobs()
        yield self._durations()
        yield self._trajectories()
        yield self._rewards()

    def _jobs(self) -> Metric:
        family = GaugeMetricFamily("ace_training_jobs", "Training jobs", labels=["status"])
        states = TrainingJob.objects.annotate(now=TrainingJob.state_expression()).order_by()
        counts = dict(states.values_list("now").annotate(Count("pk")))
        for state in JobState:
            family.add_metric([state], counts.get(state, 0))
        return family

    def _durations(self) -> Metric:
        family = HistogramMetricFamily(
            "ace_training_iteration_duration_seconds",
            "Time that an iteration of a training job took, its evaluation included",
        )
        within = ", ".join(f"count(*) FILTER (WHERE seconds <= {s})" for s in BUCKETS_SECONDS)
        sql = f"SELECT count(*), coalesce(sum(seconds), 0), {within} FROM training_iterations"
        total, seconds, *counts = _row(sql)
        pairs = zip(BUCKETS_SECONDS, counts, strict=True)
        buckets = [(str(edge), float(count)) for edge, count in pairs]
        family.add_metric([], [*buckets, ("+Inf", float(total))], float(seconds))
        return family

    def _trajectories(self) -> Metric:
        family = CounterMetricFamily(
            "ace_training_trajectories",
            "Trajectories of training, by whether they could be scored",
            labels=["outcome"],
        )
        made, failed = _row(
            """SELECT coalesce(sum(trajectories), 0), coalesce(sum(failed_trajectories), 0)
               FROM training_jobs"""
        )
        family.add_metric(["scored"], float(made - failed))
        family.add_metric(["failed"], float(failed))
        return family

    def _rewards(self) -> Metric:
        family = GaugeMetricFamily(
            "ace_training_reward",
            "Mean reward of the last iteration of each open job",
            labels=["job", "agent_id"],
        )
        rows = TrainingJob.objects.filter(status__in=ACTIVE, iteration__gt=0).order_by("pk")
        for pk, name, metrics in rows.values_list("pk", "agent__agent_id", "metrics"):
            if metrics.get("avg_reward") is not None:
                family.add_metric([str(pk), name], metrics["avg_reward"])
        return family


def _row(sql: str) -> tuple:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        found: tuple = cursor.fetchone()
        return found
