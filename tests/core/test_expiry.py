"""Answers under idempotency keys do not stay for ever."""

from datetime import timedelta

import pytest
from django.utils import timezone

from ace_project.core.expiry import ANSWER_LIFETIME, drop_old_answers
from ace_project.core.models import IdempotencyKey
from ace_project.core.work.loop import TICKS


@pytest.mark.django_db
def test_an_answer_is_dropped_after_a_day_and_not_before():
    for key, age in (("old", ANSWER_LIFETIME), ("young", ANSWER_LIFETIME - timedelta(minutes=1))):
        IdempotencyKey.objects.create(token="t", key=key, body_hash="", status=200, body={})
        when = timezone.now() - age - timedelta(seconds=1)
        IdempotencyKey.objects.filter(key=key).update(created_at=when)
    drop_old_answers()
    assert [row.key for row in IdempotencyKey.objects.all()] == ["young"]


def test_the_worker_does_it():
    assert drop_old_answers in TICKS
