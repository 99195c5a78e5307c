"""Probes and metrics."""

from unittest import mock

import pytest
from django.db import OperationalError
from django.test import Client
from prometheus_client import CollectorRegistry

from ace_project.core import metrics
from ace_project.core.api import health
from tests.callers import is_problem


@pytest.fixture
def client():
    return Client(raise_request_exception=False)


def test_healthz_asks_nobody(client):
    assert client.get("/healthz").json() == {"status": "ok"}


@pytest.mark.django_db
def test_readyz_asks_the_database(client, django_assert_num_queries):
    with django_assert_num_queries(1):
        answer = client.get("/readyz").json()
    assert answer == {"status": "ready", "database": "ok", "redis": "none"}


def test_readyz_is_a_503_without_the_database(client):
    with mock.patch.object(health, "connection") as connection:
        connection.cursor.side_effect = OperationalError("secret")
        answer = client.get("/readyz")
    assert is_problem(answer, 503)
    assert b"secret" not in answer.content


@pytest.mark.django_db
def test_a_dead_redis_degrades_and_no_more(client, dead_redis):
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["status"]) == (200, "degraded")


@pytest.mark.django_db
def test_metrics_show_the_cache_s_and_the_database_s_names(client):
    text = client.get("/metrics").content.decode()
    for name in (
        "ace_cache_hits_total",
        "ace_cache_misses_total",
        "ace_playbook_retrieval_duration_seconds_bucket",
    ):
        assert f"\n{name}" in text


def test_metrics_without_the_database_still_show_what_the_process_counted(client, monkeypatch):
    class Broken:
        def collect(self):
            raise OperationalError("away")

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Broken())
    monkeypatch.setattr(health, "FROM_DATABASE", registry)
    answer = client.get("/metrics")
    assert answer.status_code == 200
    assert b"ace_cache_hits_total" in answer.content


def test_several_processes_are_summed_from_their_files(client, tmp_path, monkeypatch):
    monkeypatch.setenv("PROMETHEUS_MULTIPROC_DIR", str(tmp_path))
    assert health._own_registry() is not metrics.FROM_DATABASE
    assert b"ace_cache_hits_total" not in health.generate_latest(health._own_registry())


@pytest.mark.parametrize("path", ["/healthz", "/readyz", "/metrics"])
def test_probes_are_read_only(client, path):
    answer = client.post(path)
    assert is_problem(answer, 405)
    assert answer["Allow"] == "GET, HEAD"
