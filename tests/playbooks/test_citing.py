"""Traces that a person names for a delta: kept, judged, audited, and never lost to a newer run."""

from collections.abc import Callable

import pytest

from ace_project.core.errors import Conflict, InvalidInput
from playbooks import services
from playbooks.actors import Actor, ActorKind, person
from playbooks.models import Agent, AuditEvent, Delta, DeltaStatus, Mode, Source

RUN = Actor(ActorKind.RUN, "1")
ANN = person("ann")


@pytest.fixture
def agent(db: None) -> Agent:
    return services.create_agent(
        agent_id="airline", author=RUN, initial_context={"s": ["Be brief."]}
    )


@pytest.fixture
def propose(agent: Agent) -> Callable[..., Delta]:
    def make(**changed) -> Delta:
        wanted = {
            "agent": agent,
            "operations": [{"op": "add", "section": "s", "text": "Quote the fare."}],
            "confidence": 0.9,
            "source": Source.SCRIPTED,
            "author": RUN,
            "may_apply": False,
        }
        return services.propose_delta(**(wanted | changed)).delta

    return make


def evidence_verdict(delta: Delta) -> str:
    return next(v["reason"] for v in delta.verdicts if v["judge"] == "evidence")


def test_named_traces_become_evidence_that_the_judge_looks_at_again(propose) -> None:
    delta = propose(evidence={"for": ["a"], "against": [], "for_total": 40})
    services.cite_traces(delta=delta, supporting=["b"], opposing=["c"], by=ANN)
    delta.refresh_from_db()
    assert (delta.evidence["for"], delta.evidence["against"]) == (["b", "a"], ["c"])
    assert delta.evidence["for_total"] == 41
    assert evidence_verdict(delta) == "2 traces for, 1 traces against"
    assert [v["judge"] for v in delta.verdicts].count("evidence") == 1


def test_a_trace_that_speaks_for_the_other_side_changes_sides(propose) -> None:
    delta = propose(evidence={"for": ["a"], "against": []})
    delta = services.cite_traces(delta=delta, supporting=[], opposing=["a"], by=ANN)
    assert (delta.evidence["for"], delta.evidence["against"]) == ([], ["a"])
    delta = services.cite_traces(delta=delta, supporting=["a"], opposing=[], by=ANN)
    assert delta.evidence["by_hand"] == {"for": ["a"], "against": []}


def test_who_named_which_traces_stands_in_the_audit_log(propose) -> None:
    delta = propose()
    services.cite_traces(delta=delta, supporting=["b"], opposing=[], by=ANN)
    event = AuditEvent.objects.get(event="delta_evidence_added")
    assert (event.actor, event.subject) == ("person:ann", f"delta {delta.pk}")
    assert (event.data["for"], event.data["against"]) == (["b"], [])


def test_a_delta_that_a_person_took_in_hand_never_applies_itself(agent, propose) -> None:
    delta = propose(evidence={"for": [], "against": []}, confidence=0.1, may_apply=True)
    services.set_mode(agent=agent, mode=Mode.AUTO, author=ANN)
    delta = services.cite_traces(delta=delta, supporting=["b"], opposing=[], by=ANN)
    assert (delta.status, delta.may_apply) == (DeltaStatus.PENDING_REVIEW, False)


def test_newer_evidence_of_a_run_keeps_what_people_named(agent, propose) -> None:
    delta = propose(evidence={"for": ["a"], "against": []})
    delta = services.cite_traces(delta=delta, supporting=["b"], opposing=["c"], by=ANN)
    newer = {"for": ["d", "c"], "against": ["e"]}
    delta = services.renew_delta(
        delta=delta, confidence=0.9, reasoning="", evidence=newer, run_id=7, may_apply=True
    )
    assert (delta.evidence["for"], delta.evidence["against"]) == (["b", "d"], ["c", "e"])
    assert not delta.may_apply


def test_the_evidence_of_a_decided_delta_stays_as_it_was(propose) -> None:
    delta = propose()
    services.reject_delta(delta=delta, by=ANN, reason="no")
    with pytest.raises(Conflict):
        services.cite_traces(delta=delta, supporting=["b"], opposing=[], by=ANN)


@pytest.mark.parametrize(
    ("supporting", "opposing"),
    [([], []), (["a"], ["a"]), (["a", "a"], []), ([f"t-{n}" for n in range(101)], [])],
)
def test_nothing_too_much_and_both_sides_at_once_are_refused(propose, supporting, opposing) -> None:
    with pytest.raises(InvalidInput):
        services.cite_traces(delta=propose(), supporting=supporting, opposing=opposing, by=ANN)
