"""Who is served next: by rank, then by who waited longest for service, and only what may run."""

from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta

import dramatiq
import pytest
from django.db import connection
from django.db.models.functions import Now

from ace_project.core.work import broker, leases, loop, queue
from ace_project.core.work.leases import JobStatus
from evolution.models import EvolutionRun, Trigger
from evolution.services import start_run
from playbooks import actors, services
from playbooks.models import Agent

pytestmark = pytest.mark.django_db


def agent(agent_id: str = "bot") -> Agent:
    return services.get_or_create_agent(agent_id=agent_id, author=actors.AUTOMATIC)


def make_run(agent_id: str = "bot", **fields: object) -> EvolutionRun:
    return EvolutionRun.objects.create(
        agent=agent(agent_id), trigger=Trigger.API, requested_by="test", **fields
    )


def age(run: EvolutionRun, seconds: float) -> None:
    earlier = Now() - timedelta(seconds=seconds)
    EvolutionRun.objects.filter(pk=run.pk).update(created_at=earlier)


def served(count: int) -> list[str]:
    """Let a worker serve `count` runs one after the other; return whose they were."""
    names = []
    for _ in range(count):
        run = queue.claim_next(EvolutionRun)
        assert run is not None
        leases.finish(run, JobStatus.COMPLETED)
        names.append(run.agent.agent_id)
    return names


# ---- offers ----
def test_a_waiting_row_is_offered_once_until_it_may_be_offered_again() -> None:
    run = make_run()
    assert queue.offer(EvolutionRun, 10) == [run.pk]
    assert queue.offer(EvolutionRun, 10) == []
    earlier = Now() - timedelta(seconds=queue.REOFFER_SECONDS + 1)
    EvolutionRun.objects.filter(pk=run.pk).update(offered_at=earlier)
    assert queue.offer(EvolutionRun, 10) == [run.pk]


def test_offers_come_in_the_order_and_never_more_than_asked() -> None:
    runs = [make_run(f"bot-{n}") for n in range(4)]
    EvolutionRun.objects.filter(pk=runs[3].pk).update(priority=5)
    assert queue.offer(EvolutionRun, 2) == [runs[3].pk, runs[0].pk]
    assert queue.offer(EvolutionRun, 0) == []
    assert queue.offer(EvolutionRun, -3) == []
    assert queue.offer(EvolutionRun, 2) == [runs[1].pk, runs[2].pk]


def test_a_running_row_is_offered_only_when_its_lease_ran_out() -> None:
    run = make_run()
    leases.claim(EvolutionRun, run.pk)
    assert queue.offer(EvolutionRun, 10) == []
    EvolutionRun.objects.filter(pk=run.pk).update(lease_until=Now() - timedelta(seconds=1))
    assert queue.offer(EvolutionRun, 10) == [run.pk]


def test_a_worker_has_no_more_nudges_out_than_a_batch(settings, monkeypatch) -> None:
    settings.ACE_WORKER_BATCH_SIZE = 3
    for n in range(7):
        make_run(f"bot-{n}")
    sent: list[int] = []
    monkeypatch.setattr(loop, "TICKS", [])
    monkeypatch.setattr(loop, "KINDS", [k for k in loop.KINDS if k.model is EvolutionRun])
    monkeypatch.setattr(loop, "send", lambda _, pk: sent.append(pk))
    monkeypatch.setattr(loop, "_wait_for_nudge", lambda _: None)
    monkeypatch.setattr(broker, "untaken", lambda _: len(sent))
    for _ in range(3):
        loop._round("a worker", 2, None)
    assert len(sent) == 3


@pytest.mark.redis
def test_nudges_in_redis_that_no_worker_took_are_counted(live_redis) -> None:
    inner, outer = dramatiq.get_broker(), broker.install()
    try:
        outer.declare_queue("counted")
        message = dramatiq.Message("counted", "nobody", (1,), {}, {})
        assert broker.untaken("counted") == 0
        outer.enqueue(message)
        outer.enqueue(message.copy())
        assert broker.untaken("counted") == 2
    finally:
        outer.flush("counted")
        outer.close()
        dramatiq.set_broker(inner)


def test_a_redis_that_is_gone_counts_as_no_nudges(dead_redis) -> None:
    inner, outer = dramatiq.get_broker(), broker.install()
    try:
        assert broker.untaken("evolution") == 0
    finally:
        outer.close()
        dramatiq.set_broker(inner)


