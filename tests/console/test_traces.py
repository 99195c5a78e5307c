"""Traces: facets in the address, steps only where one trace is read, and page by page there."""

from collections.abc import Callable
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evolution import trace_search
from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, Bullet, Delta

LIST = "/traces/"


@pytest.fixture
def record(agent: Agent) -> Callable[..., ExecutionTrace]:
    """Return a maker of traces: `record("t-1", success=False, steps=[...])`."""

    def make(trace_id: str, **fields: Any) -> ExecutionTrace:
        steps = fields.setdefault("steps", [])
        fields.setdefault("agent", agent)
        fields.setdefault("success", True)
        errors = sum("error" in step for step in steps)
        return ExecutionTrace.objects.create(
            trace_id=trace_id,
            captured_at=timezone.now(),
            step_count=len(steps),
            error_count=errors,
            **fields,
        )

    return make


def listed(client: Client, **asked: str) -> list[str]:
    """Return the ids of the traces on the page that these facets give."""
    return [row.trace_id for row in client.get(LIST, asked).context["page"].rows]


def test_a_stranger_is_sent_to_sign_in(client: Client, record: Callable[..., Any]) -> None:
    trace = record("t-1")
    assert client.get(LIST).status_code == 302
    assert client.get(f"{LIST}{trace.pk}/").status_code == 302


def test_other_methods_are_refused(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    operator, trace = signed_in("operator"), record("t-1")
    assert operator.post(LIST).status_code == 405
    assert operator.post(f"{LIST}{trace.pk}/").status_code == 405


def test_an_empty_installation_says_how_traces_come_in(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    assert "manage.py import_traces" in signed_in("viewer").get(LIST).content.decode()


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ({}, ["failed", "good"]),
        ({"success": "no"}, ["failed"]),
        ({"success": "perhaps"}, ["failed", "good"]),
        ({"agent": "airline", "type": "refund"}, ["good"]),
        ({"agent": "nobody"}, []),
        ({"version": "3"}, ["failed"]),
        ({"version": "x"}, ["failed", "good"]),
        ({"origin": "imported"}, ["good"]),
        ({"errors": "yes"}, ["failed"]),
        ({"errors": "no"}, ["good"]),
        ({"tool": "get_fare"}, ["failed"]),
        ({"tool": "get"}, []),
        ({"q": "fare NOT"}, ["failed"]),
        ({"q": "TASK-9"}, ["good"]),
        ({"q": "100%"}, []),
        ({"q": "a\x00b"}, []),
    ],
)
def test_facets_and_words_choose_the_traces(
    signed_in: Callable[..., Client],
    record: Callable[..., Any],
    asked: dict[str, str],
    found: list[str],
) -> None:
    record("good", task_id="task-9", task_type="refund", origin="imported")
    steps = [{"tool": "get_fare", "arguments": {}, "error": "no fare"}]
    record("failed", success=False, playbook_version=3, error_message="Fare not there", steps=steps)
    assert listed(signed_in("viewer"), **asked) == found


