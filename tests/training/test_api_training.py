"""Training over REST: the same as over JSON-RPC, in REST's words."""

import json
from io import BytesIO
from typing import Any

import pyarrow.parquet as parquet
import pytest

from ace_project.core.tokens import SCOPES
from playbooks.actors import AUTOMATIC
from playbooks.models import Agent, Mode
from playbooks.selectors import agent_by_id
from tests.callers import Caller, is_problem
from tests.training.trained import make_agent, make_job, tried
from training import services
from training.api.urls import urlpatterns
from training.models import PolicyCheckpoint, TrainingIteration, TrainingJob

pytestmark = pytest.mark.django_db

ROUTES = [
    ("get", "", "training:view"),
    ("post", "/pause", "training:cancel"),
    ("post", "/resume", "training:cancel"),
    ("post", "/cancel", "training:cancel"),
    ("post", "/evaluate", "training:evaluate"),
    ("get", "/iterations", "training:view"),
    ("get", "/checkpoints", "training:view"),
    ("get", "/trajectories", "data:export"),
    ("get", "/export", "data:export"),
]


@pytest.fixture
def shop() -> Agent:
    services.make_workshop_agent(agent_id="shop", seed=3, mode=Mode.STRICT, author=AUTOMATIC)
    return agent_by_id("shop")


@pytest.fixture
def service(db: None) -> Caller:
    return Caller(None)


def body(**changes: Any) -> dict[str, Any]:
    given = {"agent_id": "shop", "config": {"n_iterations": 3}, "runtime": {"name": "workshop"}}
    return given | {"candidates": ["Look it up."]} | changes


@pytest.mark.parametrize("prefix", ["/api/v1/", "/internal/context/"])
def test_a_job_is_started_looked_at_and_listed(shop, prefix):
    service = Caller(None, prefix=prefix)
    answer = service.post("training/jobs", body(title="first"))
    assert answer.status_code == 201
    number = answer.json()["job_id"]
    told = service.get(f"training/jobs/{number}").json()
    assert (told["status"], told["title"], told["runtime"]["name"]) == (
        *("queued", "first", "workshop"),
    )
    assert told["config"]["n_iterations"] == 3
    assert any(entry["text"] == "Look it up." for entry in told["candidates"])
    page = service.get("training/jobs?agent_id=shop&status=queued").json()
    assert [job["job_id"] for job in page["results"]] == [number]
    assert service.get("training/jobs?status=paused").json()["results"] == []


def test_a_wrong_start_is_a_400_that_points_at_the_field(shop, service):
    answer = service.post("training/jobs", body(config={"batch_size": 0}))
    assert is_problem(answer, 400)
    assert answer.json()["errors"][0]["pointer"] == "/config/batch_size"
    assert is_problem(service.post("training/jobs", body(agent_id="nobody")), 404)
    assert is_problem(service.get("training/jobs?status=done"), 400)
    assert not TrainingJob.objects.exists()


def test_a_start_under_a_key_happens_once(shop, service):
    answers = [service.post("training/jobs", body(), idempotency_key="k") for _ in range(2)]
    assert answers[0].content == answers[1].content
    assert TrainingJob.objects.count() == 1


def test_a_job_is_paused_resumed_and_cancelled(shop, service):
    job = f"training/jobs/{service.post('training/jobs', body()).json()['job_id']}"
    assert service.post(f"{job}/pause", {"reason": "lunch"}).json()["status"] == "paused"
    assert is_problem(service.post(f"{job}/pause"), 409)
    assert service.post(f"{job}/resume").json()["status"] == "queued"
    assert service.post(f"{job}/cancel").json()["status"] == "cancelled"
    assert is_problem(service.post(f"{job}/cancel"), 409)
    assert is_problem(service.post(f"{job}/cancel", {"reason": 5}), 400)


@pytest.mark.parametrize(("method", "path", "scope"), ROUTES)
def test_each_route_needs_its_scope_and_is_blind_to_other_agents(shop, method, path, scope):
    other = make_job(make_agent("other"))
    all_scopes = Caller("shop", *SCOPES)
    foreign = all_scopes.call(method, f"training/jobs/{other.pk}{path}", {})
    never = all_scopes.call(method, f"training/jobs/{10**9}{path}", {})
    assert is_problem(foreign, 404)
    assert foreign.json()["detail"] == f"there is no training job {other.pk}"
    assert never.json()["detail"] == f"there is no training job {10**9}"
    assert set(foreign.json()) == set(never.json())
    without = Caller("shop", *(set(SCOPES) - {scope}))
    answer = without.call(method, f"training/jobs/{make_job(shop).pk}{path}", {})
    assert is_problem(answer, 403)
    assert answer.json()["scope"] == scope