# ---- the order ----
def test_a_person_goes_before_an_agent_and_both_before_what_starts_by_itself() -> None:
    triggers = {"own": Trigger.AUTOMATIC, "asked": Trigger.API, "person": Trigger.OPERATOR}
    for name, trigger in triggers.items():
        start_run(agent=agent(name), trigger=trigger, requested_by="test", force=True)
    assert served(3) == ["person", "asked", "own"]


def test_an_agent_that_asks_again_and_again_lets_every_other_through() -> None:
    others = [f"quiet-{n}" for n in range(30)]
    make_run("noisy")
    for name in others:
        make_run(name)
    order = []
    for _ in range(60):
        order += served(1)
        if order[-1] == "noisy":
            make_run("noisy")
        elif len(order) > 31:
            break
    assert sorted(order[:31]) == sorted(["noisy", *others])


def test_the_agent_served_least_recently_goes_first_even_if_it_asked_last() -> None:
    for name in ("a", "b", "c"):
        make_run(name)
    # One at a time, in transactions of their own by the clock of the database.
    order = served(3)
    for position, name in enumerate(order):
        earlier = Now() - timedelta(seconds=60 - position)
        EvolutionRun.objects.filter(agent__agent_id=name).update(started_at=earlier)
    for name in reversed(order):
        make_run(name)
    assert served(3) == order


def test_a_stream_of_urgent_runs_does_not_hold_back_one_that_waits_for_minutes() -> None:
    patient = make_run("patient", priority=0)
    for n in range(5):
        make_run(f"urgent-{n}", priority=queue.TOP)
    EvolutionRun.objects.filter(agent__agent_id="patient").update(priority=0)
    assert queue.position(patient) == 6
    age(patient, 2 * queue.STEP_SECONDS + 5)
    assert queue.position(patient) == 1
    assert served(1) == ["patient"]


def test_the_place_in_the_queue_is_the_order_of_service() -> None:
    runs = [make_run(f"bot-{n}", priority=10 * (n % 3)) for n in range(9)]
    places = {queue.position(run): run.agent.agent_id for run in runs}
    assert sorted(places) == list(range(1, 10))
    assert served(9) == [places[place] for place in sorted(places)]


def test_a_run_that_must_wait_stands_in_nobodys_way() -> None:
    first, second = make_run("first"), make_run("second")
    EvolutionRun.objects.filter(pk=first.pk).update(not_before=Now() + timedelta(minutes=1))
    assert queue.position(second) == 1
    assert served(1) == ["second"]
    assert queue.claim_next(EvolutionRun) is None
    assert queue.position(first) == 1
    second.refresh_from_db()
    assert queue.position(second) == 0


# ---- batches ----
def test_a_thread_takes_one_batch_and_is_then_free_for_other_work(settings) -> None:
    settings.ACE_WORKER_BATCH_SIZE = 4
    for n in range(6):
        make_run(f"bot-{n}")
    taken = [leases.finish(run, JobStatus.COMPLETED) for run in queue.batch(EvolutionRun)]
    assert len(taken) == 4
    assert EvolutionRun.objects.filter(status=JobStatus.QUEUED).count() == 2


def test_a_batch_holds_only_the_run_that_is_carried_out() -> None:
    for n in range(3):
        make_run(f"bot-{n}")
    for run in queue.batch(EvolutionRun):
        assert EvolutionRun.objects.filter(status=JobStatus.RUNNING).count() == 1
        leases.finish(run, JobStatus.COMPLETED)


def test_no_run_of_a_batch_begins_after_its_time_but_one_always_does(settings) -> None:
    settings.ACE_WORKER_BATCH_TIMEOUT = 0.0
    make_run("one")
    make_run("two")
    assert len(list(queue.batch(EvolutionRun))) == 1


def test_a_process_that_ends_takes_nothing_more() -> None:
    make_run()
    queue.closing.set()
    try:
        assert list(queue.batch(EvolutionRun)) == []
    finally:
        queue.closing.clear()
    assert len(list(queue.batch(EvolutionRun))) == 1


@pytest.mark.django_db(transaction=True)
def test_many_threads_share_the_queue_without_taking_a_run_twice() -> None:
    for n in range(24):
        make_run(f"bot-{n}")

    def work(_: int) -> list[int]:
        try:
            taken = []
            while run := queue.claim_next(EvolutionRun):
                taken.append(run.pk)
                leases.finish(run, JobStatus.COMPLETED)
            return taken
        finally:
            connection.close()

    with ThreadPoolExecutor(6) as pool:
        taken = [pk for part in pool.map(work, range(6)) for pk in part]
    assert len(taken) == len(set(taken)) == 24
