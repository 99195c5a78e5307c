"""Marks of failing runs on the page of a run: shown with their strength, escaped, never advice."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evolution.models import EvolutionRun, ExecutionTrace
from playbooks.models import Agent

MARK = {
    "text": "“<script>x</script>” directly followed by “pay\u202e”",
    "failed": [71, 58],
    "succeeded": [24, 77],
    "lift": 0.36,
    "interval": [0.12, 0.55],
    "q_value": 0.0015,
    "within_group": True,
    "groups": 4,
    "exploratory": False,
    "doubts": [],
    "failed_traces": ["t-1", "gone"],
    "succeeded_traces": ["t-2"],
}
HINT = {
    **MARK,
    "text": "longer than 12 steps",
    "within_group": False,
    "exploratory": True,
    "doubts": ["q is above 0.05"],
    "interval": None,
}
NOW = timezone.now()
PANEL = "Marks of failing runs, not advice"


@pytest.fixture
def page_of(agent: Agent, signed_in: Callable[..., Client]) -> Callable[..., str]:
    """Return what shows the page of a run with such a report."""
    viewer = signed_in("viewer")

    def show(**report: Any) -> str:
        run = EvolutionRun.objects.create(
            agent=agent, trigger="command", requested_by="ann", status="completed", report=report
        )
        return viewer.get(f"/runs/{run.pk}/").content.decode()

    return show


def test_a_mark_is_shown_with_its_counts_and_its_strength(page_of: Callable[..., str]) -> None:
    page = page_of(marks=[MARK, HINT])
    assert PANEL in page
    for words in ("71 of 95", "58 of 135", "+36.0", "+12.0 to +55.0", "0.0015"):
        assert words in page
    assert page.count("Within a task group: the stronger kind") == 1
    assert page.count("Between task groups, which may differ themselves") == 1
    assert page.count("A hint, not a result: q is above 0.05") == 1


def test_a_tiny_probability_is_words_not_an_exponent(page_of: Callable[..., str]) -> None:
    page = page_of(marks=[MARK | {"q_value": 7.5e-36}])
    assert "under 0.001" in page
    assert "e-36" not in page


def test_what_a_trace_says_is_escaped_in_a_mark(page_of: Callable[..., str]) -> None:
    page = page_of(marks=[MARK])
    assert "<script>x" not in page
    assert "&lt;script&gt;x" in page
    assert "\u202e" not in page


def test_a_mark_names_those_of_its_traces_that_exist(
    page_of: Callable[..., str], agent: Agent
) -> None:
    rows = [
        ExecutionTrace.objects.create(agent=agent, trace_id=name, success=True, captured_at=NOW)
        for name in ("t-1", "t-2", "other")
    ]
    page = page_of(marks=[MARK])
    assert [f'href="/traces/{row.pk}/"' in page for row in rows] == [True, True, False]
    assert "gone" not in page


def test_many_marks_ask_no_more_than_one(page_of: Callable[..., str]) -> None:
    page_of(marks=[MARK])
    with CaptureQueriesContext(connection) as one:
        page_of(marks=[MARK])
    with CaptureQueriesContext(connection) as many:
        page_of(marks=[MARK, HINT] * 6)
    assert len(one) == len(many)


def test_without_marks_the_page_says_so(page_of: Callable[..., str]) -> None:
    told = "No pattern of the steps told failing runs from others"
    assert told in page_of(marks=[], settings={"runs_held_out": 40})
    small = page_of(marks=[], settings={})
    assert told not in small
    assert "Nothing could be held out" in small


def test_a_run_that_looked_for_no_marks_has_no_panel(page_of: Callable[..., str]) -> None:
    assert PANEL not in page_of(generator="scripted", notes=[])
