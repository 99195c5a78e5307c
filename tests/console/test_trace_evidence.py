"""Chosen traces become evidence of a waiting delta, or of a proposal by hand."""

import json
from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import person
from playbooks.models import Agent, Delta

URL = "/traces/evidence/"


@pytest.fixture
def pair(agent: Agent) -> tuple[ExecutionTrace, ExecutionTrace]:
    """Return a failed and a successful run of one task."""
    failed, good = (
        ExecutionTrace.objects.create(
            agent=agent, trace_id=name, success=name == "good", captured_at=timezone.now()
        )
        for name in ("failed", "good")
    )
    return failed, good


def chosen(*traces: ExecutionTrace, **more: Any) -> dict[str, Any]:
    return {"trace": [trace.pk for trace in traces], **more}


def test_only_reviewers_make_evidence(
    client: Client, signed_in: Callable[..., Client], pair: tuple[ExecutionTrace, ...]
) -> None:
    assert client.get(URL, chosen(*pair)).status_code == 302
    assert signed_in("viewer").get(URL, chosen(*pair)).status_code == 403
    assert signed_in("reviewer").put(URL).status_code == 405


def test_a_failed_run_speaks_for_a_change_until_somebody_says_otherwise(
    signed_in: Callable[..., Client], pair: tuple[ExecutionTrace, ...]
) -> None:
    rows = signed_in("reviewer").get(URL, chosen(*pair)).context["chosen"].rows
    assert {row.trace_id: side for row, side in rows} == {"failed": "for", "good": "against"}


def test_chosen_traces_are_added_to_a_delta_that_waits(
    signed_in: Callable[..., Client],
    pair: tuple[ExecutionTrace, ...],
    propose: Callable[..., Delta],
) -> None:
    delta, good = propose(), pair[1]
    body = chosen(*pair, do="attach", delta=delta.pk, **{f"side-{good.pk}": ""})
    answer = signed_in("reviewer").post(URL, body)
    assert answer["Location"] == f"/review/{delta.pk}/"
    delta.refresh_from_db()
    assert delta.evidence == {"for": ["failed"], "by_hand": {"for": ["failed"], "against": []}}


def test_a_delta_of_another_agent_or_one_decided_is_refused(
    signed_in: Callable[..., Client],
    pair: tuple[ExecutionTrace, ...],
    propose: Callable[..., Delta],
) -> None:
    reviewer = signed_in("reviewer")
    other = services.create_agent(agent_id="other", author=person("bob"))
    decided = propose("Skip it.")
    services.reject_delta(delta=decided, by=person("bob"), reason="no")
    for delta in (propose(agent=other), decided):
        answer = reviewer.post(URL, chosen(*pair, do="attach", delta=delta.pk))
        assert answer.status_code == 400
        assert "Choose a delta that waits" in answer.content.decode()
        delta.refresh_from_db()
        assert delta.evidence == {}
    assert reviewer.post(URL, chosen(*pair, do="attach", delta="x")).status_code == 400


def test_traces_of_two_agents_and_none_at_all_are_to_be_chosen_anew(
    signed_in: Callable[..., Client], pair: tuple[ExecutionTrace, ...]
) -> None:
    other = services.create_agent(agent_id="other", author=person("bob"))
    foreign = ExecutionTrace.objects.create(
        agent=other, trace_id="t", success=True, captured_at=timezone.now()
    )
    reviewer = signed_in("reviewer")
    for asked in (chosen(pair[0], foreign), {}, {"trace": "x"}):
        page = reviewer.get(URL, asked).content.decode()
        assert "Choose traces" in page
        assert "Add to its evidence" not in page


def test_a_proposal_by_hand_carries_the_chosen_traces(
    signed_in: Callable[..., Client], pair: tuple[ExecutionTrace, ...]
) -> None:
    reviewer, (failed, good) = signed_in("reviewer"), pair
    form = reviewer.post(URL, chosen(*pair, do="propose"))["Location"]
    assert form == f"/playbooks/airline/propose/?for={failed.pk}&against={good.pk}"
    page = reviewer.get(form)
    assert "1 trace that speaks for it and 1 against it" in page.content.decode()
    body = {"base": 1, "reasoning": "Look at it", "sure": "0.9", "do": "send"}
    body["operations"] = json.dumps([{"op": "add", "section": "s", "text": "New."}])
    body |= {"for": str(failed.pk), "against": f"{good.pk},x,999999"}
    reviewer.post(form, body)
    evidence = Delta.objects.get().evidence
    assert evidence == {"for": ["failed"], "against": ["good"], "origins": {"agent": 2}}


def test_another_agents_traces_are_no_evidence_for_a_proposal(
    signed_in: Callable[..., Client], pair: tuple[ExecutionTrace, ...]
) -> None:
    services.create_agent(agent_id="other", author=person("bob"))
    body = {"base": 1, "reasoning": "Look", "sure": "0.9", "do": "send"}
    body["operations"] = json.dumps([{"op": "add", "section": "s", "text": "New."}])
    body["for"] = str(pair[0].pk)
    signed_in("reviewer").post("/playbooks/other/propose/", body)
    assert Delta.objects.get().evidence == {}
