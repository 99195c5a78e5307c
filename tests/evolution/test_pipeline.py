"""A run from its traces to its deltas, and what stops it on the way."""

import json
from datetime import timedelta
from typing import Any

import pytest
from django.core.management import CommandError, call_command
from django.db.utils import OperationalError
from django.utils import timezone

from ace_project.core.errors import QueueFull
from ace_project.core.work import leases
from ace_project.core.work.leases import JobStatus
from evolution import pipeline, selectors, services, tasks
from evolution.models import EvolutionRun, ExecutionTrace, Generator, Origin, Trigger
from evolution.services.traces import record_batch
from playbooks import actors
from playbooks import services as playbooks
from playbooks.models import Agent, Delta, DeltaStatus, Mode
from playbooks.selectors import agent_by_id, head

pytestmark = pytest.mark.django_db


@pytest.fixture
def agent() -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC, mode=Mode.AUTO)
    return agent_by_id("bot")


def trace(number: int, *, success: bool, tools: list[str], **more: Any) -> dict[str, Any]:
    return {
        "trace_id": f"t-{number}",
        "task_id": f"task-{number // 2}",
        "execution_time": 1.0,
        "success": success,
        "steps": [{"tool": tool, "arguments": {"n": number}} for tool in tools],
        **more,
    }


def learnable(count: int) -> list[dict[str, Any]]:
    """Return runs in which calling `check` before `pay` is what success hangs on."""
    return [
        trace(n, success=n % 2 == 0, tools=(["check"] if n % 2 == 0 else ["look"]) + ["pay"])
        for n in range(count)
    ]


def start(agent: Agent, **options: Any) -> EvolutionRun:
    started = services.start_run(
        agent=agent, trigger=Trigger.API, requested_by="test", force=True, **options
    )
    assert started.run is not None
    return started.run


def run_now(agent: Agent, **options: Any) -> EvolutionRun:
    return services.run_in_foreground(run=start(agent, **options), progress=lambda _: None)


def script(confidence: float = 0.85, text: str = "Check the date.") -> list[dict[str, Any]]:
    operation = {"op": "add", "section": "strategies", "text": text}
    return [{"operations": [operation], "confidence": confidence, "reasoning": "scripted"}]


def test_ten_traces_a_forced_run_and_a_scripted_delta_are_applied_in_auto(agent) -> None:
    assert record_batch(agent=agent, traces=learnable(10)) == 10
    run = run_now(agent, generator=Generator.SCRIPTED, script=script())
    assert (run.status, run.deltas_generated, run.deltas_applied) == ("completed", 1, 1)
    delta = Delta.objects.get()
    assert (delta.source, delta.status, delta.applied_version) == ("scripted", "applied", 2)
    agent.playbook.refresh_from_db()
    assert head(agent.playbook).content == {"strategies": ["Check the date."]}
    assert run.report["notes"] == ["The deltas came from a file, not from evidence."]


def test_a_lesson_that_success_hangs_on_is_found_with_evidence_a_reader_can_check(agent) -> None:
    record_batch(agent=agent, traces=learnable(240))
    run = run_now(agent)
    assert run.status == JobStatus.COMPLETED, run.error
    delta = Delta.objects.filter(operations__0__text="Before pay, call check.").get()
    evidence = delta.evidence
    assert evidence["kind"] == "statistical"
    assert evidence["within_group"]
    assert not evidence["exploratory"]
    good, total = evidence["counts"]["followed"]
    assert good == total > 0
    cited = ExecutionTrace.objects.filter(agent=agent, trace_id__in=evidence["for"])
    assert cited.count() == len(set(evidence["for"])) > 0
    assert [stage["name"] for stage in run.stages] == [
        "select traces",
        "reflect",
        "generate deltas",
        "judge and apply",
        "look after the playbook",
    ]


def test_in_strict_nothing_is_applied_whatever_the_evidence(agent) -> None:
    playbooks.set_mode(agent=agent, mode=Mode.STRICT, author=actors.AUTOMATIC)
    record_batch(agent=agent, traces=learnable(240))
    run = run_now(agent)
    assert run.deltas_generated > 0
    assert run.deltas_applied == 0
    assert set(Delta.objects.values_list("status", flat=True)) == {DeltaStatus.PENDING_REVIEW}


