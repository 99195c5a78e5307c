"""What a job proposes at its end, and what it rests on."""

import numpy as np
import pytest

from ace_project.core.errors import Conflict
from ace_project.core.work.leases import JobStatus
from playbooks import actors
from playbooks import services as playbooks
from playbooks.selectors import agent_by_id
from tests.training.scripted import (
    BAD,
    BULLETS,
    GOOD,
    MANY,
    data,
    learner,
    make_agent,
    scripted,
    start,
    texts,
    work,
)
from training import scoring
from training.engine.policy import Contexts
from training.engine.rewards import Registry, Rollout
from training.runtimes.base import Attempt, Outcome
from training.services import jobs

pytestmark = pytest.mark.django_db
ALICE = actors.person("alice")


def test_a_bullet_that_does_harm_is_dropped_by_a_delta_that_rests_on_what_was_measured() -> None:
    with scripted() as runtime:
        job = start(make_agent(), runtime, training_data=data(40), config=MANY)
        work(job)
    delta = job.delta
    assert (delta.status, delta.source) == ("pending_review", "training")
    assert [op["op"] for op in delta.operations] == ["remove"]
    by_text = {entry["text"]: entry for entry in job.effects}
    assert [by_text[text]["decision"] for text in BULLETS] == ["keep", "drop", "keep"]
    harm = by_text[BAD]
    assert harm["low"] < harm["effect"] < harm["high"] < 0
    assert 0 < harm["uses"] < 256
    assert delta.confidence == pytest.approx(1 - harm["q_value"])
    assert delta.evidence["counts"]["trajectories"][1] == 256
    assert {v["judge"]: v["outcome"] for v in delta.verdicts}["held_out"] in ("pass", "warn")
    tested = job.report["delta_test"]
    assert delta.evidence["lift"] == tested["difference"]
    assert delta.evidence["interval"] == [tested["low"], tested["high"]]
    assert job.report["delta_test"]["success_rate"] == 1.0
    assert job.evaluations.filter(kind="test").count() == 1
    assert jobs.propose_from(job=job, by=ALICE) == delta


def test_a_lesson_from_outside_the_playbook_is_added_once_it_proved_itself() -> None:
    with scripted() as runtime:
        agent = make_agent(bullets=("Be brief.",))
        job = start(agent, runtime, training_data=data(40), config=MANY, candidates=[GOOD, BAD])
        work(job)
    assert [op["text"] for op in job.delta.operations] == [GOOD]
    decided = {entry["text"]: entry["decision"] for entry in job.effects}
    assert decided == {"Be brief.": "keep", GOOD: "add", BAD: "leave_out"}


def test_a_bullet_that_helps_one_type_of_task_and_harms_another_is_restricted() -> None:
    def typed(attempt: Attempt) -> Outcome:
        wanted = attempt.task.task_type == "even"
        return Outcome(success=(BAD in texts(attempt)) == wanted and attempt.seed % 8 != 0)

    with scripted(typed) as runtime:
        job = work(start(make_agent(), runtime, training_data=data(40), config=MANY))
    assert job.delta.operations == [
        {
            "op": "update",
            "bullet_id": job.effects[1]["bullet_id"],
            "text": "In even tasks, never check anything.",
        }
    ]


def test_where_nothing_is_significant_nothing_is_proposed_and_the_job_says_so() -> None:
    with scripted(lambda a: Outcome(success=a.seed % 2 == 0)) as runtime:
        config = {**MANY, "seed": 8}
        job = work(start(make_agent(), runtime, training_data=data(40), config=config))
    assert job.delta is None
    assert "Nothing is proposed" in job.report["conclusion"]
    with pytest.raises(Conflict, match="Nothing is proposed"):
        jobs.propose_from(job=job, by=ALICE)


def test_constraints_are_told_in_every_attempt_and_never_proposed_to_go() -> None:
    said: set[bool] = set()

    def watching(attempt: Attempt) -> Outcome:
        said.add("Obey the law." in texts(attempt))
        return Outcome(success=False)

    agent = make_agent()
    content = {"constraints": ["Obey the law."], "strategies": ["Be brief."]}
    playbooks.import_playbook(agent=agent, content=content, author=ALICE, reason="")
    with scripted(watching) as runtime:
        job = work(start(agent_by_id("bot"), runtime))
    assert said == {True}
    assert [entry["decision"] for entry in job.effects] == ["fixed", "keep"]


def test_a_reward_function_that_raises_fails_the_job_with_its_words(monkeypatch) -> None:
    calls = []

    def fragile(rollout: Rollout) -> float:
        calls.append(rollout)
        if len(calls) > 12:
            raise ZeroDivisionError("no steps at all")
        return 1.0

    monkeypatch.setattr(scoring, "CUSTOM", Registry())
    scoring.CUSTOM.register("fragile", fragile)
    with scripted() as runtime:
        reward = {"custom": {"name": "fragile"}}
        job = work(start(make_agent(), runtime, reward=reward))
    assert (job.status, job.reason) == (JobStatus.FAILED, "runtime_error")
    assert "'fragile' raised ZeroDivisionError: no steps at all" in job.error


def test_a_job_may_choose_heads_alone_and_then_proposes_nothing() -> None:
    def second(attempt: Attempt) -> Outcome:
        return Outcome(success=attempt.heads.get("prompt") == 1)

    agent = make_agent()
    content = {"constraints": ["Obey the law."]}
    playbooks.import_playbook(agent=agent, content=content, author=ALICE, reason="")
    with scripted(second, heads={"prompt": ["brief", "thorough"]}) as runtime:
        job = start(agent_by_id("bot"), runtime, config=MANY, training_data=data(40))
        work(job)
    chances = learner(job).policy.head_probabilities(Contexts(np.array([-1])))
    assert chances["prompt"][0, 1] > 0.6
    assert job.evaluations.get(kind="test").success_rate == 1.0
    assert (job.status, job.delta) == (JobStatus.COMPLETED, None)
