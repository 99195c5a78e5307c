"""A job that starts from traces in which chance left bullets out."""

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import pytest

from ace_project.core.errors import InvalidInput
from evolution.services import record_batch
from playbooks import actors
from playbooks import services as playbooks
from playbooks.content import Bullet, bullets
from playbooks.exploration import Exploration
from playbooks.models import Agent, Mode
from playbooks.selectors import head
from tests.callers import Caller, is_problem
from tests.training.scripted import BAD, GOOD, MANY, data, learner, make_agent, scripted, start
from training import services
from training.models import EvaluationKind, TrainingJob
from training.runtimes.base import Attempt
from training.runtimes.registry import make_runtime, own_tasks
from training.services import jobs
from training.workshop.advice import candidate_lessons
from training.workshop.world import World

pytestmark = pytest.mark.django_db
SEED = 4
WARM = {"traces": True}
Trace = dict[str, Any]


@pytest.fixture(autouse=True)
def the_same_draws(settings: Any) -> None:
    """Let the hash draw the same on every machine."""
    settings.SECRET_KEY = "the key that the draws of these tests are made with"


def trace(session: str, told: list[Bullet], *, success: bool, **fields: Any) -> Trace:
    """Return what an agent posts of a session on version 2."""
    return {
        "success": success,
        "session": session,
        "bullets": [bullet.bullet_id for bullet in told],
        "playbook_version": 2,
        "execution_time": 0.1,
        "metadata": {"task_type": "even"},
    } | fields


def sessions(agent: Agent, count: int, share: float = 0.2) -> Iterator[tuple[str, list[Bullet]]]:
    """Yield signed sessions and what each is told of version 2."""
    found = bullets(head(agent.playbook).content)
    for number in range(count):
        one = Exploration(agent.agent_id, 2, f"s{number}", share)
        yield one.session, [b for b in found if one.lets_in(b.section, b.bullet_id)]


def obeyed(agent: Agent, count: int) -> list[Trace]:
    """Return traces of the scripted agent: the good bullet helps, the bad one harms."""
    found = []
    for number, (session, told) in enumerate(sessions(agent, count)):
        texts = {bullet.text for bullet in told}
        success = (GOOD in texts and BAD not in texts) or number % 5 == 0
        found.append(trace(session, told, success=success))
    return found


def refused(agent: Agent, runtime: Mapping[str, Any], warm_start: Any = WARM) -> str:
    """Return what the refusal of a warm start says."""
    with pytest.raises(InvalidInput) as error:
        start(agent, runtime, warm_start=warm_start)
    assert error.value.extra["field"].split(".")[0] == "warm_start"
    assert not TrainingJob.objects.exists()
    return error.value.detail


def test_the_policy_starts_where_the_traces_point_and_the_report_says_so() -> None:
    agent = make_agent()
    record_batch(agent=agent, traces=obeyed(agent, 300))
    with scripted() as runtime:
        job = start(agent, runtime, warm_start=WARM)
    chances = learner(job).policy.probabilities(np.array([0, -1]))
    assert chances[:, 0].min() > 0.6 > 0.4 > chances[:, 1].max()
    assert learner(job).distance == 0
    told = job.report["warm_start"]
    assert (told["traces"], told["set_aside"], told["bullets"]) == (300, 0, 3)
    low, high = told["interval"]
    assert told["logged"] < low < told["value"] < high
    assert 20 < told["effective_rows"] < 300
    assert "300 traces" in told["note"]


def test_forged_masks_and_later_traces_of_a_session_are_set_aside() -> None:
    agent = make_agent()
    honest = obeyed(agent, 120)
    told = bullets(head(agent.playbook).content)
    good = [bullet for bullet in told if bullet.text == GOOD]
    # Each says that the good bullet alone led to failure, in one way that is not believed.
    lies = [
        trace(f"s{n}~0.2~{'0' * 32}", good, success=False, captured_at=f"2026-01-01T00:00:{n:02}Z")
        for n in range(60)
    ]
    lies += [trace(session, [], success=False) for session, _ in sessions(agent, 60)]
    lies += [trace(session, kept[:1], success=False) for session, kept in sessions(agent, 30, 0.01)]
    again = [
        {**row, "success": not row["success"], "captured_at": "2027-01-01T00:00:00Z"}
        for row in honest
    ]
    record_batch(agent=agent, traces=honest)
    with scripted() as runtime:
        before = start(agent, runtime, warm_start=WARM)
        record_batch(agent=agent, traces=lies + again)
        after = start(agent, runtime, warm_start=WARM)
    assert (learner(after).start == learner(before).start).all()
    assert after.report["warm_start"]["traces"] == 120
    assert after.report["warm_start"]["set_aside"] == len(lies) + len(again)


