"""The kill switch on the pages: one click, seen everywhere, an operator's alone."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evolution.models import EvolutionRun, ExecutionTrace, Pause
from evolution.services import pause_evolution
from playbooks.actors import person
from playbooks.models import Agent

PAUSE_ALL, RESUME_ALL = "/runs/pause/", "/runs/resume/"
PAUSE, RESUME = "/agents/airline/pause/", "/agents/airline/resume/"
ALL_PAUSED = "All evolution is paused."
ONE_PAUSED = "The evolution of airline is paused."


def text_of(client: Client, url: str) -> str:
    return client.get(url).content.decode()


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_only_operators_pause_and_resume(
    signed_in: Callable[..., Client], agent: Agent, role: str
) -> None:
    visitor = signed_in(role)
    for url in (PAUSE_ALL, RESUME_ALL, PAUSE, RESUME):
        assert visitor.post(url).status_code == 403
    assert not Pause.objects.exists()
    for url in ("/", "/runs/", "/agents/airline/"):
        assert "Pause" not in text_of(visitor, url)


@pytest.mark.parametrize("url", [PAUSE_ALL, RESUME_ALL, PAUSE, RESUME])
def test_looking_changes_nothing(signed_in: Callable[..., Client], agent: Agent, url: str) -> None:
    assert signed_in("operator").get(url).status_code == 405


@pytest.mark.parametrize("page", ["/", "/runs/"])
def test_one_click_pauses_all_and_one_on_the_banner_of_any_page_resumes(
    signed_in: Callable[..., Client], agent: Agent, page: str
) -> None:
    operator = signed_in("operator")
    assert f'action="{PAUSE_ALL}"' in text_of(operator, page)
    answer = operator.post(PAUSE_ALL, {"then": page})
    assert (answer.status_code, answer["Location"]) == (302, page)
    assert Pause.objects.get().agent is None
    for url in ("/", "/runs/", "/review/", "/agents/", "/traces/", "/playbooks/airline/"):
        shown = text_of(operator, url)
        assert ALL_PAUSED in shown
        assert f'action="{RESUME_ALL}"' in shown
        assert f'action="{PAUSE_ALL}"' not in shown
    answer = operator.post(RESUME_ALL, {"then": "/review/"})
    assert answer["Location"] == "/review/"
    assert not Pause.objects.exists()
    assert ALL_PAUSED not in text_of(operator, "/")


def test_everybody_sees_the_banner_with_who_and_why_but_only_operators_its_button(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    why = "<b>costs</b> too much"
    pause_evolution(agent=None, by=person("olga", 7), reason=why)
    shown = text_of(signed_in("viewer"), "/review/")
    assert ALL_PAUSED in shown
    assert "olga" in shown
    assert "&lt;b&gt;costs&lt;/b&gt; too much" in shown
    assert RESUME_ALL not in shown


def test_one_agent_is_paused_with_a_reason_on_its_page(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    assert f'action="{PAUSE}"' in text_of(operator, "/agents/airline/")
    operator.post(PAUSE, {"then": "/agents/airline/", "reason": "its tools are replaced"})
    assert (pause := Pause.objects.get()).agent == agent
    assert pause.reason == "its tools are replaced"
    for url in ("/agents/airline/", "/runs/"):
        shown = text_of(operator, url)
        assert ONE_PAUSED in shown
        assert "its tools are replaced" in shown
        assert f'action="{RESUME}"' in shown
    assert ONE_PAUSED not in text_of(operator, "/review/")
    operator.post(RESUME, {"then": "/agents/airline/"})
    assert not Pause.objects.exists()


def test_an_agent_that_is_not_there_is_a_404(signed_in: Callable[..., Client]) -> None:
    operator = signed_in("operator")
    assert operator.post("/agents/nobody/pause/").status_code == 404
    assert operator.post("/agents/nobody/resume/").status_code == 404


def test_a_reason_that_cannot_be_kept_pauses_nothing_and_says_so(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator").post(PAUSE, {"reason": "x" * 2001}, follow=True)
    assert "2,000 characters" in answer.content.decode()
    assert not Pause.objects.exists()


@pytest.mark.parametrize(
    "then", ["https://evil.example/", "//evil.example/", "/admin/", "/healthz", "", "/nowhere/"]
)
def test_one_never_lands_on_a_page_that_is_not_the_consoles(
    signed_in: Callable[..., Client], agent: Agent, then: str
) -> None:
    answer = signed_in("operator").post(PAUSE_ALL, {"then": then})
    assert answer["Location"] == "/"


def test_resuming_what_somebody_else_resumed_is_no_error(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator").post(RESUME_ALL, follow=True)
    assert "not paused any more" in answer.content.decode()


def test_a_run_says_what_it_waits_for(signed_in: Callable[..., Client], agent: Agent) -> None:
    fields: dict[str, Any] = {"trigger": "api", "requested_by": "person:ann", "agent": agent}
    run = EvolutionRun.objects.create(**fields)
    viewer, url = signed_in("viewer"), f"/runs/{run.pk}/"
    assert "Next in the queue." in text_of(viewer, url)
    run.not_before, run.attempts = timezone.now() + timezone.timedelta(minutes=3), 2
    run.save()
    assert "Try 2 failed; the next one comes" in text_of(viewer, url)
    pause_evolution(agent=agent, by=person("olga", 7), reason="holiday")
    assert "It waits: evolution is paused for this agent: holiday" in text_of(viewer, url)


def test_asking_for_a_run_while_paused_says_why_there_is_none(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    pause_evolution(agent=None, by=person("olga", 7), reason="")
    operator = signed_in("operator")
    answer = operator.post("/playbooks/airline/evolve/", follow=True)
    assert "No run: evolution is paused for all agents." in answer.content.decode()
    fields: dict[str, Any] = {"trigger": "api", "requested_by": "person:ann", "agent": agent}
    failed = EvolutionRun.objects.create(status="failed", reason="internal_error", **fields)
    assert "Retry" in text_of(operator, f"/runs/{failed.pk}/")
    answer = operator.post(f"/runs/{failed.pk}/retry/", follow=True)
    assert "No run: evolution is paused for all agents." in answer.content.decode()
    assert EvolutionRun.objects.count() == 1


def test_the_overview_does_not_call_a_paused_machinery_working(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    from ace_project.core.models import WorkerBeat

    WorkerBeat.objects.create(name="w")
    ExecutionTrace.objects.create(
        agent=agent, trace_id="t", success=True, captured_at=timezone.now()
    )
    viewer = signed_in("viewer")
    assert "Working" in text_of(viewer, "/")
    pause_evolution(agent=None, by=person("olga", 7), reason="")
    assert "Working" not in text_of(viewer, "/")
