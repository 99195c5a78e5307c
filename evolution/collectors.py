"""Evolution metrics that PostgreSQL already knows: right with any number of processes."""

from collections.abc import Iterator

from django.db import connection
from django.utils import timezone
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from ace_project.core.work import nudge, queue
from ace_project.core.work.leases import JobStatus
from evolution import pace, spending
from evolution.llm import breaker
from evolution.models import Tally

ENDED = (JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.CANCELLED)
BUCKETS_SECONDS = (0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)


class EvolutionCollector(Collector):
    """Reads runs, deltas and the queue at scrape time."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families; one statement each."""
        yield self._runs()
        yield self._durations()
        yield from self._deltas()
        yield self._queue()
        yield from self._cpu()

    def _runs(self) -> Metric:
        family = CounterMetricFamily(
            "ace_evolution_requests",
            "Evolution runs that were asked for, by what asked",
            labels=["trigger"],
        )
        # Not by status: what was queued a moment ago runs now, and a counter never falls.
        for trigger, count in _rows("SELECT trigger, count(*) FROM evolution_runs GROUP BY 1"):
            family.add_metric([trigger], count)
        return family

    def _durations(self) -> Metric:
        family = HistogramMetricFamily(
            "ace_evolution_duration_seconds",
            "Time from a run's start to its end, by how it ended",
            labels=["status"],
        )
        took = "extract(epoch FROM finished_at - started_at)"
        counts = ", ".join(f"count(*) FILTER (WHERE {took} <= {edge})" for edge in BUCKETS_SECONDS)
        sql = f"""SELECT status, count(*), sum({took}), {counts} FROM evolution_runs
                  WHERE finished_at IS NOT NULL AND started_at IS NOT NULL GROUP BY 1"""
        found = {status: row for status, *row in _rows(sql)}
        none = [0, 0] + [0] * len(BUCKETS_SECONDS)
        for status in ENDED:
            total, seconds, *within = found.get(status, none)
            pairs = zip(BUCKETS_SECONDS, within, strict=True)
            buckets = [(str(edge), float(n)) for edge, n in pairs]
            family.add_metric([status], [*buckets, ("+Inf", float(total))], float(seconds))
        return family

    def _deltas(self) -> Iterator[Metric]:
        made = CounterMetricFamily(
            "ace_deltas_generated", "Deltas proposed, by source", labels=["source"]
        )
        applied = CounterMetricFamily(
            "ace_deltas_applied", "Deltas that were applied, by source", labels=["source"]
        )
        for source, count, shipped in _rows(
            """SELECT source, count(*), count(*) FILTER (WHERE applied_version IS NOT NULL)
               FROM context_deltas GROUP BY 1"""
        ):
            made.add_metric([source], count)
            applied.add_metric([source], shipped)
        yield made
        yield applied

    def _queue(self) -> Metric:
        family = GaugeMetricFamily("ace_queue_depth", "Jobs that wait", labels=["queue"])
        for kind in nudge.KINDS:
            family.add_metric([kind.actor.queue_name], queue.depth(kind.model))
        return family

    def _cpu(self) -> Iterator[Metric]:
        spent = CounterMetricFamily(
            "ace_evolution_cpu_seconds", "CPU time of evolution runs", labels=["trigger"]
        )
        sql = "SELECT trigger, coalesce(sum(cpu_seconds), 0) FROM evolution_runs GROUP BY 1"
        for trigger, seconds in _rows(sql):
            spent.add_metric([trigger], seconds)
        yield spent
        level = GaugeMetricFamily(
            "ace_evolution_pace_seconds",
            "CPU time that automatic runs may take at once; they wait at 0 and below",
        )
        level.add_metric([], pace.level_seconds())
        yield level


_WITHOUT_ANSWER = ("refused", "unsent", "unknown")
_STATES = {"closed": 0, "open": 1, "half_open": 2}


class LlmCollector(Collector):
    """Reads what calls of language models came to, from running totals: never from the calls."""

    def collect(self) -> Iterator[Metric]:
        """Yield the families of calls, the breakers and the budget; one statement each."""
        yield from self._calls()
        yield self._breakers()
        left = GaugeMetricFamily(
            "ace_budget_remaining_usd", "What all agents may still reserve this month"
        )
        left.add_metric([], float(spending.remaining(now=timezone.now())))
        yield left

    def _calls(self) -> Iterator[Metric]:
        labels = ["endpoint", "model"]
        requests = CounterMetricFamily(
            "ace_llm_requests", "Calls of language models by outcome", labels=[*labels, "outcome"]
        )
        errors = CounterMetricFamily(
            "ace_llm_errors", "Calls that ended without an answer", labels=[*labels, "outcome"]
        )
        tokens = CounterMetricFamily(
            "ace_llm_tokens_used",
            "Tokens; the cached are part of the prompt",
            labels=[*labels, "type"],
        )
        cost = CounterMetricFamily(
            "ace_llm_cost_usd", "Charged to the budgets, with worst cases", labels=labels
        )
        for tally in Tally.objects.all():
            key = [tally.endpoint, tally.model]
            for outcome in ("answered", *_WITHOUT_ANSWER):
                requests.add_metric([*key, outcome], getattr(tally, outcome))
            for outcome in _WITHOUT_ANSWER:
                errors.add_metric([*key, outcome], getattr(tally, outcome))
            for kind in ("prompt", "cached", "completion"):
                tokens.add_metric([*key, kind], getattr(tally, f"{kind}_tokens"))
            cost.add_metric(key, float(tally.charged_usd))
        yield from (requests, errors, tokens, cost)

    def _breakers(self) -> Metric:
        family = GaugeMetricFamily(
            "ace_circuit_breaker_state",
            "0 closed, 1 open, 2 half-open",
            labels=["endpoint", "model"],
        )
        for key, state in breaker.states().items():
            family.add_metric(key, _STATES[state])
        return family


def _rows(sql: str) -> list[tuple]:
    with connection.cursor() as cursor:
        cursor.execute(sql)
        return cursor.fetchall()
