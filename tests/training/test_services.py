"""The workshop through the real pipeline and database."""

import json

import pytest
from django.core.management import CommandError, call_command

from ace_project.core.errors import InvalidInput
from ace_project.core.work.leases import JobStatus
from evolution.models import EvolutionRun, ExecutionTrace, Origin
from playbooks import actors, audit
from playbooks import services as playbooks
from playbooks.models import Agent, Delta, DeltaStatus, Mode
from playbooks.selectors import agent_by_id
from training import sandbox, services, tasks
from training.models import Comparison

pytestmark = pytest.mark.django_db
ALICE = actors.person("alice")


def make(seed: int = 3, mode: Mode = Mode.AUTO, agent_id: str = "shop") -> Agent:
    services.make_workshop_agent(agent_id=agent_id, seed=seed, mode=mode, author=ALICE)
    return agent_by_id(agent_id)


def loop(agent: Agent, control: str, rounds: int = 4) -> services.LoopReport:
    return services.run_rounds(
        agent=agent, rounds=rounds, runs=200, control=control, progress=lambda _: None
    )


def test_the_loop_learns_through_the_database_and_its_history_verifies() -> None:
    agent = make()
    report = loop(agent, "none", rounds=10)
    assert 0.30 <= report.success[0] <= 0.50
    assert report.success[-1] >= 0.75
    assert report.simulated
    agent = agent_by_id("shop")
    assert audit.verify_versions(agent) is None
    assert set(ExecutionTrace.objects.values_list("origin", flat=True)) == {Origin.WORKSHOP}
    assert len(report.applied) == Delta.objects.filter(status=DeltaStatus.APPLIED).count()


def test_a_deaf_agent_gains_nothing_from_lessons_that_are_applied() -> None:
    report = loop(make(), "deaf")
    assert report.applied
    assert report.success[-1] == report.success[0]


def test_shuffled_outcomes_apply_nothing() -> None:
    report = loop(make(), "shuffled")
    assert report.applied == []
    assert report.success[-1] == report.success[0]


def test_what_is_learned_in_one_world_is_worth_nothing_in_another() -> None:
    report = loop(make(), "foreign")
    assert report.applied
    assert report.success[-1] <= report.success[0] + 0.05


def test_in_strict_the_loop_applies_nothing_and_waiting_lessons_are_renewed() -> None:
    agent = make(mode=Mode.STRICT)
    report = loop(agent, "none", rounds=3)
    assert report.applied == []
    waiting = Delta.objects.filter(status=DeltaStatus.PENDING_REVIEW)
    texts = [delta.operations[0]["text"] for delta in waiting]
    assert len(texts) == len(set(texts)) > 0
    newest = EvolutionRun.objects.order_by("-pk")[0]
    assert waiting.filter(run_id=newest.pk).exists()
    judged = next(stage for stage in newest.stages if stage["name"] == "judge and apply")
    assert judged["renewed"] > 0


def test_a_waiting_lesson_whose_evidence_grows_applies_itself_once_auto_is_set() -> None:
    agent = make(mode=Mode.STRICT)
    loop(agent, "none", rounds=2)
    playbooks.set_mode(agent=agent, mode=Mode.AUTO, author=ALICE)
    report = loop(agent_by_id("shop"), "none", rounds=1)
    assert report.applied


def test_a_comparison_pairs_the_same_tasks_under_both_versions() -> None:
    agent = make(mode=Mode.STRICT)
    loop(agent, "none", rounds=2)
    best = Delta.objects.order_by("-confidence")[0]
    applied = playbooks.approve_delta(delta=best, by=ALICE)
    job = services.start_comparison(delta=applied, by="alice", tasks=30)
    tasks.compare.fn(job.pk)
    job.refresh_from_db()
    assert (job.status, len(job.results)) == (JobStatus.COMPLETED, 30)
    assert (job.before, job.after) == (1, 2)
    before = sum(row["before"] for row in job.results)
    after = sum(row["after"] for row in job.results)
    assert after - before == job.now_pass - job.now_fail
    assert len({row["task_id"] for row in job.results}) == 30


def test_a_comparison_goes_on_where_its_row_stands() -> None:
    agent = make()
    job = Comparison.objects.create(
        agent=agent, before=1, after=1, first_task=0, total=9, requested_by="t"
    )
    Comparison.objects.filter(pk=job.pk).update(results=[{"before": True, "after": False}] * 5)
    tasks.compare.fn(job.pk)
    job.refresh_from_db()
    assert len(job.results) == 9
    assert job.now_fail == 5
    assert job.now_pass == 0
    tasks.compare.fn(job.pk)
    job.refresh_from_db()
    assert len(job.results) == 9


def test_an_agent_that_is_not_of_the_workshop_cannot_be_simulated() -> None:
    playbooks.create_agent(agent_id="real", author=ALICE)
    with pytest.raises(InvalidInput, match="not a workshop agent"):
        sandbox.seed_of(agent_by_id("real"))
    with pytest.raises(CommandError, match="not a workshop agent"):
        call_command("workshop", agent="real")


def test_the_demonstration_leaves_runs_and_waiting_deltas(capsys) -> None:
    call_command("demo")
    assert ExecutionTrace.objects.count() == 400
    assert Delta.objects.filter(status=DeltaStatus.PENDING_REVIEW).exists()
    assert "(simulated)" in capsys.readouterr().out


def test_the_command_reports_as_one_json_document(capsys) -> None:
    call_command("workshop", agent="shop", seed=3, runs=20, json=True)
    first = json.loads(capsys.readouterr().out)
    assert (first["runs"], first["simulated"]) == (20, True)
    call_command("workshop", agent="shop", runs=20, json=True)
    again = json.loads(capsys.readouterr().out)
    assert again["agent_id"] == "shop"
    assert ExecutionTrace.objects.count() == 40


def test_every_call_with_rounds_makes_a_fresh_agent_in_auto(capsys) -> None:
    for _ in range(2):
        call_command("workshop", rounds=1, runs=20, seed=3)
    assert Agent.objects.filter(simulated=True, mode=Mode.AUTO).count() == 2
    assert "unseen tasks" in capsys.readouterr().out


@pytest.mark.parametrize(
    "options", [{"runs": 0}, {"rounds": -1}, {"control": "deaf"}], ids=["runs", "rounds", "control"]
)
def test_wrong_usage_is_exit_2(options) -> None:
    with pytest.raises(CommandError) as caught:
        call_command("workshop", **options)
    assert caught.value.returncode == 2