def test_an_agent_sees_its_own_jobs_only(shop):
    make_job(make_agent("other"))
    mine = make_job(shop)
    bot = Caller("shop")
    assert [job["job_id"] for job in bot.get("training/jobs").json()["results"]] == [mine.pk]
    assert is_problem(bot.get("training/jobs?agent_id=other"), 404)


def test_every_post_takes_an_idempotency_key_and_every_method_names_its_scope():
    for view in (pattern.callback.cls for pattern in urlpatterns):
        methods = {m.upper() for m in ("get", "post", "patch", "put", "delete") if hasattr(view, m)}
        assert set(view.scopes) == methods, view
        assert set(view.scopes.values()) <= set(SCOPES), view
        if hasattr(view, "post"):
            assert view.post.takes_idempotency_key, view


def test_what_a_job_wrote_is_listed_by_cursor(shop, service):
    job = make_job(shop)
    for number in range(1, 4):
        TrainingIteration.objects.create(job=job, number=number, avg_reward=0.5, seconds=1.0)
        PolicyCheckpoint.objects.create(job=job, iteration=number, state=b"x", sha256="0", size=1)
        tried(job, 1.0, iteration=number)
    path = f"training/jobs/{job.pk}"

    def through(name: str) -> list[int]:
        found, cursor = [], ""
        while cursor is not None:
            page = service.get(f"{path}/{name}?limit=2{cursor}").json()
            found += [row["iteration"] for row in page["results"]]
            cursor = page["next"] and f"&cursor={page['next']}"
        return found

    assert through("iterations") == [1, 2, 3]
    assert through("checkpoints") == [3, 2, 1]
    assert through("trajectories") == [3, 2, 1]
    rows = service.get(f"{path}/trajectories?iteration=2&min_reward=1&success=true").json()
    assert [row["iteration"] for row in rows["results"]] == [2]
    assert "steps" not in rows["results"][0]
    elsewhere = service.get(f"{path}/iterations?limit=1").json()["next"]
    other = make_job(shop)
    assert is_problem(service.get(f"training/jobs/{other.pk}/iterations?cursor={elsewhere}"), 400)


def test_an_export_is_streamed_as_a_file(shop, service):
    job = make_job(shop)
    tried(job, 1.0)
    tried(job, 0.0, trial=1)
    path = f"training/jobs/{job.pk}/export"
    answer = service.get(path)
    assert answer.streaming
    assert answer["Content-Type"] == "application/x-ndjson"
    assert f"training-{job.pk}-raw.jsonl" in answer["Content-Disposition"]
    assert len(answer.getvalue().splitlines()) == 2
    kept = service.get(f"{path}?format=trl-conversational&success_only=true").getvalue()
    assert [set(json.loads(line)) for line in kept.splitlines()] == [{"messages", "tools"}]
    table = parquet.read_table(BytesIO(service.get(f"{path}?format=verl").getvalue()))
    assert table.num_rows == 1
    asked = service.get(path, accept="application/x-ndjson")
    assert asked.status_code == 200


@pytest.mark.parametrize("query", ["format=csv", "min_reward=x", "success_only=maybe"])
def test_a_wrong_export_is_a_400(shop, service, query):
    job = make_job(shop)
    assert is_problem(service.get(f"training/jobs/{job.pk}/export?{query}"), 400)


def test_an_export_that_a_job_cannot_have_is_a_400_before_anything_is_sent(shop, service):
    job = make_job(shop, policy="action", runtime={"name": "gymnasium"})
    assert is_problem(service.get(f"training/jobs/{job.pk}/export?format=openai"), 400)


@pytest.mark.parametrize("number", ["0", "x", "9" * 18, "9" * 19, "-1", "1.5"])
def test_a_number_that_no_job_has_is_a_404(service, number):
    assert is_problem(service.get(f"training/jobs/{number}"), 404)
