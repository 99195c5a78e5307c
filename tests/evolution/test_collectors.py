"""The metrics that PostgreSQL knows, by their contracted names."""

import pytest
from django.test import Client

from ace_project.core.work import leases
from evolution import services
from evolution.models import EvolutionRun, Generator, Trigger
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Mode
from playbooks.selectors import agent_by_id

pytestmark = pytest.mark.django_db

SCRIPT = [{"operations": [{"op": "add", "section": "s", "text": "Go."}], "confidence": 0.9}]
# Contracts, section 6, but for what training adds later.
CONTRACTED = (
    "ace_evolution_requests_total",
    "ace_evolution_duration_seconds",
    "ace_deltas_generated_total",
    "ace_deltas_applied_total",
    "ace_llm_requests_total",
    "ace_llm_tokens_used_total",
    "ace_llm_cost_usd_total",
    "ace_llm_errors_total",
    "ace_circuit_breaker_state",
    "ace_cache_hits_total",
    "ace_cache_misses_total",
    "ace_playbook_retrieval_duration_seconds",
    "ace_queue_depth",
    "ace_budget_remaining_usd",
)


def queue(agent_id: str) -> services.StartResult:
    playbooks.create_agent(agent_id=agent_id, author=actors.AUTOMATIC, mode=Mode.AUTO)
    return services.start_run(
        agent=agent_by_id(agent_id),
        trigger=Trigger.API,
        requested_by="test",
        force=True,
        generator=Generator.SCRIPTED,
        script=SCRIPT,
    )


def scraped() -> dict[str, float]:
    lines = Client().get("/metrics").content.decode().splitlines()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


def test_a_run_and_what_came_of_it_are_counted_and_the_queue_is_measured() -> None:
    done = queue("done").run
    assert done is not None
    services.run_in_foreground(run=done, progress=lambda _: None)
    queue("waiting")
    found = scraped()
    assert found['ace_evolution_requests_total{trigger="api"}'] == 2
    assert found['ace_deltas_generated_total{source="scripted"}'] == 1
    assert found['ace_deltas_applied_total{source="scripted"}'] == 1
    assert found['ace_queue_depth{queue="evolution"}'] == 1
    assert found['ace_evolution_duration_seconds_count{status="completed"}'] == 1
    assert found['ace_evolution_duration_seconds_bucket{le="+Inf",status="completed"}'] == 1
    assert found['ace_evolution_duration_seconds_count{status="failed"}'] == 0


def test_every_contracted_name_of_this_part_is_there_from_the_first_scrape_on() -> None:
    lines = Client().get("/metrics").content.decode().splitlines()
    names = {line.split()[2] for line in lines if line.startswith("# TYPE")}
    assert names.issuperset(CONTRACTED)


def test_what_waits_is_counted_by_queue_with_what_a_dead_worker_left() -> None:
    queue("waits")
    left, paused = queue("left").run, queue("paused").run
    assert left is not None
    assert paused is not None
    leases.claim(EvolutionRun, left.pk)
    services.pause_evolution(agent=paused.agent, by=actors.AUTOMATIC)
    assert scraped()['ace_queue_depth{queue="evolution"}'] == 2
    EvolutionRun.objects.filter(pk=left.pk).update(lease_until="2020-01-01T00:00:00Z")
    found = scraped()
    assert found['ace_queue_depth{queue="evolution"}'] == 3
    assert found['ace_queue_depth{queue="workshop"}'] == 0
