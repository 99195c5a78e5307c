"""Forms of this part sent by hand: more than asked for, from elsewhere, to elsewhere."""

from datetime import timedelta
from typing import Any

import pytest
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.test import Client
from django.utils import timezone

from evolution.models import Pause
from playbooks import actors, services
from playbooks.models import Agent, Source, Waiver

pytestmark = pytest.mark.django_db
SCRIPT = "<script>alert('x')</script>"


@pytest.fixture
def agent() -> Agent:
    return services.create_agent(agent_id="airline", author=actors.AUTOMATIC)


def operator(**options: Any) -> Client:
    user = get_user_model().objects.create_user("ann", password="p")
    user.groups.add(Group.objects.get_or_create(name="operator")[0])
    client = Client(**options)
    client.force_login(user)
    return client


def form(**changed: Any) -> dict[str, Any]:
    until = (timezone.localdate() + timedelta(days=2)).isoformat()
    return {"judge": "confidence", "reason": "known", "until": until, **changed}


def waiting(agent: Agent) -> int:
    delta = services.propose_delta(
        agent=agent,
        operations=[{"op": "add", "section": "strategies", "text": "Look twice."}],
        confidence=0.1,
        source=Source.AGENT,
        author=actors.agent("airline"),
    ).delta
    return int(delta.pk)


def test_a_waiver_for_one_delta_that_names_none_waives_nothing(agent: Agent) -> None:
    answer = operator().post("/agents/airline/waivers/", form(scope="delta"))
    assert answer.status_code == 302
    assert not Waiver.objects.exists()


def test_a_waiver_names_no_delta_of_another_agent(agent: Agent) -> None:
    other = services.create_agent(agent_id="other", author=actors.AUTOMATIC)
    number = waiting(other)
    answer = operator().post("/agents/airline/waivers/", form(scope="delta", delta=number))
    assert answer.status_code == 404
    assert not Waiver.objects.exists()


@pytest.mark.parametrize("url", ["/agents/airline/waivers/", "/runs/pause/", "/runs/resume/"])
def test_a_form_from_elsewhere_does_nothing(agent: Agent, url: str) -> None:
    assert operator(enforce_csrf_checks=True).post(url, form()).status_code == 403
    assert not Waiver.objects.exists() and not Pause.objects.exists()


@pytest.mark.parametrize(
    "then",
    [
        "//evil.example/",
        "/\\evil.example/",
        "https://evil.example/",
        "/\nSet-Cookie: a=b",
        "/runs/\n",
    ],
)
def test_a_pause_leads_nowhere_else(agent: Agent, then: str) -> None:
    answer = operator().post("/runs/pause/", {"then": then})
    assert answer.status_code == 302
    assert answer["Location"] in ("/", "/runs/")


def test_reasons_are_shown_as_text(agent: Agent) -> None:
    client = operator()
    client.post("/agents/airline/pause/", {"reason": SCRIPT})
    client.post("/agents/airline/waivers/", form(reason=SCRIPT, scope="agent"))
    assert Waiver.objects.count() == Pause.objects.count() == 1
    page = client.get("/agents/airline/").content.decode()
    assert SCRIPT not in page and "alert(" in page
