"""Fifty clients change one playbook at once: nothing is lost, nothing comes twice."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier

import pytest

from ace_project.core import tokens
from playbooks import audit, selectors, services
from playbooks.actors import AUTOMATIC
from playbooks.models import Delta, Mode, PlaybookVersion
from tests.servers import ask, web_server

CLIENTS = 50


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("workers", [1, 3])
def test_fifty_clients_each_add_their_bullet(tmp_path: Path, workers: int) -> None:
    services.create_agent(agent_id="bot", author=AUTOMATIC, mode=Mode.AUTO)
    token, _ = tokens.issue("bot")
    gate = Barrier(CLIENTS)

    def add(number: int, port: int) -> tuple[int, object]:
        bullet = {"op": "add", "section": "lessons", "text": f"Lesson of client {number}."}
        gate.wait(30)
        body = {"operations": [bullet], "confidence": 0.9, "delta_id": f"d{number}"}
        return ask(port, "PATCH", "/api/v1/playbooks/bot", body, token)

    with web_server(tmp_path, workers=workers) as port, ThreadPoolExecutor(CLIENTS) as pool:
        answers = list(pool.map(lambda n: add(n, port), range(CLIENTS)))

    assert [status for status, _ in answers] == [200] * CLIENTS, answers
    agent = selectors.agent_by_id("bot")
    bullets = selectors.snapshot(agent.playbook.pk, CLIENTS + 1).content["lessons"]
    assert sorted(bullets) == sorted(f"Lesson of client {n}." for n in range(CLIENTS))
    numbers = PlaybookVersion.objects.order_by("number").values_list("number", flat=True)
    assert list(numbers) == list(range(1, CLIENTS + 2))
    applied = Delta.objects.filter(status="applied").values_list("applied_version", flat=True)
    assert sorted(applied) == list(range(2, CLIENTS + 2))
    assert audit.verify_versions(agent) is None
    assert audit.verify_events("bot") is None
