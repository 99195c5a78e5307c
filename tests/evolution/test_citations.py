"""What a model cites is checked against what it was shown, and the evidence judge heeds it."""

from types import SimpleNamespace

import pytest

from evolution.agreement import AT_ODDS, CLEAR, UNCLEAR, agreement
from evolution.citations import check_citations, evidence, weight
from evolution.delta_parser import Citation
from evolution.exhibits import Exhibit
from evolution.lessons import parse
from playbooks.content import bullet_id
from playbooks.judges.evidence import judge_evidence

EXHIBITS = {
    "T1": Exhibit(
        alias="T1",
        trace_id="run-981",
        success=False,
        origin="agent",
        tools=frozenset({"pay", "find_order"}),
        errors=("Order 4711 is not open", "404 Not 23", "card declined by <name:1>"),
    ),
    "T2": Exhibit("T2", "run-982", True, "imported", frozenset({"check"}), ()),
}


def check(*citations):
    return check_citations(citations, EXHIBITS)


@pytest.mark.parametrize(
    "claims",
    [
        {"tool": "pay"},
        {"tool": " PAY "},
        {"error": "Order 4711 is not open"},
        {"error": "is not open"},
        {"error": "order 9 is not open"},  # the same class of error with another number
        {"error": "declined by <name:1>"},
        {"outcome": "failure"},
        {"tool": "pay", "error": "card declined", "outcome": "failure"},
    ],
)
def test_a_claim_that_the_trace_bears_out_holds(claims):
    (found,) = check(Citation("T1", **claims))
    assert found.ok, found.why
    assert (found.trace_id, found.origin) == ("run-981", "agent")


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"tool": "check"}, "never calls check"),
        ({"error": "no such order"}, "no such error"),
        ({"error": "open"}, "no such error"),  # a word that is in half of all errors
        ({"error": "17"}, "no such error"),
        ({"outcome": "success"}, "ended in failure"),
        ({"tool": "pay", "error": "no such order"}, "no such error"),
        ({}, "nothing is claimed"),
    ],
)
def test_a_claim_that_the_trace_does_not_bear_out_is_wrong(claims, why):
    (found,) = check(Citation("T1", **claims))
    assert not found.ok
    assert why in found.why


def test_a_trace_that_was_not_shown_is_invented():
    (found,) = check(Citation("T9", outcome="failure"))
    assert (found.ok, found.trace_id) == (False, None)
    # Nor may a model name a trace by an id it was never given.
    assert not check(Citation("run-981", outcome="failure"))[0].ok


def test_evidence_names_the_traces_that_hold_and_counts_their_origins():
    checked = check(
        Citation("T1", tool="pay"),
        Citation("T1", outcome="failure"),
        Citation("T2", outcome="success"),
        Citation("T9", tool="pay"),
    )
    found = evidence(checked)
    assert found["kind"] == "llm"
    assert found["for"] == ["run-981", "run-982"]
    assert found["origins"] == {"agent": 1, "imported": 1}
    assert [item["ok"] for item in found["citations"]] == [True, True, True, False]
    assert weight(checked) == 0.75


def test_no_citation_is_worth_nothing():
    assert weight(()) == 0
    assert evidence(())["for"] == []


def verdict(*citations):
    return judge_evidence("llm", evidence(check(*citations)))


def test_the_judge_passes_what_holds_warns_of_some_and_blocks_where_nothing_holds():
    good, wrong = Citation("T1", tool="pay"), Citation("T9", tool="pay")
    assert verdict(good).outcome == "pass"
    warned = verdict(good, wrong)
    assert warned.outcome == "warn"
    assert "1 of 2 citations do not hold: T9: no trace of that name was shown" in warned.reason
    assert verdict(wrong).outcome == "block"
    assert "none of its citations holds" in verdict(wrong).reason
    assert verdict().outcome == "block"
    assert "cites no trace" in verdict().reason


