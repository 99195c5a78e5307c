"""Training over JSON-RPC: every method, and everything that it refuses."""

import threading
from typing import Any

import pytest

from ace_project.core.tokens import SCOPES
from ace_project.core.work import queue
from ace_project.core.work.leases import JobStatus
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent, Mode
from playbooks.selectors import agent_by_id
from tests.callers import Caller
from tests.training.scripted import CONFIG, scripted
from tests.training.scripted import make_agent as scripted_agent
from tests.training.trained import STEPS, make_agent, make_job, tried
from training import runner, services
from training.models import JobState, PolicyCheckpoint, TrainingJob
from training.rpc import TrainingRpc
from training.runtimes.base import Outcome
from training.services.jobs import _turn, cancel_job

pytestmark = pytest.mark.django_db

TASKS = [{"query": f"Where is order {n}?", "expected_outcome": n} for n in range(10)]


@pytest.fixture
def shop() -> Agent:
    services.make_workshop_agent(agent_id="shop", seed=3, mode=Mode.STRICT, author=AUTOMATIC)
    return agent_by_id("shop")


def ask(caller: Caller, method: str, params: Any, **headers: str) -> Any:
    """Return the one response, `result` or `error`."""
    call = {"jsonrpc": "2.0", "method": f"training.{method}", "params": params, "id": 1}
    answer = caller.post("jsonrpc", call, **headers)
    assert answer.status_code == 200, answer.content
    told = answer.json()
    return told["result"] if "result" in told else told["error"]


def start(caller: Caller, **params: Any) -> Any:
    given = {"agent_id": "shop", "config": {"n_iterations": 3}, "runtime": {"name": "workshop"}}
    return ask(caller, "start_grpo", given | params)


@pytest.mark.parametrize("prefix", ["/api/v1/", "/internal/context/"])
def test_a_job_is_started_looked_at_and_listed(shop, prefix):
    service = Caller(None, prefix=prefix)
    told = start(service, candidates=["Look the order up first."])
    assert set(told) == {"job_id", "status", "agent_id", "total_iterations", "created_at"}
    assert (told["status"], told["agent_id"], told["total_iterations"]) == ("queued", "shop", 3)
    status = ask(service, "get_status", {"job_id": told["job_id"]})
    assert set(status) == {
        *("job_id", "agent_id", "status", "current_iteration", "total_iterations"),
        *("progress_percent", "metrics", "cost_usd", "budget_usd", "budget_remaining_percent"),
        *("started_at", "estimated_completion", "best_checkpoint_id", "reason"),
    }
    assert set(status["metrics"]) == {
        *("train_loss", "avg_reward", "reward_std", "success_rate", "entropy", "clip_fraction"),
        *("frac_zero_variance_groups", "trajectories_generated"),
    }
    listed = ask(service, "list_jobs", {})
    assert [job["job_id"] for job in listed["jobs"]] == [told["job_id"]]
    assert TrainingJob.objects.get().requested_by == "service:ops"


def test_training_queries_are_training_data(shop):
    service = Caller(None)
    told = start(service, training_queries=TASKS, candidates=["Look it up."])
    assert TrainingJob.objects.get(pk=told["job_id"]).tasks.count() == len(TASKS)
    both = start(service, training_queries=TASKS, training_data=TASKS)
    assert (both["code"], both["data"]["field"]) == (-32602, "training_queries")


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"agent_id": 5}, "agent_id"),
        ({"config": []}, "config"),
        ({"config": {"batch_size": 129}}, "config.batch_size"),
        ({"config": {"batchsize": 1}}, "config.batchsize"),
        ({"runtime": {"name": "nobody"}}, "runtime.name"),
        ({"runtime": None}, "runtime"),
        ({"training_data": {}}, "training_data"),
        ({"training_data": []}, "training_data"),
        ({"training_data": [{"query": "a"}, {"expected_outcome": 1}]}, "training_data.1.query"),
        ({"surprise": 1}, "surprise"),
    ],
)
def test_a_wrong_start_names_the_field_and_starts_nothing(shop, params, field):
    told = start(Caller(None), **{"candidates": ["Look it up."]} | params)
    assert (told["code"], told["data"]["field"]) == (-32602, field)
    assert not TrainingJob.objects.exists()


def test_parameters_may_be_given_by_position(shop):
    service = Caller(None)
    job = make_job(shop)
    assert ask(service, "get_status", [job.pk])["job_id"] == job.pk
    assert ask(service, "cancel", [job.pk, "enough"])["status"] == "cancelled"
    assert ask(service, "get_status", [job.pk, 1])["code"] == -32602