def test_pages_follow_each_other_without_a_gap_and_back(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    for number in range(120):
        record(f"t-{number:03}", task_type="refund")
    viewer = signed_in("viewer")
    first = viewer.get(LIST, {"agent": "airline"}).context["page"]
    second = viewer.get(LIST + first.next_url).context["page"]
    third = viewer.get(LIST + second.next_url).context["page"]
    names = [row.trace_id for page in (first, second, third) for row in page.rows]
    assert names == [f"t-{number:03}" for number in reversed(range(120))]
    assert (first.previous_url, third.next_url) == ("", "")
    assert viewer.get(LIST + third.previous_url).context["page"].rows == second.rows
    assert "agent=airline" in second.next_url


def test_the_list_never_reads_steps_and_asks_nothing_per_row(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    viewer = signed_in("viewer")
    record("t-0", steps=[{"tool": "x", "arguments": {}}])
    viewer.get(LIST)
    with CaptureQueriesContext(connection) as one:
        viewer.get(LIST)
    for number in range(1, 8):
        record(f"t-{number}")
    with CaptureQueriesContext(connection) as many:
        viewer.get(LIST)
    assert len(one) == len(many) <= 9
    assert not any('"steps"' in query["sql"] for query in many)


def test_a_trace_shows_its_steps_and_opens_the_first_that_failed(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    steps = [
        {"tool": "get_user", "arguments": {"id": 81}, "result": "Ann", "seconds": 0.4},
        {"tool": "refund", "arguments": {}, "error": "order not found", "seconds": 1.5},
    ]
    trace = record("t-1", steps=steps, success=False)
    page = signed_in("viewer").get(f"{LIST}{trace.pk}/").content.decode()
    assert "First error, step 2" in page
    assert "order not found" in page
    assert "id=81" in page
    assert "0.40\u202fs to 1.9\u202fs" in page


def test_a_long_trace_is_a_tree_whose_parts_open_on_demand(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    steps = [{"tool": f"tool_{n}", "arguments": {}} for n in range(1, 451)]
    steps[300]["error"] = "broke"
    trace = record("t-1", steps=steps)
    viewer, url = signed_in("viewer"), f"{LIST}{trace.pk}/"
    first = viewer.get(url).content.decode()
    assert "tool_100<" in first
    assert "tool_101<" not in first
    assert "Steps 401 to 450" in first
    assert "?from=301#step-301" in first
    fourth = viewer.get(url, {"from": 301}).content.decode()
    assert 'id="step-301"' in fourth
    assert "tool_100<" not in fourth
    assert 'id="step-450"' in viewer.get(url, {"from": 99999}).content.decode()


def test_a_part_alone_is_sent_to_a_page_that_asks_for_it(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    trace = record("t-1", steps=[{"tool": f"tool_{n}", "arguments": {}} for n in range(1, 151)])
    viewer, url = signed_in("viewer"), f"{LIST}{trace.pk}/"
    part = viewer.get(url, {"from": 101}, headers={"HX-Request": "true"})
    page = part.content.decode()
    assert "tool_101<" in page
    assert "<html" not in page
    assert "HX-Request" in part["Vary"]


def test_the_rest_of_a_long_value_is_fetched_step_by_step(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    steps = [{"tool": "read", "arguments": {"path": "a"}, "result": "x" * 5_000 + "<b>end</b>"}]
    trace = record("t-1", steps=steps)
    viewer, url = signed_in("viewer"), f"{LIST}{trace.pk}/"
    page = viewer.get(url).content.decode()
    assert "&lt;b&gt;end" not in page
    assert "Show the 3,510 characters that were cut off" in page
    whole = viewer.get(f"{url}steps/1/").content.decode()
    assert "&lt;b&gt;end&lt;/b&gt;" in whole
    assert "<html" in whole
    fragment = viewer.get(f"{url}steps/1/", headers={"HX-Request": "true"}).content.decode()
    assert "&lt;b&gt;end&lt;/b&gt;" in fragment
    assert "<html" not in fragment
    assert viewer.get(f"{url}steps/2/").status_code == 404
    assert viewer.get(f"{url}steps/0/").status_code == 404


def test_facets_say_how_many_traces_each_of_their_values_has(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    failing = [{"tool": "get_fare", "arguments": {}, "error": "no fare on 12 May"}]
    record("t-1", success=False, steps=failing, task_type="fare", playbook_version=3)
    record("t-2", success=False, steps=[failing[0] | {"error": "no fare on 13 May"}])
    record("t-3", steps=[{"tool": "book", "arguments": {}}], origin="imported")
    context = signed_in("viewer").get(LIST).context
    counts = {
        group.name: {option.text: option.count for option in group.options}
        for group in context["groups"]
    }
    assert counts == {
        "success": {"Failed": 2, "Succeeded": 1},
        "errors": {"With errors": 2, "Without errors": 1},
        "error": {"no fare on # May": 2},
        "tool": {"get_fare": 2, "book": 1},
        "type": {"fare": 1},
        "version": {"v3": 1},
        "agent": {"airline": 3},
        "origin": {"Agent": 2, "Imported": 1},
    }


def test_a_facet_that_is_chosen_can_be_let_go_of(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    record("t-1", success=False)
    record("t-2")
    context = signed_in("viewer").get(LIST, {"success": "no", "q": ""}).context
    outcome = next(group for group in context["groups"] if group.name == "success")
    failed = next(option for option in outcome.options if option.is_chosen)
    assert (failed.text, failed.count) == ("Failed", 1)
    assert "success" not in failed.url
    assert context["chosen"] == [("Outcome", "Failed", "?q=")]


def counts_of(client: Client, **asked: str) -> dict[str, dict[str, int]]:
    """Return the counts beside the list, by facet and value."""
    groups = client.get(LIST, asked).context["groups"]
    return {group.name: {o.text: o.count for o in group.options} for group in groups}


def test_a_facet_that_is_chosen_offers_its_other_values_as_the_other_facets_leave_them(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    viewer = signed_in("viewer")
    for number, (tool, success) in enumerate(
        [("book", True), ("book", False), ("refund", False), ("refund", False), ("look", True)]
    ):
        record(f"t-{number}", success=success, steps=[{"tool": tool, "arguments": {}}])
    found = counts_of(viewer, tool="book", success="no")
    assert found["tool"] == {"refund": 2, "book": 1}
    assert found["success"] == {"Failed": 1, "Succeeded": 1}
    # What nothing fits still offers what to choose instead.
    found = counts_of(viewer, tool="refund", success="yes")
    assert (found["success"], found["tool"]) == (
        {"Failed": 2, "Succeeded": 0},
        {"book": 1, "look": 1, "refund": 0},
    )
    assert (
        "No trace fits all of this." in viewer.get(LIST, {"tool": "refund", "success": "yes"}).text
    )


def test_the_other_agents_are_offered_and_a_chosen_facet_costs_one_statement(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    viewer = signed_in("viewer")
    record("t-1", task_type="fare")
    record("t-2", agent=services.create_agent(agent_id="other", author=person("ann")))
    assert counts_of(viewer, agent="airline")["agent"] == {"airline": 1, "other": 1}
    with CaptureQueriesContext(connection) as one:
        viewer.get(LIST, {"success": "yes"})
    with CaptureQueriesContext(connection) as two:
        viewer.get(LIST, {"success": "yes", "type": "fare"})
    assert len(two) == len(one) + 1


def test_a_chosen_value_beyond_what_is_counted_is_still_shown(
    signed_in: Callable[..., Client], record: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(trace_search, "MOST_WITHOUT", 2)
    for number, kind in enumerate(("rare", "common", "common")):
        record(f"t-{number}", task_type=kind)
    page = signed_in("viewer").get(LIST, {"type": "rare"})
    kinds = next(group for group in page.context["groups"] if group.name == "type")
    assert [(o.text, o.count, o.is_chosen) for o in kinds.options] == [
        ("common", 2, False),
        ("rare", 1, True),
    ]
    assert kinds.newest == 2
    assert "without it" in page.text


def test_a_trace_whose_name_was_typed_comes_first_whatever_else_fits(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    record("run-17")
    record("t-2", error_message="run 17 went wrong")
    assert listed(signed_in("viewer"), q="run-17") == ["run-17", "t-2"]


def test_other_runs_of_a_task_are_offered_those_that_ended_otherwise_first(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    trace = record("t-1", task_id="refund-7", success=False)
    record("alike", task_id="refund-7", success=False)
    record("otherwise", task_id="refund-7")
    record("another", task_id="refund-70")
    others = signed_in("viewer").get(f"{LIST}{trace.pk}/").context["others"]
    assert [other.trace_id for other in others] == ["otherwise", "alike"]


def test_similar_traces_are_those_that_first_went_wrong_the_same_way(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    def steps(error: str) -> list[dict[str, Any]]:
        return [{"tool": "get_fare", "arguments": {}, "error": error}]

    trace = record("t-1", steps=steps("no fare on 12 May"), success=False)
    record("t-2", steps=steps("no fare on 13 May"), success=False)
    record("t-3", steps=steps("no seat on 12 May"), success=False)
    viewer = signed_in("viewer")
    similar = viewer.get(f"{LIST}{trace.pk}/").context["similar_url"]
    names = [row.trace_id for row in viewer.get(similar).context["page"].rows]
    assert names == ["t-2", "t-1"]


def test_a_trace_names_its_bullets_and_the_deltas_that_cite_it(
    signed_in: Callable[..., Client],
    record: Callable[..., Any],
    propose: Callable[..., Delta],
) -> None:
    known = Bullet.objects.get(text="Open with a summary.")
    trace = record("t-1", bullets=[known.bullet_id, "gone-0123456789abcdef"], playbook_version=1)
    speaks_for = propose("Quote the fare.", evidence={"for": ["t-1"]})
    propose("Name the fare.", evidence={"against": ["t-1"]})
    propose("Skip the fare.", evidence={"for": ["t-2"]})
    answer = signed_in("viewer").get(f"{LIST}{trace.pk}/")
    assert [is_for for _, _, is_for in answer.context["cited"]] == [False, True]
    page = answer.content.decode()
    assert f"/review/{speaks_for.pk}/" in page
    assert "Skip the fare." not in page
    assert "Open with a summary." in page
    assert "not a bullet that this playbook has had" in page


def test_another_agents_delta_does_not_cite_a_trace_of_the_same_name(
    signed_in: Callable[..., Client], record: Callable[..., Any], propose: Callable[..., Delta]
) -> None:
    other = services.create_agent(agent_id="other", author=person("bob"))
    propose("Quote the fare.", evidence={"for": ["t-1"]})
    trace = record("t-1", agent=other)
    assert signed_in("viewer").get(f"{LIST}{trace.pk}/").context["cited"] == []


def test_a_trace_that_never_was_is_a_404(signed_in: Callable[..., Client]) -> None:
    viewer = signed_in("viewer")
    assert viewer.get(f"{LIST}1/").status_code == 404
    assert viewer.get(f"{LIST}99999999999999999999/").status_code == 404


def test_what_a_trace_carries_is_escaped_everywhere(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    evil = "<script>alert(1)</script>\u202e"
    steps = [{"tool": evil, "arguments": {evil: evil}, "error": evil, "result": [evil]}]
    fields = {"task_id": evil, "task_type": evil, "error_message": evil, "session": evil}
    trace = record(evil, steps=steps, metadata={evil: evil}, bullets=[evil], **fields)
    viewer = signed_in("viewer")
    pages = [viewer.get(u) for u in (LIST, f"{LIST}{trace.pk}/", f"{LIST}?agent=airline&q=script")]
    for page in pages:
        assert "<script>alert(1)" not in page.content.decode()
        assert "U+202E" in page.content.decode()


def test_an_agent_that_there_is_not_leads_to_those_of_such_a_name(
    signed_in: Callable[..., Client], record: Callable[..., Any]
) -> None:
    record("t-1")
    viewer = signed_in("viewer")
    answer = viewer.get(LIST, {"agent": "AIR", "success": "yes"})
    assert "No agent has exactly this id." in answer.text
    ((name, url),) = answer.context["near"]
    assert name == "airline"
    assert [row.trace_id for row in viewer.get(LIST + url).context["page"].rows] == ["t-1"]
    assert "Did you mean" not in viewer.get(LIST, {"agent": "zzz"}).text