def test_what_waits_for_a_decision_is_not_proposed_again(agent) -> None:
    playbooks.set_mode(agent=agent, mode=Mode.STRICT, author=actors.AUTOMATIC)
    record_batch(agent=agent, traces=learnable(240))
    run_now(agent)
    texts = [d.operations[0]["text"] for d in Delta.objects.all()]
    run_now(agent)
    later = [d.operations[0]["text"] for d in Delta.objects.all()]
    assert len(later) == len(set(later)) >= len(texts)


def test_a_dry_run_records_and_applies_nothing(agent) -> None:
    run = run_now(agent, generator=Generator.SCRIPTED, script=script(), dry_run=True)
    assert run.deltas_applied == 0
    assert Delta.objects.get().status == DeltaStatus.RECORDED


def test_too_few_traces_are_an_account_and_not_a_failure(agent) -> None:
    record_batch(agent=agent, traces=learnable(4))
    run = run_now(agent)
    assert run.status == JobStatus.COMPLETED
    assert run.deltas_generated == 0
    assert run.report["notes"]


def test_a_run_carried_out_a_second_time_proposes_nothing_twice(agent) -> None:
    run = start(agent, generator=Generator.SCRIPTED, script=script())
    first = leases.claim(EvolutionRun, run.pk)
    assert first is not None
    pipeline._propose(first, actors.AUTOMATIC, pipeline.delta_generator.from_script(script())[0])
    EvolutionRun.objects.filter(pk=run.pk).update(lease_until="2020-01-01T00:00:00Z")
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert (run.status, run.attempts) == (JobStatus.COMPLETED, 2)
    assert Delta.objects.count() == 1


def test_a_message_that_comes_twice_does_nothing_the_second_time(agent) -> None:
    run = start(agent, generator=Generator.SCRIPTED, script=script())
    tasks.run_evolution.fn(run.pk)
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert run.attempts == 1


def test_a_script_that_cannot_be_applied_fails_the_run_with_its_reason(agent) -> None:
    wrong = [{"operations": [{"op": "add", "section": "s"}], "confidence": 0.9}]
    run = run_now(agent, generator=Generator.SCRIPTED, script=wrong)
    assert (run.status, run.reason) == (JobStatus.FAILED, "refused")
    assert run.error


def test_an_unexpected_error_is_recorded_with_the_row_it_failed(agent, monkeypatch) -> None:
    def explode(*_: object) -> None:
        raise ZeroDivisionError("no luck")

    monkeypatch.setattr(pipeline.reflector, "reflect_on", explode)
    monkeypatch.setattr(leases, "FIRST_RETRY_SECONDS", 0.0)
    record_batch(agent=agent, traces=learnable(10))
    run = run_now(agent)
    assert (run.status, run.reason) == (JobStatus.FAILED, "internal_error")
    assert "no luck" in run.error


def test_a_database_that_goes_away_leaves_the_run_to_be_claimed_again(agent, monkeypatch) -> None:
    def vanish(*_: object) -> None:
        raise OperationalError("gone")

    monkeypatch.setattr(pipeline.reflector, "reflect_on", vanish)
    run = start(agent)
    tasks.run_evolution.fn(run.pk)
    run.refresh_from_db()
    assert (run.status, run.finished_at) == (JobStatus.RUNNING, None)


def test_one_run_at_a_time_an_agent(agent) -> None:
    first = start(agent)
    again = services.start_run(agent=agent, trigger=Trigger.API, requested_by="test", force=True)
    assert again.run is not None
    assert again.run.pk == first.pk
    assert not again.created


def test_without_force_too_few_traces_start_nothing(agent) -> None:
    record_batch(agent=agent, traces=learnable(9))
    started = services.start_run(agent=agent, trigger=Trigger.API, requested_by="test")
    assert started.run is None
    assert started.reason == "1 more traces are needed before a run"


def test_a_full_queue_refuses_with_a_time_to_come_back(agent, settings) -> None:
    settings.ACE_WORKER_QUEUE_SIZE = 1
    start(agent)
    playbooks.create_agent(agent_id="other", author=actors.AUTOMATIC)
    with pytest.raises(QueueFull) as caught:
        start(agent_by_id("other"))
    assert caught.value.extra["retry_after"] > 0