def test_a_job_is_paused_resumed_and_cancelled_and_tells_its_checkpoint(shop):
    service = Caller(None)
    job_id = start(service, candidates=["Look it up."])["job_id"]
    paused = ask(service, "pause", {"job_id": job_id, "reason": "lunch"})
    assert paused["status"] == "paused"
    assert "checkpoint_id" in paused
    assert ask(service, "pause", {"job_id": job_id})["code"] == -31004
    assert ask(service, "resume", {"job_id": job_id, "reason": "back"})["status"] == "queued"
    assert ask(service, "resume", {"job_id": job_id})["code"] == -31004
    assert ask(service, "cancel", {"job_id": job_id, "reason": "enough"})["status"] == "cancelled"
    for method in ("pause", "resume", "cancel"):
        refused = ask(service, method, {"job_id": job_id})
        assert (refused["code"], refused["message"]) == (-31004, "Wrong state")
        assert "cancelled" in refused["data"]["detail"]


def calls_of(job_id: int) -> dict[str, dict[str, Any]]:
    named = {"job_id": job_id}
    return {
        "get_status": named,
        "pause": named,
        "resume": named,
        "cancel": named,
        "evaluate": named,
        "export_trajectories": named | {"format": "raw", "limit": 1},
    }


def test_another_agent_s_job_is_not_found_and_told_as_one_that_never_was(shop):
    job = make_job(make_agent("other"))
    tried(job, 1.0)
    bot = Caller("shop", *SCOPES)
    for method, params in calls_of(job.pk).items():
        refused = ask(bot, method, params)
        never = ask(bot, method, params | {"job_id": 10**9})
        assert refused["code"] == never["code"] == -31001
        assert refused["data"] == {"detail": f"there is no training job {job.pk}"}
        assert never["data"] == {"detail": f"there is no training job {10**9}"}
    job.refresh_from_db()
    assert job.status == JobStatus.QUEUED
    assert start(bot, agent_id="other")["code"] == -31001
    assert ask(bot, "list_jobs", {"agent_id": "other"})["code"] == -31001
    assert ask(bot, "list_jobs", {})["jobs"] == []


def test_a_checkpoint_of_another_job_is_not_found(shop):
    mine, other = make_job(shop), make_job(make_agent("other"))
    row = PolicyCheckpoint.objects.create(job=other, iteration=1, state=b"", sha256="", size=0)
    told = ask(Caller(None), "evaluate", {"job_id": mine.pk, "checkpoint_id": row.pk})
    assert told["code"] == -31001


def test_each_method_needs_its_scope(shop):
    job = make_job(shop)
    needed = {name: method.scope for name, method in TrainingRpc.methods.items()}
    assert needed == {
        "training.start_grpo": "training:start",
        "training.get_status": "training:view",
        "training.pause": "training:cancel",
        "training.resume": "training:cancel",
        "training.cancel": "training:cancel",
        "training.evaluate": "training:evaluate",
        "training.export_trajectories": "data:export",
        "training.list_jobs": "training:view",
    }
    given = calls_of(job.pk) | {"start_grpo": {}, "list_jobs": {}}
    for method, params in given.items():
        scope = needed[f"training.{method}"]
        caller = Caller("shop", *(set(SCOPES) - {scope}))
        refused = ask(caller, method, params)
        assert (refused["code"], refused["data"]["scope"]) == (-31002, scope)


def test_trajectories_are_exported_page_by_page(shop):
    job = make_job(shop)
    for trial in range(5):
        tried(job, trial / 4, trial=trial)
    service = Caller(None)
    params = {"job_id": job.pk, "format": "raw", "limit": 2, "success_only": True}
    told = ask(service, "export_trajectories", params)
    assert (told["count"], told["offset"], told["next_offset"]) == (2, 0, None)
    assert [row["reward"] for row in told["trajectories"]] == [0.75, 1.0]
    assert told["trajectories"][0]["steps"] == list(STEPS)
    first = ask(service, "export_trajectories", params | {"success_only": False})
    assert (first["count"], first["next_offset"]) == (2, 2)
    rest = {"success_only": False, "offset": 2, "limit": 10, "min_reward": 0.5}
    assert ask(service, "export_trajectories", params | rest)["count"] == 1


@pytest.mark.parametrize(
    ("params", "field"),
    [
        ({"limit": 10_001}, "limit"),
        ({"limit": 0}, "limit"),
        ({"offset": -1}, "offset"),
        ({"offset": 2**70}, "offset"),
        ({"format": "csv"}, "format"),
        ({"format": None}, "format"),
        ({"min_reward": "1"}, "min_reward"),
        ({"success_only": 1}, "success_only"),
        ({"job_id": "1"}, "job_id"),
        ({"job_id": 2**63}, "job_id"),
        ({"job_id": True}, "job_id"),
    ],
)
def test_a_wrong_export_names_the_field(shop, params, field):
    job = make_job(shop)
    given = {"job_id": job.pk, "format": "raw", "limit": 1} | params
    told = ask(Caller(None), "export_trajectories", given)
    assert (told["code"], told["data"]["field"]) == (-32602, field)


