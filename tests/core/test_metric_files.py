"""Metrics of several web processes add up, whichever process is scraped."""

import http.client
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

import pytest

from ace_project.core import metric_files
from ace_project.core.metric_files import VARIABLE
from playbooks import actors, services
from tests.callers import Caller
from tests.servers import ask, web_server

ASKED = 60


def scrape(port: int) -> dict[str, float]:
    link = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    link.request("GET", "/metrics")
    lines = link.getresponse().read().decode().splitlines()
    link.close()
    pairs = (line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    return {name: float(value) for name, value in pairs}


@pytest.mark.django_db(transaction=True)
def test_two_web_processes_count_every_retrieval_once_and_show_all_of_them(tmp_path) -> None:
    services.create_agent(agent_id="bot", author=actors.AUTOMATIC)
    token = Caller("bot").token
    with web_server(tmp_path, workers=2) as port:

        def fetch(_: int) -> int:
            # A connection each: the two processes share the port.
            return ask(port, "GET", "/api/v1/playbooks/bot", token=token)[0]

        with ThreadPoolExecutor(8) as pool:
            assert set(pool.map(fetch, range(ASKED))) == {200}
        shown = [scrape(port) for _ in range(12)]
    files = list((tmp_path / "metrics").glob("*/counter_*.db"))
    assert len(files) == 2
    for found in shown:
        assert found["ace_playbook_retrieval_duration_seconds_count"] == ASKED
        assert found['ace_playbook_retrieval_duration_seconds_bucket{le="+Inf"}'] == ASKED
        cached = found["ace_cache_hits_total"] + found["ace_cache_misses_total"]
        assert cached == ASKED


def test_a_folder_that_the_environment_names_is_kept(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv(VARIABLE, "/elsewhere")
    metric_files.share(tmp_path)
    assert os.environ[VARIABLE] == "/elsewhere"
    assert list(tmp_path.iterdir()) == []


def test_what_servers_that_are_gone_counted_is_removed(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    for name in (str(gone.pid), str(os.getpid())):
        (tmp_path / name).mkdir()
        (tmp_path / name / "counter_1.db").touch()
    metric_files.share(tmp_path)
    kept = {path.name for path in tmp_path.iterdir()}
    assert kept == {str(os.getpid()), str(os.getppid())}
    assert os.environ[VARIABLE] == str(tmp_path / str(os.getppid()))


def test_where_nothing_can_be_written_each_process_counts_for_itself(tmp_path, monkeypatch) -> None:
    monkeypatch.delenv(VARIABLE, raising=False)
    (tmp_path / "file").touch()
    metric_files.share(tmp_path / "file")
    assert VARIABLE not in os.environ