def test_what_was_not_explored_is_refused() -> None:
    agent = make_agent()
    with scripted() as runtime:
        assert "no trace of a session that explored" in refused(agent, runtime)
        whole = bullets(head(agent.playbook).content)
        record_batch(agent=agent, traces=[trace("plain", whole, success=True)] * 30)
        assert "no trace of a session that explored" in refused(agent, runtime)
        kept = [s for s in sessions(agent, 60, 0.01) if len(s[1]) == 3][:30]
        record_batch(agent=agent, traces=[trace(*one, success=True) for one in kept])
        assert "left out or let in by chance" in refused(agent, runtime)
        record_batch(agent=agent, traces=obeyed(agent, 30))
        since = {"traces": True, "since": "2100-01-01T00:00:00Z"}
        assert "no trace of a session that explored" in refused(agent, runtime, since)
        for wrong in ({}, [], {"traces": 1}, {"traces": True, "since": "today"}, {"other": 1}):
            refused(agent, runtime, wrong)


def test_more_bullets_than_can_be_fitted_while_one_waits_are_refused() -> None:
    agent = make_agent(bullets=tuple(f"Lesson {n}." for n in range(250)))
    with scripted() as runtime:
        assert "250 bullets in 2 task types" in refused(agent, runtime)


def test_it_is_asked_for_over_the_api_and_shown_in_the_answer() -> None:
    agent = make_agent()
    caller = Caller("bot", "training:start", "training:view")
    with scripted() as runtime:
        asked = {"agent_id": "bot", "config": MANY, "runtime": runtime, "training_data": data()}
        answer = caller.post("training/jobs", asked | {"warm_start": WARM})
        assert is_problem(answer, 400)
        assert answer.json()["errors"][0]["pointer"] == "/warm_start"
        record_batch(agent=agent, traces=obeyed(agent, 60))
        answer = caller.post("training/jobs", asked | {"warm_start": WARM})
        number = answer.json()["job_id"]
        found = caller.get(f"training/jobs/{number}").json()
        assert found["report"]["warm_start"]["traces"] == 60
        cold = caller.post("training/jobs", asked | {"warm_start": {"traces": False}})
        found = caller.get(f"training/jobs/{cold.json()['job_id']}").json()
        assert "warm_start" not in found["report"]


def test_with_traces_of_the_workshop_few_trajectories_go_further() -> None:
    agent = services.make_workshop_agent(
        agent_id="shop", seed=SEED, mode=Mode.STRICT, author=actors.AUTOMATIC
    )
    lessons = {c.text: c for c in candidate_lessons(World(SEED))}
    ruinous = [t for t, c in lessons.items() if c.worth == "harmful" and not c.typed][:1]
    right = [t for t, c in lessons.items() if c.worth == "right"]
    playbooks.import_playbook(
        agent=agent, content={"strategies": right + ruinous}, author=actors.AUTOMATIC, reason=""
    )
    agent.playbook.refresh_from_db()
    record_batch(agent=agent, traces=worked(agent, 1500))
    warm, cold = (trained(agent, warm_start) for warm_start in (WARM, None))

    begun = dict(zip(right + ruinous, chances_at_start(warm), strict=True))
    assert begun[ruinous[0]] < 0.2 < 0.55 < np.mean([begun[text] for text in right])
    assert set(chances_at_start(cold)) == {0.5}
    first, second = (job.iterations.get().success_rate for job in (warm, cold))
    assert first > second + 0.1
    assert success(warm) > success(cold) + 0.1
    told = warm.report["warm_start"]
    assert told["interval"][0] > told["logged"] + 0.2


def worked(agent: Agent, count: int) -> list[Trace]:
    """Let the workshop's agent work on one task in each session, told what the session is told."""
    spec = {"name": "workshop", "seed": SEED}
    runtime = make_runtime(spec, agent=agent)
    tasks = own_tasks(spec, "train", count)
    assert tasks is not None
    found = []
    for task, (session, told) in zip(tasks, sessions(agent, count), strict=True):
        lines = [(b.bullet_id, b.section, b.text) for b in told]
        outcome = runtime.run(Attempt(0, task, 0, task.number, lines, ""))
        kind = {"task_type": task.task_type}
        found.append(trace(session, told, success=bool(outcome.success), metadata=kind))
    return found


def trained(agent: Agent, warm_start: Mapping[str, Any] | None) -> TrainingJob:
    """Carry a job of 32 trajectories to its end."""
    spec = {"name": "workshop", "seed": SEED}
    parts = [own_tasks(spec, "train", 1600)[1500:], own_tasks(spec, "validation", 100)]
    train, held_out = (
        [{"query": t.query, "task_type": t.task_type} for t in tasks] for tasks in parts
    )
    job = jobs.start_job(
        agent=agent,
        config={"n_iterations": 1, "batch_size": 8, "n_trajectories_per_query": 4},
        runtime=spec,
        training_data=train,
        evaluation_data=held_out,
        requested_by="test",
        warm_start=warm_start,
    )
    return jobs.run_in_foreground(job=job, progress=lambda _: None)


def chances_at_start(job: TrainingJob) -> list[float]:
    """Return the chances that a job's policy began with, for a task of no known type."""
    found = learner(job)
    found.policy.parameters = found.start
    return [float(p) for p in found.policy.probabilities(np.array([-1]))[0]]


def success(job: TrainingJob) -> float:
    """Return the success of a job's policy on its sealed test."""
    return float(job.evaluations.get(kind=EvaluationKind.TEST).success_rate)