def test_lists_are_filtered_and_go_on_where_they_ended(shop):
    service = Caller(None)
    jobs = [make_job(shop) for _ in range(3)] + [make_job(make_agent("other"))]
    cancel_job(job=jobs[0], by=AUTOMATIC)
    first = ask(service, "list_jobs", {"agent_id": "shop", "limit": 2})
    assert [job["job_id"] for job in first["jobs"]] == [jobs[2].pk, jobs[1].pk]
    rest = ask(service, "list_jobs", {"agent_id": "shop", "before": first["next"]})
    assert [job["job_id"] for job in rest["jobs"]] == [jobs[0].pk]
    assert rest["next"] is None
    ended = ask(service, "list_jobs", {"status": JobState.CANCELLED})
    assert [job["job_id"] for job in ended["jobs"]] == [jobs[0].pk]
    assert ask(service, "list_jobs", {"status": "done"})["data"]["field"] == "status"


def test_a_list_costs_the_same_whatever_is_in_it(shop, django_assert_num_queries):
    service = Caller(None)
    make_job(shop)
    # The token and the list; two more keep a call apart in the test's own transaction.
    with django_assert_num_queries(4):
        ask(service, "list_jobs", {})
    for _ in range(5):
        tried(make_job(shop), 1.0)
    with django_assert_num_queries(4):
        assert len(ask(service, "list_jobs", {})["jobs"]) == 6


def test_a_start_under_a_key_happens_once(shop):
    service = Caller(None)
    params = {"agent_id": "shop", "config": {}, "runtime": {"name": "workshop"}}
    params["candidates"] = ["Look it up."]
    told = [ask(service, "start_grpo", params, idempotency_key="k") for _ in range(2)]
    assert told[0] == told[1]
    assert TrainingJob.objects.count() == 1


def work() -> None:
    """Carry jobs on to their ends, as a worker does."""
    while (claimed := queue.claim_next(TrainingJob)) is not None:
        runner.carry_out(claimed)


def start_scripted(service: Caller, **config: Any) -> Any:
    params = {"agent_id": "bot", "config": CONFIG | config, "runtime": {"name": "scripted"}}
    return ask(service, "start_grpo", params | {"training_data": TASKS})


def test_a_job_goes_from_start_to_exported_pairs_over_json_rpc_alone():
    service = Caller(None)
    scripted_agent()
    with scripted():
        named = {"job_id": start_scripted(service)["job_id"]}
        work()
        status = ask(service, "get_status", named)
        assert (status["status"], status["reason"]) == ("completed", "finished")
        assert status["metrics"]["trajectories_generated"] == 48
        assert ask(service, "pause", named)["code"] == -31004
        told = ask(service, "evaluate", named)
        asked = ask(service, "evaluate", named | {"evaluation_queries": TASKS[:4]})
    assert set(told) == {
        *("metrics", "baseline", "difference", "interval", "p_value", "queries_evaluated"),
    }
    names = {"success_rate", "avg_reward", "avg_steps", "tool_accuracy"}
    assert set(told["metrics"]) == set(told["baseline"]) == names
    assert asked["queries_evaluated"] == 4
    assert asked["metrics"]["avg_steps"] == asked["baseline"]["tool_accuracy"] == 1.0
    export = {"format": "trl-preference", "limit": 100}
    pairs = ask(service, "export_trajectories", named | export)
    assert pairs["next_offset"] is None
    rows = ask(service, "export_trajectories", named | export | {"format": "raw"})["trajectories"]
    assert len(rows) == 48
    tries = {(row["iteration"], row["task"]) for row in rows}
    assert len(tries) == 12
    # The steps are all the same, so that no pair shows anything.
    assert pairs["count"] == 0


def test_a_job_that_could_pass_its_budget_does_not_start():
    scripted_agent()
    with scripted(usd="1"):
        told = start_scripted(Caller(None), max_budget_usd=5)
    assert (told["code"], told["message"]) == (-31003, "Budget exceeded")
    assert "$" in told["data"]["detail"]
    assert not TrainingJob.objects.exists()


