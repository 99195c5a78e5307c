"""Large checkpoints lie in an S3-like bucket, through the real client."""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from django.db import connections

from ace_project.core.work.leases import JobStatus
from playbooks import actors
from playbooks import services as playbooks
from tests.training.bucket import SECRET, Bucket, serving
from tests.training.scripted import make_agent, scripted, start, work
from training import checkpoints, object_store
from training.engine.packing import CorruptState
from training.models import JobState, PolicyCheckpoint, TrainingJob
from training.object_store import StoreUnavailable
from training.services import jobs

pytestmark = pytest.mark.django_db(transaction=True)
ALICE = actors.person("alice")


@pytest.fixture
def bucket(settings: Any) -> Iterator[Bucket]:
    """Have every checkpoint count as large."""
    with serving() as running:
        settings.ACE_CHECKPOINT_STORE = running.address
        settings.ACE_CHECKPOINT_STORE_MIN_BYTES = 1
        yield running


def paths(job: TrainingJob) -> set[str]:
    """Return where the job's rows say that its checkpoints lie."""
    return {f"/policies/{row.location}" for row in job.checkpoints.all()}


def trained(pieces: int = 1000, **config: Any) -> TrainingJob:
    with scripted() as runtime:
        return work(start(make_agent(), runtime, config=config), pieces)


def test_large_checkpoints_lie_in_the_bucket_under_job_iteration_and_sum(bucket: Bucket) -> None:
    job = trained()
    assert (job.status, job.reason) == (JobStatus.COMPLETED, "finished")
    rows = list(job.checkpoints.order_by("iteration"))
    assert [row.iteration for row in rows] == [2, 4]
    assert all(row.state is None for row in rows)
    assert {row.location for row in rows} == {
        f"ace/{job.pk}/{row.iteration}/{row.sha256}" for row in rows
    }
    assert set(bucket.objects) == paths(job)
    learner = checkpoints.read(rows[-1])
    assert bytes(job.saved.state) == bucket.objects[f"/policies/{rows[-1].location}"]
    assert learner.distance > 0


def test_small_checkpoints_stay_in_the_database(bucket: Bucket, settings: Any) -> None:
    settings.ACE_CHECKPOINT_STORE_MIN_BYTES = 1024 * 1024
    job = trained()
    assert all(row.state and not row.location for row in job.checkpoints.all())
    assert job.checkpoints.exists()
    assert not bucket.calls


def test_an_object_is_put_before_the_row_that_names_it(bucket: Bucket) -> None:
    with scripted() as runtime:
        job = start(make_agent(), runtime)
        workers = connections["default"]
        open_transactions: list[bool] = []

        def watch(method: str) -> None:
            if method == "PUT":
                # The worker waits for this answer meanwhile.
                open_transactions.append(workers.in_atomic_block)

        bucket.watch = watch
        work(job, 2)
    assert open_transactions == [False]
    assert job.checkpoints.count() == 1


@pytest.mark.parametrize("damage", [b"rubbish", None, "changed"])
def test_a_damaged_or_lost_object_is_refused(bucket: Bucket, damage: Any) -> None:
    row = trained(2).checkpoints.get()
    (path,) = bucket.objects
    if damage is None:
        bucket.objects.clear()
    else:
        whole = bucket.objects[path]
        bucket.objects[path] = damage if isinstance(damage, bytes) else b"x" + whole[1:]
    with pytest.raises(CorruptState, match="gone from" if damage is None else "damaged"):
        checkpoints.read(row)


def test_a_damaged_object_ends_the_job_before_the_sealed_test_is_read(bucket: Bucket) -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime), 5)
        bucket.objects = dict.fromkeys(bucket.objects, b"rubbish")
        work(job)
    assert (job.status, job.reason) == (JobStatus.FAILED, "runtime_error")
    assert "checksum" in job.error
    assert not job.evaluations.filter(kind="test").exists()


def test_a_store_that_is_away_is_told_and_the_iteration_is_tried_again(bucket: Bucket) -> None:
    with scripted() as runtime:
        bucket.refusing = (403, "AccessDenied")
        job = work(start(make_agent(), runtime), 2)
        assert (job.status, job.iteration, job.attempts) == (JobStatus.QUEUED, 0, 1)
        assert "checkpoint store refuses: AccessDenied" in job.error
        assert not job.rollouts.exists() and not job.checkpoints.exists()
        bucket.refusing = None
        TrainingJob.objects.update(not_before=None)
        work(job)
    assert (job.status, job.reason, job.iteration) == (JobStatus.COMPLETED, "finished", 4)
    assert set(bucket.objects) == paths(job)


def test_a_wrong_secret_is_refused(bucket: Bucket, settings: Any) -> None:
    settings.ACE_CHECKPOINT_STORE = replace(bucket.address, secret="another")
    with pytest.raises(StoreUnavailable, match="SignatureDoesNotMatch"):
        object_store.put("1/1/sum", b"state")
    assert not bucket.objects


def test_what_cannot_be_read_now_is_no_damage(bucket: Bucket) -> None:
    row = trained(2).checkpoints.get()
    bucket.refusing = (503, "SlowDown")
    with pytest.raises(StoreUnavailable, match="does not answer"):
        checkpoints.read(row)
    with scripted(), pytest.raises(StoreUnavailable):
        jobs.evaluate(job=row.job, checkpoint=row, by=ALICE)


def test_checkpoints_that_are_pruned_are_deleted_from_the_bucket(bucket: Bucket) -> None:
    job = trained(n_iterations=9, eval_interval=1, checkpoint_interval=1)
    assert bucket.count("PUT") == 9
    assert bucket.count("DELETE") == 9 - job.checkpoints.count() > 0
    assert set(bucket.objects) == paths(job)


def test_an_erased_agent_leaves_no_object_behind(bucket: Bucket) -> None:
    job = trained(2)
    assert bucket.objects
    playbooks.delete_agent(agent=job.agent, author=ALICE)
    assert not bucket.objects
    assert not PolicyCheckpoint.objects.exists()


def test_what_a_store_that_is_away_keeps_is_logged_without_the_secret(
    bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    job = trained(2)
    location = job.checkpoints.get().location
    bucket.refusing = (403, "AccessDenied")
    with caplog.at_level(logging.DEBUG):
        playbooks.delete_agent(agent=job.agent, author=ALICE)
    assert location in caplog.text
    assert SECRET not in caplog.text
    assert not TrainingJob.objects.exists()


def test_a_pause_keeps_the_present_state_and_takes_effect_without_the_store(
    bucket: Bucket, caplog: pytest.LogCaptureFixture
) -> None:
    with scripted() as runtime:
        job = work(start(make_agent(), runtime, config={"checkpoint_interval": 4}), 2)
        assert not bucket.objects
        bucket.refusing = (403, "AccessDenied")
        jobs.pause_job(job=job, by=ALICE)
        assert job.state == JobState.PAUSED
        assert not job.checkpoints.exists()
        assert "checkpoint 1 of training job" in caplog.text
        bucket.refusing = None
        jobs.cancel_job(job=job, by=ALICE)
    assert [row.iteration for row in job.checkpoints.all()] == [1]
    assert set(bucket.objects) == paths(job)