@pytest.mark.parametrize("bad", ["T1", [1], [{"trace_id": "t", "ok": "yes", "why": ""}], [{}]])
def test_citations_of_another_shape_go_to_a_person(bad):
    found = judge_evidence("llm", {"for": ["t"], "against": [], "citations": bad})
    assert found.outcome == "block"
    assert "citations are not" in found.reason


@pytest.mark.parametrize("source", ["llm", "statistical"])
@pytest.mark.parametrize(
    ("origins", "blocked"),
    [
        ({"imported": 3, "third_party": 2}, True),
        ({"third_party": 900, "agent": 0}, True),
        ({"third_party": 9, "agent": 1}, False),
        ({"workshop": 1}, False),
        ({}, False),
        ({"agent": -1}, True),
        (["agent"], True),
    ],
)
def test_what_rests_on_traces_from_outside_alone_goes_to_a_person(source, origins, blocked):
    shared = {"for": ["t"], "against": [], "origins": origins}
    shared |= {"exploratory": False, "q_value": 0.001, "counts": {"followed": [3, 4]}}
    assert (judge_evidence(source, shared).outcome == "block") is blocked


# What the statistics say of the same lesson


def finding(text, lift, interval=None, *, remove=False, q_value=0.01):
    lesson = parse(text)
    assert lesson is not None
    trial = SimpleNamespace(
        rates=None if lift is None else SimpleNamespace(lift=lift),
        estimate=SimpleNamespace(interval=interval) if interval else None,
        counts=((8, 10), (3, 10)),
        pick=SimpleNamespace(remove=remove),
    )
    return SimpleNamespace(lesson=lesson, trial=trial, q_value=q_value, exploratory=False)


def add(text):
    return [{"op": "add", "section": "strategies", "text": text}]


STANDING = "Never call refund."
REMOVE = [{"op": "remove", "bullet_id": bullet_id("strategies", STANDING)}]


@pytest.mark.parametrize(
    ("operations", "findings", "expected"),
    [
        (add("Be kind."), [finding("Never call pay.", -0.5)], 1.0),
        (add("Before pay, call check."), [finding("Before pay, call check.", 0.4)], 1.0),
        (add("Before pay, call check."), [finding("Before pay, call check.", -0.1)], UNCLEAR),
        (
            add("Before pay, call check."),
            [finding("Before pay, call check.", -0.4, (-0.6, -0.2))],
            CLEAR,
        ),
        # Tested as a removal: breaking it is what helps.
        (add(STANDING), [finding(STANDING, 0.4, (0.2, 0.6), remove=True)], CLEAR),
        (REMOVE, [finding(STANDING, 0.4, (0.2, 0.6), remove=True)], 1.0),
        (REMOVE, [finding(STANDING, 0.4, (0.2, 0.6))], CLEAR),
        (add("Never call check."), [finding("Before pay, call check.", 0.4)], AT_ODDS),
        (add("Never call check."), [finding("Before pay, call check.", 0.4, q_value=0.5)], 1.0),
        # Another type of task: nothing was found about this one.
        (
            add("In refund tasks, before pay, call check."),
            [finding("In order tasks, before pay, call check.", -0.5)],
            1.0,
        ),
        (
            add("In refund tasks, before pay, call check."),
            [finding("Before pay, call check.", -0.5)],
            UNCLEAR,
        ),
        (add("Before pay, call check."), [finding("Before pay, call check.", None)], 1.0),
    ],
)
def test_a_change_that_the_statistics_speak_against_weighs_less(operations, findings, expected):
    found = agreement(operations, {"strategies": [STANDING]}, findings)
    assert found.weight == expected


def test_the_finding_on_the_same_lesson_is_kept_with_its_numbers():
    found = agreement(add("Never call pay."), {}, [finding("Never call pay.", -0.25)])
    assert found.finding == {
        "lift": -0.25,
        "q_value": 0.01,
        "counts": {"followed": [8, 10], "not_followed": [3, 10]},
        "exploratory": False,
        "contradicted": True,
    }
