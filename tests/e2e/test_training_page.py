"""Training in a real browser: a job watched while it goes on, paused by hand, read on a phone."""

from collections.abc import Callable
from typing import Any

import pytest

from playbooks import services
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent
from tests.e2e.looks import PHONE, PLAIN
from tests.training_rows import add_evaluation, add_iterations, add_trajectory, make_job
from training.models import JobState, TrainingJob

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

# A plot is updated in place if what was written onto its element is still there.
MARK = "document.querySelector('#curve-reward .uplot').dataset.seen = 'yes'"
DRAWN = "document.querySelectorAll('.ace-curve-canvas canvas').length === 2"


@pytest.fixture
def job(transactional_db: None) -> TrainingJob:
    """Return a job that goes on, with figures, and a long word in its title."""
    agent: Agent = services.create_agent(
        agent_id="airline.1", author=AUTOMATIC, initial_context={"s": ["Be brief."]}
    )
    made = make_job(agent, title="which-lessons-help-with-" + "refunds-" * 12, spent_usd=4)
    add_iterations(made, 20)
    add_evaluation(made, 20)
    add_trajectory(made, steps=[{"tool": "get_fare_of_" + "x" * 80, "arguments": {"a": "y" * 300}}])
    return made


def test_a_job_is_watched_while_its_rows_change_and_its_plots_are_drawn_on(
    visit: Callable[..., Any], job: TrainingJob
) -> None:
    page = visit(role="operator")
    page.goto(f"/training/{job.pk}/")
    page.wait_for_function(DRAWN)
    page.evaluate(MARK)
    add_iterations(job, 1, avg_reward=0.9)
    page.get_by_role("img", name="Mean reward rose from 0.402 to 0.9 up to iteration 21").wait_for()
    page.locator("#curve-reward .uplot[data-seen=yes]").wait_for()
    page.locator("#curve-reward .u-over").hover(position={"x": 4, "y": 40})
    page.locator(".ace-tip", has_text="Iteration").first.wait_for()
    TrainingJob.objects.update(status="completed", reason="converged")
    page.get_by_text("Converged.").wait_for()
    page.locator("#job[hx-get]").wait_for(state="detached")


def test_a_job_is_paused_and_resumed_without_javascript(
    visit: Callable[..., Any], job: TrainingJob
) -> None:
    TrainingJob.objects.update(status="queued")
    page = visit(role="operator", **PLAIN)
    page.goto(f"/training/{job.pk}/")
    page.get_by_role("button", name="Pause").click()
    page.get_by_text(f"Training {job.pk} is paused.").wait_for()
    job.refresh_from_db()
    assert job.state == JobState.PAUSED
    page.get_by_role("button", name="Resume").click()
    page.get_by_text(f"Training {job.pk} goes on after iteration 20.").wait_for()
    job.refresh_from_db()
    assert job.state == JobState.RUNNING


def test_cancelling_asks_why_first(visit: Callable[..., Any], job: TrainingJob) -> None:
    page = visit(role="operator")
    page.goto(f"/training/{job.pk}/")
    page.get_by_role("button", name="Cancel…").click()
    page.get_by_label("Why").fill("Wrong tasks")
    page.get_by_role("button", name="Cancel the training").click()
    page.get_by_text("Its best checkpoint is kept.").wait_for()
    job.refresh_from_db()
    assert job.state == JobState.CANCELLED


def test_no_page_is_wider_than_a_phone(visit: Callable[..., Any], job: TrainingJob) -> None:
    page = visit(role="operator", **PHONE)
    row = job.rollouts.get()
    base = f"/training/{job.pk}/"
    for url in ("/training/", "/training/new/", base, f"{base}trajectories/",
                f"{base}trajectories/{row.pk}/"):  # fmt: skip
        page.goto(url)
        page.locator("h1").wait_for()
        assert page.evaluate("document.documentElement.scrollWidth") <= 390, url
