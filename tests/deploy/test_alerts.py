"""The alert rules, as promtool reads them, and the metrics that they rest on."""

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from django.test import Client

from tests.conftest import ROOT, absent

FOLDER = ROOT / "deploy" / "prometheus"


def promtool(*arguments: str) -> str:
    program = shutil.which("promtool")
    if program is None:
        absent("promtool", "there is no promtool on the PATH")
    command = [str(program), *arguments]
    done = subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def metrics_named(text: str) -> set[str]:
    """Return the names of metrics of ours in queries; recorded ones hold a colon."""
    return set(re.findall(r"\bace_[a-z0-9_]+(?![a-z0-9_:])", text))


def shown() -> set[str]:
    """Return every name of a sample that /metrics may show."""
    names = set()
    for line in Client().get("/metrics").content.decode().splitlines():
        if line.startswith("# TYPE"):
            name, kind = line.split()[2:]
            ends = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
            names |= {name + end for end in ends}
    return names


def test_the_rules_are_valid() -> None:
    assert "10 rules found" in promtool("check", "rules", "alerts.yml")


def test_each_alert_fires_when_it_should_and_not_otherwise() -> None:
    assert "SUCCESS" in promtool("test", "rules", "alerts.test.yml")


def test_the_configuration_is_valid() -> None:
    assert "SUCCESS" in promtool("check", "config", "--syntax-only", "prometheus.yml")


def test_every_alert_has_a_test_that_expects_it_to_fire() -> None:
    rules = (FOLDER / "alerts.yml").read_text()
    tested = (FOLDER / "alerts.test.yml").read_text()
    for name in re.findall(r"alert: (\w+)", rules):
        assert f"alertname: {name}\n        exp_alerts:" in tested, name


@pytest.mark.django_db
@pytest.mark.parametrize(
    "path", ["prometheus/alerts.yml", "prometheus/alerts.test.yml", "grafana/dashboards/ace.json"]
)
def test_every_metric_that_is_asked_for_is_one_that_is_shown(path: str) -> None:
    asked = metrics_named(Path(ROOT / "deploy" / path).read_text())
    assert len(asked) >= 5
    assert asked <= shown()