def test_the_agents_own_traces_make_a_run_due_and_imported_ones_do_not(agent) -> None:
    due = services.start_due_runs
    record_batch(agent=agent, traces=learnable(10), origin=Origin.IMPORTED)
    due.next_look = 0.0
    due()
    assert EvolutionRun.objects.count() == 0
    own = [trace(100 + n, success=True, tools=["a"]) for n in range(10)]
    record_batch(agent=agent, traces=own)
    due.next_look = 0.0
    due()
    run = EvolutionRun.objects.get()
    assert (run.trigger, run.status) == (Trigger.AUTOMATIC, JobStatus.QUEUED)


def test_after_a_run_that_failed_the_next_automatic_one_waits(agent) -> None:
    record_batch(agent=agent, traces=learnable(20))
    run = start(agent)
    failed = {"status": JobStatus.FAILED, "reason": "budget_exceeded"}
    EvolutionRun.objects.filter(pk=run.pk).update(**failed, finished_at=timezone.now())
    assert selectors.due_agents() == []
    rested = timezone.now() - timedelta(seconds=selectors.REST_SECONDS + 1)
    EvolutionRun.objects.filter(pk=run.pk).update(finished_at=rested)
    assert selectors.due_agents() == [agent]


def test_later_automatic_runs_come_every_interval(agent) -> None:
    record_batch(agent=agent, traces=[trace(n, success=True, tools=["a"]) for n in range(10)])
    assert selectors.due_agents() == [agent]
    run_now(agent)
    assert selectors.due_agents() == []
    more = [trace(n, success=True, tools=["a"]) for n in range(10, 109)]
    record_batch(agent=agent, traces=more)
    assert selectors.due_agents() == []
    record_batch(agent=agent, traces=[trace(200, success=True, tools=["a"])])
    assert selectors.due_agents() == [agent]


def test_a_cancelled_run_ends_and_its_worker_can_write_no_more(agent) -> None:
    run = start(agent)
    claimed = leases.claim(EvolutionRun, run.pk)
    assert claimed is not None
    cancelled = services.cancel_run(run=run, by="alice")
    assert cancelled.status == JobStatus.CANCELLED
    with pytest.raises(leases.LeaseLost):
        leases.write(claimed, traces_selected=3)


def test_a_failed_run_can_be_retried_as_a_new_one(agent) -> None:
    wrong = [{"operations": [{"op": "add", "section": "s"}], "confidence": 0.9}]
    failed = run_now(agent, generator=Generator.SCRIPTED, script=wrong)
    retried = services.retry_run(run=failed, by="alice")
    assert retried.created
    assert retried.run is not None
    assert retried.run.pk != failed.pk
    assert retried.run.script == wrong


def test_selection_takes_the_newest_of_every_type_and_version_first(agent) -> None:
    for kind, count in (("rare", 3), ("common", 40)):
        rows = [
            trace(n, success=True, tools=["a"], metadata={"task_type": kind})
            | {"trace_id": f"{kind}-{n}"}
            for n in range(count)
        ]
        record_batch(agent=agent, traces=rows)
    newest = ExecutionTrace.objects.order_by("-pk").values_list("pk", flat=True)[0]
    runs = list(selectors.runs_to_learn_from(agent, newest=newest, limit=10))
    assert sum(run.task_type == "rare" for run in runs) == 3
    assert len(runs) == 10


def test_evolve_prints_one_json_document_on_stdout(agent, tmp_path, capsys) -> None:
    path = tmp_path / "script.json"
    path.write_text(json.dumps({"deltas": script()}))
    call_command("evolve", "bot", generator="scripted", script=path, json=True)
    captured = capsys.readouterr()
    document = json.loads(captured.out)
    assert document["deltas"][0]["status"] == "applied"
    assert "judge and apply" in captured.err


def test_evolve_with_nothing_to_propose_is_done(agent, capsys) -> None:
    call_command("evolve", "bot")
    assert "0 deltas" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": "llm"}, "no language model"),
        ({"generator": "scripted"}, "needs --script"),
    ],
)
def test_evolve_says_what_is_missing(agent, options, message) -> None:
    with pytest.raises(CommandError, match=message):
        call_command("evolve", "bot", **options)


def test_evolve_of_nobody_is_one_clear_line() -> None:
    with pytest.raises(CommandError, match="there is no agent 'ghost'"):
        call_command("evolve", "ghost")
