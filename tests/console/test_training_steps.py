"""Training: its trajectories are read step by step, and a job is steered."""

from collections.abc import Callable
from typing import Any

import numpy as np
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext

from playbooks.models import Agent, Delta
from playbooks.selectors import head
from tests.training_rows import add_evaluation, add_iterations, add_trajectory, make_job
from training.candidates import candidates_of
from training.models import JobState, TrainingJob, TrainingTask, Trajectory

LIST = "/training/"


def url_of(job: TrainingJob, verb: str = "") -> str:
    return f"{LIST}{job.pk}/{verb}"


def shown(client: Client, url: str, **asked: Any) -> str:
    answer = client.get(url, asked)
    assert answer.status_code == 200
    return answer.content.decode()


def test_trajectories_are_filtered_page_by_page_without_their_bodies(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer, job = signed_in("viewer"), make_job(agent)
    add_trajectory(make_job(agent))
    failed = add_trajectory(job, task=3, success=False, reward=0.0, iteration=2)
    lost = add_trajectory(job, task=4, outcome="timeout", success=None, reward=None)
    for _ in range(52):
        add_trajectory(job)
    url = url_of(job, "trajectories/")

    def found(**asked: Any) -> list[int]:
        return [row.pk for row in viewer.get(url, asked).context["page"].rows]

    assert found(outcome="failed") == [failed.pk]
    assert found(outcome="timeout") == [lost.pk]
    assert found(task="3") == found(iteration="2") == [failed.pk]
    assert found(task="x") == found(task="9" * 18) == []
    with CaptureQueriesContext(connection) as asked:
        page = viewer.get(url)
    assert len(asked) <= 8
    assert not any('"body"' in query["sql"] for query in asked)
    older = viewer.get(url + page.context["page"].next_url).context["page"].rows
    assert [row.pk for row in older][-2:] == [lost.pk, failed.pk]
    assert "&lt;i&gt;Task&lt;/i&gt; 0" in page.content.decode()


def test_a_trajectory_shows_its_steps_its_bullets_and_its_group(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    job, viewer = make_job(agent), signed_in("viewer")
    steps = [{"tool": f"tool-{n}", "arguments": {}} for n in range(250)]
    row = add_trajectory(job, steps=steps, answer="Refunded.")
    other = add_trajectory(job, trial=1, reward=0.0)
    add_trajectory(job, task=1)
    url = url_of(job, f"trajectories/{row.pk}/")
    answer = viewer.get(url)
    page = answer.content.decode()
    assert [is_in for _, is_in in answer.context["bullets"]] == [True, False]
    assert [r.pk for r in answer.context["group"]] == [row.pk, other.pk]
    for text in ("tool-199", "Refunded.", "1.000", "+0.25"):
        assert text in page
    assert "tool-200" not in page
    assert "tool-249" in shown(viewer, url, **{"from": 201})


def test_a_damaged_body_is_said_to_be(signed_in: Callable[..., Client], agent: Agent) -> None:
    row = add_trajectory(make_job(agent), body=b"not deflated")
    page = shown(signed_in("viewer"), url_of(row.job, f"trajectories/{row.pk}/"))
    assert "damaged and cannot be read" in page


def test_no_trajectories_yet_is_said(signed_in: Callable[..., Client], agent: Agent) -> None:
    page = shown(signed_in("viewer"), url_of(make_job(agent), "trajectories/"))
    assert "they come with the first iteration" in page
    assert not Trajectory.objects.exists()


# ---- steering ----
def test_an_operator_pauses_resumes_and_cancels_and_is_told_what_follows(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator, job = signed_in("operator", "ann"), make_job(agent, status="queued")

    def press(verb: str, **posted: str) -> str:
        answer = operator.post(url_of(job, verb), posted, follow=True)
        job.refresh_from_db()
        return answer.content.decode()

    assert "Nothing more is spent until you resume." in press("pause/")
    assert job.state == JobState.PAUSED
    assert "cannot be paused" in press("pause/")
    assert "goes on after iteration 0" in press("resume/")
    assert job.state == JobState.RUNNING
    assert "cannot be resumed" in press("resume/")
    assert "is cancelled" in press("cancel/", reason="Wrong <b>tasks</b>")
    assert job.state == JobState.CANCELLED
    page = press("cancel/")
    assert "cannot be cancelled" in page
    assert "Wrong &lt;b&gt;tasks" in page
    assert "<b>tasks" not in page


def test_a_reviewer_makes_a_delta_of_a_checkpoint_where_something_is_significant(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    reviewer = signed_in("reviewer")
    candidates = candidates_of(agent, head(agent.playbook), None)
    job = make_job(agent, "paused", candidates=candidates)
    add_iterations(job, 10)
    add_evaluation(job, 10)

    def press() -> str:
        answer = reviewer.post(url_of(job, "propose/"), {"checkpoint": 10}, follow=True)
        return answer.content.decode()

    assert "Nothing is proposed" in press()
    TrainingTask.objects.bulk_create(
        TrainingTask(job=job, split="train", number=n, query=str(n)) for n in range(60)
    )
    tries = [(task, trial) for task in range(60) for trial in range(8)]
    # The first bullet does harm in nine of ten tries that it is in.
    harmed = {pair: pair[1] % 2 == 0 and pair[0] % 10 > 0 for pair in tries}
    Trajectory.objects.bulk_create(
        Trajectory(
            job=job, iteration=1, task=task, trial=trial, outcome="ended",
            success=not harmed[task, trial], reward=float(not harmed[task, trial]),
            bullets=np.packbits([trial % 2 == 0, trial % 4 < 2]).tobytes(),
        )
        for task, trial in tries
    )  # fmt: skip
    assert "is made of checkpoint 10." in press()
    delta = Delta.objects.get()
    assert (delta.source, delta.author) == ("training", "person:reviewer")
    assert [(op["op"], op["bullet_id"]) for op in delta.operations] == [
        ("remove", candidates[0]["bullet_id"])
    ]
