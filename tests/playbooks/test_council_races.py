"""The council's word, a waiver and a person's decision at one moment: one of them decides."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from threading import Barrier
from typing import Any

import pytest
from django.db import connection
from django.utils import timezone

from ace_project.core.errors import Conflict
from playbooks import actors, services
from playbooks.judges import Verdict
from playbooks.models import Delta, DeltaStatus, PlaybookVersion
from tests.playbooks.factories import add, content_of

pytestmark = pytest.mark.django_db(transaction=True)

ANN = actors.person("ann")
ROUNDS = 4


def at_once(*calls: Callable[[], Any]) -> list[str]:
    """Run calls together; return of each whether it was `done` or met a conflict."""
    together = Barrier(len(calls))

    def run(call: Callable[[], Any]) -> str:
        try:
            together.wait(30)
            call()
        except Conflict:
            return "conflict"
        finally:
            connection.close()
        return "done"

    with ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))


@pytest.mark.parametrize("verb", ["approve", "reject"])
def test_a_person_and_the_council_decide_a_delta_once(agent, propose, verb) -> None:
    for number in range(ROUNDS):
        text = f"Check number {number}."
        sign = Verdict("evidence_of_test", "block", "wait", {})
        delta = propose(add(text), verdicts=[sign]).delta
        before = PlaybookVersion.objects.count()
        decide = {
            "approve": lambda d=delta: services.approve_delta(delta=d, by=ANN),
            "reject": lambda d=delta: services.reject_delta(delta=d, by=ANN, reason="no"),
        }[verb]
        until = timezone.now() + timedelta(days=1)
        at_once(
            decide,
            lambda d=delta: services.add_verdicts(delta=d, verdicts=[]),
            lambda d=delta, u=until: services.waive_verdict(
                agent=agent, judge="evidence_of_test", reason="r", until=u, by=ANN, delta=d
            ),
        )
        now = Delta.objects.get(pk=delta.pk)
        made = PlaybookVersion.objects.count() - before
        applied = now.status == DeltaStatus.APPLIED
        assert now.status in (DeltaStatus.APPLIED, DeltaStatus.REJECTED)
        assert made == applied
        assert content_of(agent)["strategies"].count(text) == applied
        assert now.decided_by in ("person:ann", "automatic")
