"""Training: jobs are listed, watched and explained."""

import json
import sys
from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from playbooks.models import Agent
from tests.training_rows import add_evaluation, add_iterations, add_trajectory, make_job
from training.exports import FORMATS
from training.models import JobState, TrainingJob, TrainingState, Trajectory

LIST = "/training/"
NEW = "/training/new/"
STEERING = ("pause/", "resume/", "cancel/")


def url_of(job: TrainingJob, verb: str = "") -> str:
    return f"{LIST}{job.pk}/{verb}"


def shown(client: Client, url: str, **asked: Any) -> str:
    answer = client.get(url, asked)
    assert answer.status_code == 200
    return answer.content.decode()


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, agent: Agent) -> None:
    job = make_job(agent)
    row = add_trajectory(job)
    for url in (LIST, NEW, url_of(job), url_of(job, "trajectories/"), url_of(job, "export/")):
        assert client.get(url).status_code == 302
    assert client.get(url_of(job, f"trajectories/{row.pk}/")).status_code == 302


# ---- taking out ----
def test_a_jobs_page_leads_to_a_file_of_each_format(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job, viewer = make_job(agent), signed_in("viewer")
    assert "Files come with the first trajectories." in shown(viewer, url_of(job))
    add_trajectory(job, steps=[], answer="done")
    TrainingJob.objects.update(trajectories=1)
    page = shown(viewer, url_of(job))
    for name in FORMATS:
        assert f'export/?format={name}"' in page
    assert "?format=openai&amp;success_only=1" in page
    answer = viewer.get(url_of(job, "export/"), {"format": "raw"})
    assert answer["Content-Type"] == "application/x-ndjson"
    assert f'filename="training-{job.pk}-raw.jsonl"' in answer["Content-Disposition"]
    rows = [json.loads(line) for line in answer.getvalue().splitlines()]
    assert [row["job_id"] for row in rows] == [job.pk]
    Trajectory.objects.update(success=False)
    successes = viewer.get(url_of(job, "export/"), {"format": "raw", "success_only": "1"})
    assert successes.getvalue() == b""


def test_a_format_that_is_not_to_be_had_says_why(
    signed_in: Callable[..., Client], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    job, viewer = make_job(agent, trajectories=1), signed_in("viewer")
    for name in ("pyarrow", "pyarrow.parquet"):
        monkeypatch.setitem(sys.modules, name, None)
    page = shown(viewer, url_of(job))
    assert "needs pyarrow where this server runs" in page
    assert "format=verl" not in page
    for name, said in (("verl", "pip install"), ("xml", "must be one of raw")):
        answer = viewer.get(url_of(job, "export/"), {"format": name}, follow=True)
        assert answer.redirect_chain == [(url_of(job), 302)]
        assert said in answer.text
    TrainingJob.objects.update(policy="action")
    page = shown(viewer, url_of(job))
    assert "format=raw" in page
    assert "format=openai" not in page
    assert viewer.get(f"{LIST}999999/export/").status_code == 404
    assert viewer.post(url_of(job, "export/")).status_code == 405


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_only_operators_start_and_steer_and_the_others_are_told(
    signed_in: Callable[..., Client], agent: Agent, role: str
) -> None:
    visitor, job = signed_in(role), make_job(agent)
    assert visitor.get(NEW).status_code == 403
    assert visitor.post(NEW).status_code == 403
    for verb in STEERING:
        assert visitor.post(url_of(job, verb)).status_code == 403
    page = shown(visitor, url_of(job))
    assert f"An operator may; your role is {role}." in page
    assert 'popovertarget="cancel"' not in page
    assert "Start a training" not in shown(visitor, LIST)
    assert TrainingJob.objects.get().state == JobState.RUNNING


def test_a_viewer_makes_no_delta(signed_in: Callable[..., Client], agent: Agent) -> None:
    job, viewer = make_job(agent, "paused"), signed_in("viewer")
    add_iterations(job, 10)
    add_evaluation(job, 10)
    assert "Make a delta" not in shown(viewer, url_of(job))
    assert viewer.post(url_of(job, "propose/"), {"checkpoint": 10}).status_code == 403
    reviewer = signed_in("reviewer")
    assert "Make a delta" in shown(reviewer, url_of(job))
    TrainingJob.objects.update(paused_at=None)
    page = shown(reviewer, url_of(job))
    assert "Make a delta" not in page
    assert "once the job is paused or has ended" in page


def test_a_start_from_traces_says_what_it_rests_on(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job = make_job(agent, report={"warm_start": {"note": "Starts from <9> traces."}})
    assert "Starts from &lt;9&gt; traces." in shown(signed_in("viewer"), url_of(job))


def test_other_methods_are_refused(signed_in: Callable[..., Client], agent: Agent) -> None:
    operator, job = signed_in("operator"), make_job(agent)
    for verb in (*STEERING, "propose/"):
        assert operator.get(url_of(job, verb)).status_code == 405
    for url in (LIST, url_of(job), url_of(job, "trajectories/"), url_of(job, "export/")):
        assert operator.post(url).status_code == 405


def test_what_is_not_there_is_a_404(signed_in: Callable[..., Client], agent: Agent) -> None:
    operator, job, other = signed_in("operator"), make_job(agent), make_job(agent)
    row = add_trajectory(other)
    assert operator.get(f"{LIST}987654/").status_code == 404
    for verb in STEERING:
        assert operator.post(f"{LIST}987654/{verb}").status_code == 404
    assert operator.get(url_of(job, f"trajectories/{row.pk}/")).status_code == 404
    for checkpoint in ("7", "x", ""):
        asked = {"checkpoint": checkpoint}
        assert operator.post(url_of(job, "propose/"), asked).status_code == 404


# ---- the list ----
def test_the_list_is_filtered_by_the_address_and_asks_nothing_per_row(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    made = {state: make_job(agent, state) for state in JobState.values}
    for state, job in made.items():
        page = viewer.get(LIST, {"state": state, "agent": "airline"}).context["page"]
        assert [row.pk for row in page.rows] == [job.pk]
    assert viewer.get(LIST, {"agent": "nobody"}).context["page"].rows == []
    with CaptureQueriesContext(connection) as one:
        viewer.get(LIST)
    for _ in range(5):
        more = make_job(agent)
        add_evaluation(more, 10)
    with CaptureQueriesContext(connection) as many:
        page = shown(viewer, LIST)
    assert len(one) == len(many) <= 8
    assert not any('"candidates"' in query["sql"] for query in many)
    assert "+15.0" in page
    assert "75.0" in page


def test_an_empty_list_says_how_to_begin(signed_in: Callable[..., Client]) -> None:
    assert NEW in shown(signed_in("operator"), LIST)
    page = shown(signed_in("viewer"), LIST)
    assert "An operator starts one" in page
    assert "No training fits." in shown(signed_in("viewer", "vic"), LIST, state="failed")


# ---- one job ----
def test_a_job_that_goes_on_asks_for_itself_and_an_ended_one_does_not(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer, job = signed_in("viewer"), make_job(agent)
    assert f'hx-get="{url_of(job)}"' in shown(viewer, url_of(job))
    answer = viewer.get(url_of(job), headers={"HX-Request": "true"})
    assert answer.content.decode().lstrip().startswith('<div id="job"')
    assert "HX-Request" in answer.headers["Vary"]
    TrainingJob.objects.update(status="completed")
    assert f'hx-get="{url_of(job)}"' not in shown(viewer, url_of(job))


def test_what_cancelling_keeps_is_only_what_there_is(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator, job = signed_in("operator"), make_job(agent, "queued")
    assert "It ends for good: no delta is made." in shown(operator, url_of(job))
    TrainingJob.objects.update(spent_usd=2)
    page = shown(operator, url_of(job))
    assert "It ends for good: what was spent stays spent, and no delta is made." in page


def test_the_tiles_say_how_far_how_dear_and_how_good_it_is(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job = make_job(agent, spent_usd=4)
    add_iterations(job, 40)
    add_evaluation(job, 40)
    page = " ".join(shown(signed_in("viewer"), url_of(job)).split())
    for text in (
        "of 100 iterations", "Ends about", "$4.00", "Forecast <strong>$10.00</strong>",
        # 4 dollars over 40 x 128 trajectories, 8 of them to a query.
        "<strong>$6.25</strong> per 1,000 queries: $0.000781 a trajectory × 8 × 1,000",
        "120 of 160", "+15.0 points", "+5.0 to +25.0", "of groups mixed", "5,120", "v1",
    ):  # fmt: skip
        assert text in page, text
    assert '<svg class="ace-plot" viewBox="0 0 410 200"' in page


def test_a_forecast_past_the_limit_says_what_happens(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job = make_job(agent, spent_usd=9)
    add_iterations(job, 10)
    assert "over the limit: it would end there" in shown(signed_in("viewer"), url_of(job))


def test_a_difference_that_may_be_chance_is_neither_good_nor_bad(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job = make_job(agent)
    add_iterations(job, 10)
    add_evaluation(job, 10, share=0.62)
    page = shown(signed_in("viewer"), url_of(job))
    assert "+2.0 points" in page
    assert "ace-good" not in page.split("Held-out success")[1].split("</section>")[0]


@pytest.mark.parametrize("state", JobState.values)
def test_every_state_has_its_page_before_anything_is_measured(
    signed_in: Callable[..., Client], agent: Agent, state: str
) -> None:
    page = shown(signed_in("operator"), url_of(make_job(agent, state)))
    ended = state in ("completed", "failed", "cancelled")
    assert ("Not measured yet" in page) is not ended
    assert ("Nothing was measured." if ended else "Nothing measured yet.") in page
    assert (">Pause" in page) is (state in ("queued", "running", "paused"))


@pytest.mark.parametrize(
    ("status", "reason", "text"),
    [
        ("completed", "finished", "All 10 iterations are done."),
        ("completed", "converged", "stopped rising. It ended after 10"),
        ("completed", "target_reached", "The mean reward came to 0.9"),
        ("completed", "no_signal", "There was nothing to learn from."),
        ("failed", "budget_exceeded", "Nothing was spent past a limit."),
        ("failed", "diverged", "It diverged."),
        ("failed", "runtime_error", "The agent could not be run."),
        ("failed", "gave_up", "The workers died."),
        ("failed", "internal_error", "It could not go on."),
        ("cancelled", "cancelled by person:bob", "Cancelled by person:bob."),
    ],
)
def test_an_ended_job_says_why_and_what_is_kept(
    signed_in: Callable[..., Client], agent: Agent, status: str, reason: str, text: str
) -> None:
    job = make_job(agent, status, reason=reason, error="<x>", config={"target_reward": 0.9})
    add_iterations(job, 10)
    add_evaluation(job, 10)
    page = shown(signed_in("operator"), url_of(job))
    assert text in page
    assert ("Checkpoint 10 is kept." in page) is (status != "completed")
    assert "&lt;x&gt;" in page
    assert ">Pause" not in page


def test_the_sealed_test_stands_apart_from_what_chose_the_checkpoint(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job = make_job(agent, "completed", reason="finished")
    add_iterations(job, 20)
    for number, share in ((10, 0.7), (20, 0.8)):
        add_evaluation(job, number, share=share)
    assert "flatters itself" not in shown(signed_in("viewer"), url_of(job))
    add_evaluation(job, 20, share=0.72, kind="test")
    of_delta = {"success_rate": 0.78, "difference": 0.18, "low": 0.1, "high": 0.26}
    TrainingJob.objects.update(report={"delta_test": of_delta, "held_up": False})
    page = shown(signed_in("reviewer"), url_of(job))
    assert "The best of 2 checkpoints" in page
    sealed = page.split('id="sealed"')[1].split("</section>")[0]
    assert sealed.index("72.0") < sealed.index("78.0") < sealed.index("80.0")
    assert "it did not hold up" in sealed


def test_effects_are_told_with_interval_uses_and_decision(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    effects = [
        {"bullet_id": "b1", "text": "Ask <b>first</b>.", "decision": "drop", "effect": -0.038,
         "low": -0.066, "high": -0.01, "uses": 1200, "tokens": 14},
        {"bullet_id": "b2", "text": "Never read a card back.", "decision": "fixed", "effect": 0.01,
         "low": -0.02, "high": 0.04, "uses": 1},
        {"bullet_id": "b4", "text": "Refund.", "decision": "restrict", "types": ["<refund>"],
         "effect": 0.005, "low": -0.01, "high": 0.02, "by_type": [
            {"type": "rebook", "effect": -0.2, "low": -0.3, "high": -0.1},
            {"type": "other", "effect": -0.1, "low": -0.3, "high": 0.1}, "malformed"]},
        {"bullet_id": "b3", "text": "Rarely in.", "effect": None},
        "malformed",
    ]  # fmt: skip
    report = {"conclusion": "Of 4 bullets it drops 1."}
    job = make_job(agent, "completed", reason="finished", effects=effects, report=report)
    page = shown(signed_in("viewer"), url_of(job))
    for text in (
        *("−3.8", "−6.6 to −1.0", "1,200 uses", "14 tokens", "would drop", "kept by rule"),
        *("would restrict to &lt;refund&gt;", "−20.0 in rebook", "Of 4 bullets"),
    ):
        assert text in page, text
    assert "in other" not in page
    assert "too few to say" in page
    assert "Ask &lt;b&gt;first" in page
    assert page.index("Never read a card back.") < page.index("Ask &lt;b&gt;first")


def test_while_it_learns_the_policys_leaning_is_shown_and_no_effect(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer, job = signed_in("viewer"), make_job(agent)
    add_iterations(job, 1)
    assert [(row.text, row.kept) for row in viewer.get(url_of(job)).context["chances"]] == [
        ("Ask <b>first</b>.", 0.5)
    ]
    page = shown(viewer, url_of(job))
    assert "Ask &lt;b&gt;first" in page
    assert "worked out when the job ends" in page
    TrainingState.objects.update(state=b"damaged")
    assert viewer.get(url_of(job)).context["chances"] == []


def test_what_others_wrote_is_escaped(signed_in: Callable[..., Client], agent: Agent) -> None:
    bad = "<script>alert(1)</script>\u202e"
    job = make_job(
        agent, "failed", reason=f"x{bad}", error=bad, title=bad,
        runtime={"name": bad, "url": bad}, requested_by=f"person:{bad}",
    )  # fmt: skip
    steps = [{"tool": bad, "arguments": {"a": bad}, "error": bad}]
    row = add_trajectory(job, steps=steps, answer=bad, error=bad, outcome="broken")
    viewer = signed_in("viewer")
    pages = (
        LIST,
        url_of(job),
        url_of(job, "trajectories/"),
        url_of(job, f"trajectories/{row.pk}/"),
    )
    for url in pages:
        page = shown(viewer, url)
        assert "<script>alert" not in page
        assert "\u202e" not in page
    assert "<i>Task" not in shown(viewer, pages[-1])


def test_simulated_jobs_are_marked(signed_in: Callable[..., Client], agent: Agent) -> None:
    runtime = {"name": "gymnasium", "env": "CartPole-v1"}
    job = make_job(agent, simulated=True, policy="action", runtime=runtime, candidates=[])
    add_iterations(job, 2)
    add_evaluation(job, 2, success_rate=None, avg_reward=318.0, difference=None)
    viewer = signed_in("viewer")
    assert "ace-chip--sim" in shown(viewer, LIST)
    page = shown(viewer, url_of(job))
    assert "Episodes of CartPole-v1" in page
    assert "Held-out reward" in page
    assert "What each bullet is worth" not in page
    TrainingJob.objects.update(status="completed")
    assert "Make a delta" not in shown(signed_in("operator"), url_of(job))


def test_a_long_job_is_drawn_in_bounded_points_and_as_many_queries(
    signed_in: Callable[..., Client], agent: Agent, django_assert_num_queries: Any
) -> None:
    viewer = signed_in("viewer")
    job = make_job(agent, config={"n_iterations": 10_000})
    add_iterations(job, 1)
    add_evaluation(job, 1)
    with CaptureQueriesContext(connection) as one:
        viewer.get(url_of(job))
    assert len(one) <= 18
    add_iterations(job, 2000)
    for number in range(2, 102):
        add_evaluation(job, number * 19)
    with django_assert_num_queries(len(one)):
        curves = viewer.get(url_of(job)).context["curves"]
    assert 200 <= len(curves.reward.x) <= 241
    assert curves.reward.x[-1] == 2001
    assert len(curves.held_out.x) <= 61
    assert curves.held_out.x[-1] == 101 * 19


def test_figures_that_are_no_numbers_are_left_out(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job = make_job(agent, "failed", reason="diverged")
    add_iterations(job, 3)
    add_iterations(job, 1, avg_reward=float("nan"), entropy=float("inf"))
    answer = signed_in("viewer").get(url_of(job))
    assert answer.context["curves"].reward.x == [1, 2, 3]
    data = answer.content.decode().split('data-curve="')[1].split('"')[0].replace("&quot;", '"')
    assert json.loads(data)["x"] == [1, 2, 3]


# ---- elsewhere ----
def test_a_failed_job_needs_a_look_until_another_one_is_begun(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    failed = make_job(agent, "failed", reason="runtime_error", error="<refused>")
    page = shown(viewer, "/")
    assert f"Training {failed.pk} of airline failed" in page
    assert "&lt;refused&gt;" in page
    make_job(agent)
    page = shown(viewer, "/")
    assert f"Training {failed.pk} of airline failed" not in page
    assert ">1 job</a>" in page
    assert ">2, 1 open</a>" in shown(viewer, "/agents/airline/")


def test_jobs_that_nobody_takes_are_red_and_paused_ones_are_not(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    job = make_job(agent, "paused")
    assert "Nobody works" not in shown(viewer, "/")
    TrainingJob.objects.filter(pk=job.pk).update(paused_at=None)
    assert "Nobody works, 1 job waits" in shown(viewer, "/")
