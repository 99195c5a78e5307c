"""The provisioned dashboard: valid, of one piece, and laid out without overlaps."""

import json
from itertools import combinations
from typing import Any

import pytest

from tests.conftest import ROOT

FOLDER = ROOT / "deploy" / "grafana"


@pytest.fixture(scope="module")
def dashboard() -> dict[str, Any]:
    """Return the dashboard."""
    return json.loads((FOLDER / "dashboards" / "ace.json").read_text())


def test_every_panel_asks_the_provisioned_source(dashboard: dict[str, Any]) -> None:
    source = (FOLDER / "provisioning" / "datasources" / "prometheus.yml").read_text()
    for panel in dashboard["panels"]:
        assert panel["targets"], panel["title"]
        for target in (panel, *panel["targets"]):
            assert f"uid: {target['datasource']['uid']}\n" in source


def test_panels_have_ids_of_their_own_and_do_not_overlap(dashboard: dict[str, Any]) -> None:
    panels = dashboard["panels"]
    assert len({panel["id"] for panel in panels}) == len(panels)
    for one, other in combinations((panel["gridPos"] for panel in panels), 2):
        apart = (
            one["x"] + one["w"] <= other["x"]
            or other["x"] + other["w"] <= one["x"]
            or one["y"] + one["h"] <= other["y"]
            or other["y"] + other["h"] <= one["y"]
        )
        assert apart, (one, other)
    assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in panels)


def test_what_every_server_reads_from_the_database_is_never_summed_over_servers(
    dashboard: dict[str, Any],
) -> None:
    own = ("ace_playbook_retrieval", "ace_cache_")
    for panel in dashboard["panels"]:
        for target in panel["targets"]:
            if not any(name in target["expr"] for name in own):
                assert "sum by" not in target["expr"]
                assert "sum(" not in target["expr"]
                assert "max" in target["expr"]
