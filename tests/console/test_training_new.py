"""Training: a job is started from a form that says what is wrong and what it may cost."""

from collections.abc import Callable
from decimal import Decimal
from io import BytesIO
from typing import Any

import pytest
from django.test import Client

from playbooks.actors import person
from playbooks.models import Agent, Mode
from training.models import TrainingJob
from training.runtimes.workshop import WorkshopRuntime
from training.services import make_workshop_agent

LIST = "/training/"
NEW = "/training/new/"


def url_of(job: TrainingJob, verb: str = "") -> str:
    return f"{LIST}{job.pk}/{verb}"


def shown(client: Client, url: str, **asked: Any) -> str:
    answer = client.get(url, asked)
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.fixture
def workshop(db: None) -> Agent:
    """Return a workshop agent with two lessons."""
    return make_workshop_agent(agent_id="workshop", seed=3, mode=Mode.STRICT, author=person("ann"))


WANTED = {
    "agent": "workshop", "runtime": "workshop", "title": "Which help", "n_iterations": "3",
    "batch_size": "2", "lessons": "Before a refund, call get_order.\r\nNever repeat a call.",
}  # fmt: skip


def test_where_there_is_no_agent_the_form_leads_to_making_one(
    signed_in: Callable[..., Client], db: None
) -> None:
    assert 'href="/agents/new">make one</a> first.' in shown(signed_in("operator"), NEW)


def test_the_form_starts_a_job_with_what_was_typed(
    signed_in: Callable[..., Client], workshop: Agent
) -> None:
    operator = signed_in("operator", "ann")
    answer = operator.post(NEW, WANTED)
    job = TrainingJob.objects.get()
    assert answer.headers["Location"] == url_of(job)
    assert (job.title, job.requested_by) == ("Which help", "person:ann")
    assert (job.config["n_iterations"], job.config["batch_size"]) == (3, 2)
    assert job.config["learning_rate"] == 0.1
    assert [entry["text"] for entry in job.candidates] == WANTED["lessons"].split("\r\n")
    again = shown(operator, NEW, **{"from": job.pk})
    assert 'name="n_iterations" type="number"' in again
    assert 'value="3"' in again
    assert 'value="Which help"' in again


def test_a_start_from_traces_that_explored_nothing_is_refused_beside_its_box(
    signed_in: Callable[..., Client], workshop: Agent
) -> None:
    answer = signed_in("operator").post(NEW, WANTED | {"warm_start": "1"})
    assert answer.status_code == 400
    assert "no trace of a session that explored" in answer.context["errors"]["warm_start"]
    assert 'aria-describedby="h-warm_start" checked' in answer.content.decode()
    assert not TrainingJob.objects.exists()


def test_the_cost_is_shown_with_its_arithmetic_before_anything_starts(
    signed_in: Callable[..., Client], workshop: Agent
) -> None:
    operator = signed_in("operator")
    plain = operator.post(NEW, WANTED | {"do": "estimate"}).content.decode()
    assert "3 iterations x 2 tasks x 8 trajectories = 48 to train" in plain
    assert 'value="Which help"' in plain
    part = operator.post(NEW, WANTED, headers={"HX-Request": "true"}).content.decode()
    assert part.lstrip().startswith('<div id="estimate"')
    assert "= 48 to train" in part
    missing = operator.post(NEW, WANTED | {"agent": ""}, headers={"HX-Request": "true"})
    assert "choose the agent" in missing.content.decode()
    assert not TrainingJob.objects.exists()


@pytest.mark.parametrize(
    ("typed", "field", "told"),
    [
        ({"agent": "nobody"}, "agent", "choose the agent"),
        ({"runtime": "abacus"}, "runtime", "choose one"),
        ({"runtime": "gymnasium"}, "env", "is needed"),
        ({"runtime": "http", "url": "http://10.0.0.1/"}, "url", "address"),
        ({"runtime": "http", "url": "x", "timeout": "long"}, "timeout", "must be a number"),
        ({"more": "[]"}, "more", "must be a JSON object"),
        ({"more": '{"colour": 1}'}, "more", "colour is not a setting"),
        ({"batch_size": "many"}, "batch_size", "must be a whole number"),
        ({"batch_size": "129"}, "batch_size", "at most 128"),
        ({"learning_rate": "nan"}, "learning_rate", "must be a number"),
        ({"advantage": "best"}, "advantage", "must be one of"),
        ({"tasks": '{"query": "a"}\n{"query'}, "tasks", "line 2 is not JSON"),
        ({"tasks": '{"query": "a"}\n{"answer": 1}'}, "tasks", "number 2"),
        ({"held_out": "[" * 100_000}, "held_out", "nested too deeply"),
        ({"reward": "{"}, "reward", "is not JSON"),
        ({"lessons": "x" * 100_000}, "lessons", "number 1"),
    ],
)
def test_what_is_wrong_stands_beside_its_field_and_nothing_starts(
    signed_in: Callable[..., Client],
    workshop: Agent,
    typed: dict[str, str],
    field: str,
    told: str,
) -> None:
    answer = signed_in("operator").post(NEW, WANTED | typed)
    assert answer.status_code == 400
    assert told in answer.context["errors"][field]
    assert "Nothing was started." in answer.content.decode()
    assert not TrainingJob.objects.exists()


def test_several_fields_are_told_at_once_and_keep_what_was_typed(
    signed_in: Callable[..., Client], workshop: Agent
) -> None:
    typed = {"batch_size": "<b>", "gamma": "7", "title": "<i>mine</i>"}
    answer = signed_in("operator").post(NEW, WANTED | typed)
    assert set(answer.context["errors"]) == {"batch_size", "gamma"}
    page = answer.content.decode()
    assert 'value="&lt;b&gt;"' in page
    assert "&lt;i&gt;mine" in page
    assert "<i>mine" not in page


def test_tasks_come_from_a_file_but_not_from_both(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    for content, told in ((b'{"query": "a"}\nx', "line 2"), (b"\xff\xfe", "not text in UTF-8")):
        answer = operator.post(NEW, WANTED | {"tasks_file": BytesIO(content)})
        assert told in answer.context["errors"]["tasks"]
    both = WANTED | {"tasks": "{}", "tasks_file": BytesIO(b"{}")}
    assert "not both" in operator.post(NEW, both).context["errors"]["tasks"]


def test_a_budget_that_the_worst_case_does_not_fit_is_told_beside_the_budget(
    signed_in: Callable[..., Client], workshop: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(WorkshopRuntime, "worst_case_usd", lambda *_: Decimal("0.01"))
    answer = signed_in("operator").post(NEW, WANTED | {"max_budget_usd": "0.05"})
    told = answer.context["errors"]["max_budget_usd"]
    assert "at most" in told
    assert "$0.05" in told
    assert not TrainingJob.objects.exists()
