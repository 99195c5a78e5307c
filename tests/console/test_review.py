"""The review queue: who may decide, what the address chooses, what a bulk decision does."""

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from ace_project.console import waiting
from ace_project.core.work.leases import JobStatus
from evolution import ledger
from evolution.ledger import Usage
from evolution.models import EvolutionRun
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, DeltaStatus, Source

pytestmark = pytest.mark.django_db
URL = "/review/"


def _status(delta: Delta) -> str:
    return Delta.objects.get(pk=delta.pk).status


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client) -> None:
    assert client.get(URL).headers["Location"].startswith(reverse("account_login"))


def test_a_viewer_sees_the_queue_and_no_button_that_decides(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    propose("Quote the fare.")
    page = signed_in("viewer").get(URL).content.decode()
    assert "Quote the fare." in page
    assert 'value="approve"' not in page
    assert "data-select" not in page


def test_a_viewer_may_not_decide(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    answer = signed_in("viewer").post(URL, {"do": "approve", "delta": delta.pk})
    assert answer.status_code == 403
    assert _status(delta) == DeltaStatus.PENDING_REVIEW


@pytest.mark.parametrize("method", ["put", "patch", "delete"])
def test_other_methods_are_refused(signed_in: Callable[..., Client], method: str) -> None:
    assert getattr(signed_in("reviewer"), method)(URL).status_code == 405


# ---- what is shown ----
def test_an_empty_queue_says_what_to_do_next(signed_in: Callable[..., Client]) -> None:
    page = signed_in("reviewer").get(URL).content.decode()
    assert "Nothing waits for a person." in page
    assert reverse("console:runs") in page


def test_text_of_others_is_escaped_and_its_hidden_characters_shown(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose("<script>alert(1)</script> \u202eliver")
    Delta.objects.filter(pk=delta.pk).update(status=DeltaStatus.PENDING_REVIEW)
    page = signed_in("reviewer").get(URL).content.decode()
    assert "<script>alert(1)" not in page
    assert "&lt;script&gt;" in page
    assert "⟨U+202E⟩" in page
    assert "\u202e" not in page


def test_rows_cost_no_queries_of_their_own(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    django_assert_max_num_queries: Any,
) -> None:
    client = signed_in("reviewer")
    for number in range(30):
        propose(f"Lesson {number} of many.")
    with django_assert_max_num_queries(13):
        assert client.get(URL).content.decode().count("data-row") == 30


def test_a_row_tells_what_the_calls_of_its_run_came_to(
    signed_in: Callable[..., Client],
    agent: Agent,
    propose: Callable[..., Delta],
    django_assert_max_num_queries: Any,
) -> None:
    client = signed_in("viewer")
    for number in range(3):
        run = EvolutionRun.objects.create(agent=agent, status=JobStatus.COMPLETED)
        for _ in range(number):
            call = ledger.reserve(
                run=run, agent=agent, purpose="generate", endpoint="http://llm", model="m",
                usd=Decimal("0.5"), tokens=100, seconds=60.0,
            )  # fmt: skip
            cost = Decimal("0.0011")
            ledger.settle(call=call, usage=Usage(9, 0, 9), cost=cost, charged=cost, seconds=1.0)
        delta = propose(f"Lesson {number} of some.")
        Delta.objects.filter(pk=delta.pk).update(run_id=run.pk)
    with django_assert_max_num_queries(14):
        page = client.get(URL).content.decode()
    costs = [row.split("<tbody")[-1] for row in page.split("data-row")[1:]]
    assert "$0.0022" in costs[0] and "2 calls<" in costs[0]
    assert "$0.0011" in costs[1] and "1 call<" in costs[1]
    assert "no calls" in costs[2]


@pytest.mark.parametrize(
    ("evidence", "words"),
    [
        ({"for": ["t1"], "against": []}, "1 trace<"),
        ({"for": ["t1", "t2"], "against": []}, "2 traces<"),
        (
            {"for": [], "against": [], "citations": [{"trace_id": "T99", "ok": False, "why": "x"}]},
            "no citation holds",
        ),
        ({}, "none sent"),
    ],
)
def test_a_row_counts_the_traces_that_speak_for_it(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    evidence: dict[str, Any],
    words: str,
) -> None:
    propose(source=Source.LLM, evidence=evidence)
    assert words in signed_in("viewer").get(URL).content.decode()


@pytest.fixture
def mixed(propose: Callable[..., Delta]) -> dict[str, Delta]:
    """Return deltas that differ in everything the queue filters by."""
    demo = services.create_agent(agent_id="demo", author=AUTOMATIC, simulated=True)
    deltas = {
        "plain": propose("Plain lesson."),
        "demo": propose("Simulated lesson.", agent=demo),
        "operator": propose("Operator's lesson.", source=Source.OPERATOR),
        "unsure": propose("Unsure lesson.", confidence=0.2),
        "rejected": propose("Rejected lesson."),
        "changes": propose("Unclear lesson."),
    }
    ann = person("ann")
    services.reject_delta(delta=deltas["rejected"], by=ann, reason="no")
    services.request_changes(delta=deltas["changes"], by=ann, reason="say more")
    return deltas


@pytest.mark.parametrize(
    ("query", "shown"),
    [
        ("", {"plain", "demo", "operator", "unsure"}),
        ("?agent=demo", {"demo"}),
        ("?agent=nobody", set()),
        ("?source=operator", {"operator"}),
        ("?simulated=yes", {"demo"}),
        ("?simulated=no&source=scripted", {"plain", "unsure"}),
        ("?risk=block", {"unsure"}),
        ("?risk=clear&agent=airline", {"plain", "operator"}),
        ("?status=decided", {"rejected"}),
        ("?status=changes_requested", {"changes"}),
        ("?status=conflict", set()),
    ],
)
def test_the_address_chooses_what_is_shown(
    signed_in: Callable[..., Client], mixed: dict[str, Delta], query: str, shown: set[str]
) -> None:
    rows = signed_in("viewer").get(URL + query).context["rows"]
    assert {row.delta.pk for row in rows} == {mixed[name].pk for name in shown}


@pytest.mark.parametrize(
    "query", ["?risk=none", "?status=applied", "?source=\x00", "?agent=%00", "?simulated=maybe"]
)
def test_a_choice_that_does_not_exist_is_bad_input(
    signed_in: Callable[..., Client], query: str
) -> None:
    assert signed_in("viewer").get(URL + query).status_code == 400


def test_pages_follow_each_other_without_repeating_a_delta(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    for number in range(60):
        propose(f"Lesson {number} of many.")
    client, seen, url = signed_in("viewer"), [], URL + "?source=scripted"
    while url:
        context = client.get(url).context
        seen += [row.delta.pk for row in context["rows"]]
        url = context["page"].next_url and URL + context["page"].next_url
    assert len(seen) == len(set(seen)) == 60
    assert seen == sorted(seen, reverse=True)


def test_a_count_of_many_stops_where_counting_would_be_slow(
    signed_in: Callable[..., Client],
    propose: Callable[..., Delta],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "COUNTED_TO", 2)
    for number in range(3):
        propose(f"Lesson {number} of many.")
    page = signed_in("viewer").get(URL).content.decode()
    assert "2+ deltas wait for a person." in page
    assert "Waiting<span>2+</span>" in page


def test_a_row_opens_its_delta_within_the_same_filters(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    page = signed_in("viewer").get(URL + "?agent=airline").content.decode()
    assert f'href="/review/{delta.pk}/?agent=airline"' in page


# ---- deciding many ----
def test_a_bulk_approval_applies_each_delta_and_offers_one_undo(
    signed_in: Callable[..., Client], propose: Callable[..., Delta], agent: Agent
) -> None:
    client, deltas = signed_in("reviewer"), [propose("One lesson."), propose("Other advice.")]
    answer = client.post(URL + "?agent=airline", {"do": "approve", "delta": [d.pk for d in deltas]})
    assert answer.headers["Location"] == URL + "?agent=airline"
    assert [_status(delta) for delta in deltas] == [DeltaStatus.APPLIED] * 2
    page = client.get(URL).content.decode()
    assert "Approved 2 deltas" in page
    assert 'data-toast="10"' in page


def test_a_bulk_undo_takes_every_decision_back(
    signed_in: Callable[..., Client], propose: Callable[..., Delta], agent: Agent
) -> None:
    client, deltas = signed_in("reviewer"), [propose("One lesson."), propose("Other advice.")]
    client.post(URL, {"do": "approve", "delta": [d.pk for d in deltas]})
    answer = client.post("/undo/", follow=True)
    assert "2 decisions taken back" in answer.content.decode()
    assert [_status(delta) for delta in deltas] == [DeltaStatus.PENDING_REVIEW] * 2
    agent.playbook.refresh_from_db()
    live = agent.playbook.versions.get(number=agent.playbook.version)
    assert live.content["strategies"] == ["Check the booking date.", "Open with a summary."]


def test_a_bulk_rejection_without_a_reason_rejects_nothing(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    client = signed_in("reviewer")
    answer = client.post(URL, {"do": "reject", "delta": delta.pk, "reason": "  "}, follow=True)
    assert "A rejection needs a reason." in answer.content.decode()
    assert _status(delta) == DeltaStatus.PENDING_REVIEW


def test_a_bulk_rejection_keeps_its_reason_with_each_delta(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    deltas = [propose("One lesson."), propose("Other advice.")]
    form = {"do": "reject", "delta": [d.pk for d in deltas], "reason": "too vague"}
    signed_in("reviewer").post(URL, form)
    reasons = Delta.objects.values_list("decision_reason", flat=True)
    assert list(reasons) == ["too vague"] * 2


def test_each_delta_that_is_refused_says_why_and_holds_none_of_the_others_back(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    good, late = propose("One lesson."), propose("Other advice.")
    services.reject_delta(delta=late, by=person("ann"), reason="no")
    client = signed_in("reviewer")
    form = {"do": "approve", "delta": [good.pk, late.pk]}
    page = client.post(URL, form, follow=True).content.decode()
    assert _status(good) == DeltaStatus.APPLIED
    assert "1 delta stayed as before" in page
    assert f'<a href="/review/{late.pk}/">Delta {late.pk}</a>: Already rejected by ann.' in page
    assert "Already rejected" not in client.get(URL).content.decode()


def test_a_refused_delta_that_still_waits_says_so_in_its_row(
    signed_in: Callable[..., Client], agent: Agent, propose: Callable[..., Delta]
) -> None:
    client = signed_in("reviewer", "ann")
    signed_in("reviewer", "bob")
    own = propose("My own lesson.", author=person("ann"), source=Source.OPERATOR)
    context = client.post(URL, {"do": "approve", "delta": own.pk}, follow=True).context
    assert [row.refused for row in context["rows"]] == [
        "Another reviewer has to approve what you wrote yourself."
    ]


@pytest.mark.parametrize(
    "form",
    [
        {"do": "approve"},
        {"do": "approve", "delta": ["x", "-1", "9" * 30]},
        {"do": "approve", "delta": [str(n) for n in range(1, 300)]},
        {"do": "reject", "delta": "1", "reason": "x" * 3000},
        {"do": "reject", "delta": "1", "reason": "nul \x00"},
    ],
)
def test_a_form_that_names_no_decision_changes_nothing_and_says_so(
    signed_in: Callable[..., Client], propose: Callable[..., Delta], form: dict[str, Any]
) -> None:
    delta = propose()
    answer = signed_in("reviewer").post(URL, form, follow=True)
    assert answer.status_code == 200
    assert "ace-toast--error" in answer.content.decode()
    assert _status(delta) == DeltaStatus.PENDING_REVIEW


def test_an_unknown_verb_is_bad_input(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    form = {"do": "delete", "delta": propose().pk}
    assert signed_in("reviewer").post(URL, form).status_code == 400


def test_a_forged_form_is_refused(
    person_of: Callable[..., Any], propose: Callable[..., Delta]
) -> None:
    client, delta = Client(enforce_csrf_checks=True), propose()
    client.force_login(person_of("reviewer"))
    assert client.post(URL, {"do": "approve", "delta": delta.pk}).status_code == 403
    assert _status(delta) == DeltaStatus.PENDING_REVIEW