def test_an_evaluation_that_comes_to_nothing_is_an_error_of_its_own():
    service = Caller(None)
    scripted_agent()
    with scripted():
        named = {"job_id": start_scripted(service)["job_id"]}
        work()
    with scripted(lambda attempt: Outcome(failure="broken", error="no agent")):
        told = ask(service, "evaluate", named)
        again = service.post(f"training/jobs/{named['job_id']}/evaluate")
    assert (told["code"], told["message"]) == (-31005, "Evaluation failed")
    assert again.status_code == 424
    assert again.json()["type"] == "urn:ace:problem:evaluation-failed"


def test_an_evaluation_ends_when_its_time_is_up(monkeypatch):
    service, released = Caller(None), threading.Event()
    scripted_agent()
    with scripted():
        named = {"job_id": start_scripted(service)["job_id"]}
        work()
    monkeypatch.setattr("training.services.jobs.ASKED_SECONDS", 0.0)
    try:
        with scripted(lambda attempt: Outcome(success=released.wait(60)), simulated=False):
            told = ask(service, "evaluate", named)
    finally:
        released.set()
    assert (told["code"], told["message"]) == (-31005, "Evaluation failed")
    assert "took more than" in told["data"]["detail"]


def test_a_third_evaluation_at_once_is_told_to_come_back():
    service, met = Caller(None), []
    scripted_agent()
    with scripted():
        named = {"job_id": start_scripted(service)["job_id"]}
        work()
    evaluate = f"training/jobs/{named['job_id']}/evaluate"

    def busy(attempt: Any) -> Outcome:
        if not met:
            met.append(None)
            met[:] = [service.post(evaluate), ask(service, "evaluate", named)]
        return Outcome(success=True)

    with scripted(busy):
        with _turn():
            first = service.post(evaluate)
        after = service.post(evaluate)
    assert (first.status_code, after.status_code) == (200, 200)
    assert (met[0].status_code, met[0]["Retry-After"]) == (429, "30")
    assert met[1]["data"]["retry_after"] == 30


def test_one_agent_cannot_fill_the_queue_of_jobs(settings):
    service = Caller(None)
    settings.ACE_WORKER_QUEUE_SIZE = 5
    for name in ("bot", "other"):
        scripted_agent(name)
    with scripted():
        for _ in range(2):
            start_scripted(service)
        refused = start_scripted(service)
        assert "2 open training jobs" in refused["data"]["detail"]
        assert refused["data"]["retry_after"] == 60
        other = {"agent_id": "other", "runtime": {"name": "scripted"}, "training_data": TASKS}
        assert start(service, **other)["status"] == "queued"


def test_rewards_beyond_the_floats_are_no_evaluation():
    service = Caller(None)
    scripted_agent()
    with scripted():
        named = {"job_id": start_scripted(service)["job_id"]}
        work()
    with scripted(lambda attempt: Outcome(output_quality=float("inf"))):
        told = ask(service, "evaluate", named)
    assert told["code"] == -31005
    assert "finite" in told["data"]["detail"]


def test_a_batch_with_two_evaluations_is_refused_whole():
    call = {"jsonrpc": "2.0", "id": 1, "method": "training.evaluate", "params": {"job_id": 1}}
    answer = Caller(None).post("jsonrpc", [call, call]).json()
    assert (answer["error"]["code"], answer["id"]) == (-32600, None)
    assert "at most one call" in answer["error"]["data"]["detail"]


def test_before_there_is_a_checkpoint_there_is_nothing_to_evaluate():
    service = Caller(None)
    scripted_agent()
    with scripted():
        named = {"job_id": start_scripted(service)["job_id"]}
        assert ask(service, "evaluate", named)["code"] == -31004


def test_an_environment_is_measured_on_seeds_alone():
    service = Caller(None)
    scripted_agent()
    config = {"n_iterations": 1, "batch_size": 1, "max_steps_per_trajectory": 20}
    params = {"agent_id": "bot", "config": config}
    tasks = [{"query": seed} for seed in range(4)]
    params |= {"runtime": {"name": "gymnasium", "env": "CartPole-v1"}, "training_data": tasks}
    named = {"job_id": ask(service, "start_grpo", params)["job_id"]}
    work()
    wrong = ask(service, "evaluate", named | {"evaluation_queries": [{"query": "x"}]})
    assert (wrong["code"], wrong["data"]["field"]) == (-32602, "evaluation_queries.0.query")
    told = ask(service, "evaluate", named | {"evaluation_queries": tasks})
    assert told["queries_evaluated"] == 4
    export = {"format": "raw", "limit": 1}
    (row,) = ask(service, "export_trajectories", named | export)["trajectories"]
    assert set(row["steps"][0]) == {"action", "reward"}
    refused = ask(service, "export_trajectories", named | export | {"format": "openai"})
    assert (refused["code"], refused["data"]["field"]) == (-32602, "format")
