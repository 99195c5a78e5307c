"""Agents: made, set, given tokens that are shown once, and erased only on purpose."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from ace_project.core import tokens
from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, AuditEvent, Mode, Verification

LIST = "/agents/"
NEW = "/agents/new"
PAGE = "/agents/airline/"
THRESHOLD = "ACE_CONFIDENCE_THRESHOLD"
CHANGES = [
    "mode/",
    "overrides/",
    "model/",
    "delete/",
]


def last_event() -> AuditEvent:
    event = AuditEvent.objects.first()
    assert event is not None
    return event


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, agent: Agent) -> None:
    for url in (LIST, NEW, PAGE, *(PAGE + change for change in CHANGES)):
        assert client.get(url).status_code == 302


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_others_than_operators_look_and_change_nothing(
    signed_in: Callable[..., Client], agent: Agent, role: str
) -> None:
    visitor = signed_in(role)
    assert visitor.get(LIST).status_code == visitor.get(PAGE).status_code == 200
    assert visitor.get(NEW).status_code == 403
    for change in CHANGES:
        assert visitor.post(PAGE + change, {"mode": "auto", "typed": "airline"}).status_code == 403
    assert Agent.objects.get().mode == Mode.STRICT


def test_other_methods_are_refused(signed_in: Callable[..., Client], agent: Agent) -> None:
    operator = signed_in("operator")
    for change in CHANGES:
        assert operator.put(PAGE + change).status_code == 405
    assert operator.post(LIST).status_code == operator.post(PAGE).status_code == 405


def test_an_agent_that_is_not_there_is_a_404(signed_in: Callable[..., Client], db: None) -> None:
    operator = signed_in("operator")
    assert operator.get("/agents/nobody/").status_code == 404
    for change in CHANGES:
        assert operator.post(f"/agents/nobody/{change}").status_code == 404


# ---- the list ----
def test_the_list_asks_the_same_queries_for_one_and_for_many(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    viewer = signed_in("viewer")
    viewer.get(LIST)
    with CaptureQueriesContext(connection) as one:
        viewer.get(LIST)
    for number in range(5):
        services.create_agent(agent_id=f"bot-{number}", author=person("bob"))
    with CaptureQueriesContext(connection) as many:
        viewer.get(LIST)
    assert len(one) == len(many) <= 9


def test_an_empty_list_leads_an_operator_to_making_an_agent(
    signed_in: Callable[..., Client], db: None
) -> None:
    assert "Make an agent</a>" in signed_in("operator").get("/agents/").content.decode()
    page = signed_in("viewer").get("/agents/").content.decode()
    assert "An operator makes one here" in page
    assert "/agents/new" not in page


def test_the_list_shows_mode_traces_and_waiting_deltas(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Any]
) -> None:
    propose()
    Agent.objects.update(mode="auto", overrides={THRESHOLD: 0.0})
    ExecutionTrace.objects.create(
        agent=agent, trace_id="t", success=True, captured_at=timezone.now()
    )
    answer = signed_in("viewer").get(LIST, {"mode": "auto", "q": "air"})
    ((_, traffic, threshold, waiting, paused),) = answer.context["rows"]
    assert (waiting, traffic.traces, threshold, paused) == (1, 1, 0.0, False)
    assert "auto ≥ 0.00" in answer.content.decode()
    assert answer.client.get(LIST, {"mode": "dry_run"}).context["rows"] == []


def test_the_list_is_narrowed_to_what_waits_is_paused_or_has_settings(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Any]
) -> None:
    services.create_agent(agent_id="other", author=person("bob"))
    operator = signed_in("operator")

    def shown(state: str) -> list[str]:
        rows = operator.get(LIST, {"state": state}).context["rows"]
        return [row[0].agent_id for row in rows]

    assert [shown(state) for state in ("waiting", "paused", "set")] == [[], [], []]
    propose()
    operator.post(PAGE + "pause/", {"reason": "looping"})
    operator.post(PAGE + "overrides/", {THRESHOLD: "0.9"})
    assert [shown(s) for s in ("waiting", "paused", "set")] == [["airline"]] * 3
    assert shown("") == ["other", "airline"]


# ---- making one ----
def test_an_operator_makes_an_agent_in_strict_mode(
    signed_in: Callable[..., Client], db: None
) -> None:
    answer = signed_in("operator", "ann").post(NEW, {"agent_id": "a.b-1", "name": "A bot"})
    made = Agent.objects.get()
    assert answer.headers["Location"] == "/agents/a.b-1/connect/"
    assert (made.agent_id, made.name, made.mode) == ("a.b-1", "A bot", Mode.STRICT)
    assert AuditEvent.objects.filter(event="agent_created", actor="person:ann").exists()


@pytest.mark.parametrize("agent_id", ["", "with space", "-dash", "a/b", "ä", "x" * 256, "airline"])
def test_an_agent_that_cannot_be_made_is_a_400(
    signed_in: Callable[..., Client], agent: Agent, agent_id: str
) -> None:
    page = signed_in("operator").post(NEW, {"agent_id": agent_id})
    assert page.status_code == 400
    assert 'role="alert">' in page.text
    assert Agent.objects.count() == 1


# ---- mode and settings ----
@pytest.mark.parametrize("mode", ["auto", "dry_run"])
def test_an_operator_sets_the_mode_and_the_audit_says_so(
    signed_in: Callable[..., Client], agent: Agent, mode: str
) -> None:
    signed_in("operator", "ann").post(PAGE + "mode/", {"mode": mode})
    assert Agent.objects.get().mode == mode
    event = last_event()
    assert (event.event, event.actor) == ("mode_set", "person:ann")
    assert event.data == {"from": "strict", "to": mode}


def test_an_operator_renames_an_agent_whose_id_stays_and_the_audit_tells(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator", "ann")
    page = operator.post(PAGE + "name/", {"name": " Refund desk "}, follow=True)
    assert page.redirect_chain == [(PAGE, 302)]
    assert "airline is called Refund desk now." in page.text
    assert "from nothing to Refund desk" in page.text
    assert (Agent.objects.get().name, Agent.objects.get().agent_id) == ("Refund desk", "airline")
    event = last_event()
    assert (event.event, event.actor) == ("agent_updated", "person:ann")
    assert event.data == {"fields": ["name"], "from": None, "to": "Refund desk"}
    operator.post(PAGE + "name/", {"name": "Refund desk"})
    assert last_event() == event
    for name in ("x" * 256, "nul \0"):
        assert "Name: " in operator.post(PAGE + "name/", {"name": name}, follow=True).text
    assert Agent.objects.get().name == "Refund desk"
    operator.post(PAGE + "name/", {"name": ""})
    assert Agent.objects.get().name == ""
    assert operator.post("/agents/nobody/name/", {"name": "x"}).status_code == 404
    assert operator.get(PAGE + "name/").status_code == 405


def test_a_mode_that_is_none_changes_nothing(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    answer = signed_in("operator").post(PAGE + "mode/", {"mode": "wild"}, follow=True)
    assert "There is no such mode." in answer.content.decode()
    assert Agent.objects.get().mode == Mode.STRICT


def test_settings_are_overridden_for_one_agent_and_taken_back(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    fields = {THRESHOLD: "0.85", "ACE_EVOLUTION_INTERVAL": "50"}
    operator.post(PAGE + "overrides/", fields)
    assert Agent.objects.get().overrides == {THRESHOLD: 0.85, "ACE_EVOLUTION_INTERVAL": 50}
    operator.post(PAGE + "overrides/", {THRESHOLD: ""})
    assert Agent.objects.get().overrides == {}
    assert AuditEvent.objects.filter(event="setting_set").count() == 4


def test_a_setting_says_where_its_value_comes_from_and_who_set_it(
    signed_in: Callable[..., Client], agent: Agent, monkeypatch: pytest.MonkeyPatch
) -> None:
    operator = signed_in("operator", "ann")
    monkeypatch.setenv("ACE_EVOLUTION_INTERVAL", "100")
    operator.post(PAGE + "overrides/", {THRESHOLD: "0.85"})
    answer = operator.get(PAGE)
    rows = {row["name"]: row for row in answer.context["overrides"]}
    assert (rows[THRESHOLD]["own"], rows[THRESHOLD]["setter"].actor) == (0.85, "person:ann")
    assert rows["ACE_EVOLUTION_INTERVAL"]["from_environment"]
    page = answer.content.decode()
    assert "from the installation’s environment" in page
    assert "from nothing to 0.85" in page


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        (THRESHOLD, "2", "goes from 0 to 1"),
        (THRESHOLD, "nan", "must be a number"),
        (THRESHOLD, "high", "must be a number"),
        ("ACE_EVOLUTION_INTERVAL", "1.5", "must be a whole number"),
        ("ACE_MAX_DELTAS_PER_EVOLUTION", "0", "goes from 1 to 100"),
        ("ACE_EXPLORATION_SHARE", "0.3", "goes from 0 to 0.2"),
    ],
)
def test_a_setting_out_of_range_leaves_all_of_them_as_they_were(
    signed_in: Callable[..., Client], agent: Agent, field: str, value: str, words: str
) -> None:
    fields = {"ACE_MIN_TRACES_FOR_EVOLUTION": "77", field: value}
    answer = signed_in("operator").post(PAGE + "overrides/", fields)
    assert answer.status_code == 400
    assert words in answer.content.decode()
    assert 'value="77"' in answer.content.decode()
    assert Agent.objects.get().overrides == {}


# ---- the end ----
def test_before_an_agent_is_erased_the_page_says_what_goes_with_it(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    ExecutionTrace.objects.create(
        agent=agent, trace_id="t", success=True, captured_at=timezone.now()
    )
    answer = signed_in("operator").get(PAGE + "delete/")
    held = {what: count for what, count, _ in answer.context["held"]}
    assert (held["versions of its playbook"], held["bullets with their history"]) == (1, 2)
    assert (held["traces"], held["audit events"]) == (1, 2)


def test_an_erased_agent_is_named_by_no_verification(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    AuditEvent.objects.filter(chain="airline", number=1).update(actor="person:mallory")
    operator.post("/audit/verify/", {"chain": "airline"})
    operator.post("/audit/verify/")
    operator.post(PAGE + "delete/", {"typed": "airline"})
    (row,) = Verification.objects.all()
    assert row.problems[0]["problem"] == "its hash does not hold"
    assert "airline" not in str((row.problems, row.place))


def test_an_agent_is_erased_once_its_id_was_typed(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    operator = signed_in("operator")
    answer = operator.post(PAGE + "delete/", {"typed": "airlin"}, follow=True)
    assert "Nothing was erased" in answer.content.decode()
    assert Agent.objects.exists()
    operator.post(PAGE + "delete/", {"typed": "airline"})
    assert not Agent.objects.exists()
    assert last_event().event == "agent_erased"


def test_hostile_names_and_metadata_are_escaped(signed_in: Callable[..., Client], db: None) -> None:
    evil = "<script>alert(1)</script>\u202e"
    services.create_agent(agent_id="airline", name=evil, metadata={evil: evil}, author=person(evil))
    tokens.issue("airline", name=evil)
    operator = signed_in("operator")
    for url in (LIST, PAGE):
        page = operator.get(url).content.decode()
        assert "<script>alert(1)" not in page
        assert "U+202E" in page


# ---- the language model ----
def test_a_model_and_names_are_set_for_one_agent_and_taken_back(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    visitor = signed_in("operator")
    names = "Jane Roe\r\n\r\n José\r\nJane Roe"
    visitor.post(f"{PAGE}model/", {"model": "vendor/model-1:free", "names": names})
    agent.refresh_from_db()
    assert agent.overrides == {"ACE_LLM_MODEL": "vendor/model-1:free"}
    assert agent.private_names == ["Jane Roe", "José"]
    event = last_event()
    assert (event.event, event.data) == ("private_names_set", {"from": 0, "to": 2})
    page = visitor.get(PAGE).content.decode()
    assert 'value="vendor/model-1:free"' in page
    assert ">Jane Roe\nJosé</textarea>" in page
    visitor.post(f"{PAGE}model/", {"model": "", "names": ""})
    agent.refresh_from_db()
    assert (agent.overrides, agent.private_names) == ({}, [])


@pytest.mark.parametrize(
    ("model", "names"),
    [
        ("a model with spaces", ""),
        ("m" * 201, ""),
        ("<script>", ""),
        ("", "x"),
        ("", "n" * 101),
        ("", "tab\tname"),
        ("", "\n".join(f"name {n}" for n in range(1001))),
    ],
)
def test_what_is_no_model_or_no_name_changes_nothing(
    signed_in: Callable[..., Client], agent: Agent, model: str, names: str
) -> None:
    visitor = signed_in("operator")
    visitor.post(f"{PAGE}model/", {"model": model, "names": names})
    agent.refresh_from_db()
    assert (agent.overrides, agent.private_names) == ({}, [])
