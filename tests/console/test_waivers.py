"""Waivers on the pages: an operator's alone, listed, ended; and the council on a delta's page."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.utils import timezone

from evolution.services.traces import record_batch
from playbooks import services
from playbooks.actors import person
from playbooks.content import bullet_id
from playbooks.judges import Verdict
from playbooks.judges.council import MANDATES
from playbooks.models import Agent, Delta, DeltaStatus, Mode, Source, Waiver

WAIVE = "/agents/airline/waivers/"
PAGE = "/agents/airline/"
DATE = bullet_id("strategies", "Check the booking date.")


@pytest.fixture
def held(agent: Agent, propose: Callable[..., Delta]) -> Delta:
    """Return a delta in `auto` that one judge's verdict alone holds back."""
    services.set_mode(agent=agent, mode=Mode.AUTO, author=person("bob"))
    veto = Verdict("council_quality", "block", "nobody could <i>follow</i> it", {"by": "rules"})
    return propose(verdicts=[veto], may_apply=True)


def day(days: float) -> str:
    return (timezone.localdate() + timedelta(days=days)).isoformat()


def form(**changed: Any) -> dict[str, Any]:
    return {"judge": "council_quality", "reason": "known", "until": day(3), **changed}


def now(delta: Delta) -> Delta:
    return Delta.objects.get(pk=delta.pk)


# ---- who ----
def test_a_stranger_is_sent_to_sign_in(client: Client, agent: Agent) -> None:
    assert client.post(WAIVE, form()).status_code == 302
    assert not Waiver.objects.exists()


@pytest.mark.parametrize("role", ["viewer", "reviewer"])
def test_others_than_operators_waive_and_end_nothing(
    signed_in: Callable[..., Client], held: Delta, role: str
) -> None:
    visitor = signed_in(role)
    assert visitor.post(WAIVE, form(delta=held.pk)).status_code == 403
    services.waive_verdict(
        agent=held.playbook.agent, judge="evidence", reason="r", by=person("bob"),
        until=timezone.now() + timedelta(days=1),
    )  # fmt: skip
    assert visitor.post(f"{WAIVE}{Waiver.objects.get().pk}/end/").status_code == 403
    assert Waiver.objects.get().ended_at is None
    for url in (PAGE, f"/review/{held.pk}/"):
        page = visitor.get(url).content.decode()
        assert "Waive" not in page.replace("Waivers", "")


def test_looking_waives_nothing(signed_in: Callable[..., Client], agent: Agent) -> None:
    assert signed_in("operator").get(WAIVE).status_code == 405
    assert signed_in("operator", "eve").get(f"{WAIVE}1/end/").status_code == 405


def test_what_is_not_there_is_a_404(
    signed_in: Callable[..., Client], agent: Agent, held: Delta
) -> None:
    operator = signed_in("operator")
    services.create_agent(agent_id="other", author=person("bob"))
    assert operator.post("/agents/nobody/waivers/", form()).status_code == 404
    assert operator.post("/agents/other/waivers/", form(delta=held.pk)).status_code == 404
    for wrong in ("x", "99999999999999999999", "-1", "0"):
        assert operator.post(WAIVE, form(delta=wrong)).status_code == 404
    assert operator.post(f"{WAIVE}7/end/").status_code == 404
    assert not Waiver.objects.exists()


# ---- at a verdict ----
def test_an_operator_waives_a_verdict_and_the_delta_goes_live(
    signed_in: Callable[..., Client], held: Delta
) -> None:
    operator = signed_in("operator", "ann")
    page = operator.get(f"/review/{held.pk}/").content.decode()
    assert "Waive this verdict" in page and 'id="waive-council_quality"' in page
    answer = operator.post(WAIVE, form(delta=held.pk), follow=True)
    assert answer.redirect_chain[-1][0] == f"/review/{held.pk}/"
    shown = answer.content.decode()
    assert now(held).status == DeltaStatus.APPLIED
    assert "Waived by ann until" in shown and ": known" in shown
    assert f"Delta {held.pk} applied: v2 is live." in shown
    waiver = Waiver.objects.get()
    assert (waiver.delta_id, waiver.waived_by) == (held.pk, "person:ann")


def test_a_waiver_may_be_for_every_delta_of_the_agent(
    signed_in: Callable[..., Client], held: Delta
) -> None:
    signed_in("operator").post(WAIVE, form(delta=held.pk, scope="agent"))
    assert Waiver.objects.get().delta is None


def test_a_judge_that_is_never_waived_has_no_button(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose(operations=[{"op": "remove", "bullet_id": DATE}])
    services.approve_delta(delta=delta, by=person("bob"))
    late = propose(
        operations=[{"op": "update", "bullet_id": DATE, "text": "Check it."}], base_version=1
    )
    assert late.status == DeltaStatus.CONFLICT
    page = signed_in("operator").get(f"/review/{late.pk}/").content.decode()
    assert 'id="waive-conflict"' not in page


def test_a_decided_delta_offers_no_waiver(signed_in: Callable[..., Client], held: Delta) -> None:
    services.reject_delta(delta=held, by=person("bob"), reason="no")
    operator = signed_in("operator")
    page = operator.get(f"/review/{held.pk}/").content.decode()
    assert "Waive this verdict" not in page and "<dialog" not in page.partition("</main>")[0]
    answer = operator.post(WAIVE, form(delta=held.pk), follow=True)
    assert "is decided already" in answer.content.decode()
    assert not Waiver.objects.exists()


# ---- on the agent's page ----
def test_waivers_are_given_listed_and_ended_on_the_agents_page(
    signed_in: Callable[..., Client], held: Delta
) -> None:
    operator = signed_in("operator", "ann")
    assert "No verdict is waived" in operator.get(PAGE).content.decode()
    answer = operator.post(WAIVE, form(reason="a <b>known</b> fault"), follow=True)
    assert answer.redirect_chain[-1][0] == PAGE
    shown = answer.content.decode()
    assert "a &lt;b&gt;known&lt;/b&gt; fault" in shown and "in force" in shown
    assert now(held).status == DeltaStatus.APPLIED
    shown = operator.post(f"{WAIVE}{Waiver.objects.get().pk}/end/", follow=True).content.decode()
    assert "in force" not in shown and "by ann" in shown
    shown = operator.post(f"{WAIVE}{Waiver.objects.get().pk}/end/", follow=True).content.decode()
    assert "has ended already" in shown


def test_a_waiver_whose_time_is_over_shows_as_expired_at_once(
    signed_in: Callable[..., Client], agent: Agent
) -> None:
    Waiver.objects.create(
        agent=agent, judge="evidence", reason="r", waived_by="person:ann",
        expires_at=timezone.now() - timedelta(hours=1),
    )  # fmt: skip
    page = signed_in("operator").get(PAGE).content.decode()
    assert "expired" in page and "/end/" not in page


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"reason": "  "}, "A waiver needs"),
        ({"until": "soon"}, "A waiver needs"),
        ({"judge": ""}, "A waiver needs"),
        ({"judge": "safety"}, "safety is never waived"),
        ({"judge": "schema"}, "schema is never waived"),
        ({"until": day(-1)}, "the next 90 days"),
        ({"until": day(91)}, "the next 90 days"),
        ({"reason": "x" * 2001}, "A waiver needs"),
    ],
)
def test_a_waiver_that_cannot_be_given_says_why(
    signed_in: Callable[..., Client], held: Delta, changed: dict[str, Any], words: str
) -> None:
    answer = signed_in("operator").post(WAIVE, form(**changed), follow=True)
    assert words in answer.content.decode()
    assert not Waiver.objects.exists()
    assert now(held).status == DeltaStatus.PENDING_REVIEW


@pytest.mark.parametrize("days", [0, 90])
def test_the_first_and_the_last_day_offered_are_accepted(
    signed_in: Callable[..., Client], agent: Agent, days: int
) -> None:
    signed_in("operator").post(WAIVE, form(until=day(days)))
    assert Waiver.objects.count() == 1


def test_the_list_of_waivers_asks_the_same_queries_for_one_and_for_many(
    signed_in: Callable[..., Client], held: Delta
) -> None:
    def keep(judge: str) -> None:
        Waiver.objects.create(
            agent=held.playbook.agent, delta=held, judge=judge, reason="r",
            waived_by="person:ann", expires_at=timezone.now() + timedelta(days=1),
        )  # fmt: skip

    operator = signed_in("operator")
    keep("judge")
    operator.get(PAGE)
    with CaptureQueriesContext(connection) as one:
        operator.get(PAGE)
    for number in range(6):
        keep(f"judge_{number}")
    with CaptureQueriesContext(connection) as many:
        operator.get(PAGE)
    assert len(one) == len(many)


# ---- the council on a delta's page ----
def test_the_council_stands_apart_with_its_mandates_and_why_it_was_asked(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose(operations=[{"op": "remove", "bullet_id": DATE}])
    page = signed_in("viewer").get(f"/review/{delta.pk}/").content.decode()
    council = page.partition('class="ace-council"')[2]
    assert "heard because it loses what stands there by 1 operation" in council
    for judge, mandate in MANDATES.items():
        assert judge.removeprefix("council_").capitalize() in council
        assert mandate in council
    assert council.count("By rules") == 4


def test_a_models_word_stands_beside_that_of_the_rules(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    model = Verdict("council_quality", "block", "too <b>short</b>", {"by": "model", "model": "m<1"})
    rules = Verdict("council_quality", "pass", "clear", {"by": "rules"})
    delta = propose(verdicts=[rules, model])
    page = signed_in("viewer").get(f"/review/{delta.pk}/").content.decode()
    assert page.count("Waive this verdict") == 0 and "with m&lt;1" in page
    assert "By rules" in page and "By m&lt;1" in page and "too &lt;b&gt;short&lt;/b&gt;" in page


def test_a_judge_that_vetoed_twice_is_waived_once(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    words = [Verdict("council_quality", "block", "no", {"by": by}) for by in ("rules", "model")]
    delta = propose(verdicts=words)
    page = signed_in("operator").get(f"/review/{delta.pk}/").content.decode()
    assert page.count("Waive this verdict") == page.count('id="waive-council_quality"') == 1


def test_a_delta_that_waits_for_the_model_says_so(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose()
    waiting = Verdict("council", "block", "waits for the council: a model has yet to speak",
                      {"waiting": True, "asked": ["touches the constraints"]})  # fmt: skip
    Delta.objects.filter(pk=delta.pk).update(verdicts=[waiting.to_json()])
    page = signed_in("operator").get(f"/review/{delta.pk}/").content.decode()
    assert "Waits for the council: a model has yet to speak" in page
    assert 'id="waive-council"' not in page


def test_a_delta_that_the_council_never_saw_has_no_such_part(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    page = signed_in("viewer").get(f"/review/{propose().pk}/").content.decode()
    assert "ace-council" not in page


# ---- a model's own words ----
MODELS: dict[str, Any] = {
    "source": Source.LLM,
    "may_apply": True,
    "evidence": {"kind": "llm", "for": ["t-0", "t-1", "t-2"], "against": [], "controlled": False},
}
WHY = "Free text of a model: a second model or a person must agree."


def test_free_text_of_a_model_says_in_a_line_why_it_waits(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    delta = propose(**MODELS)
    page = signed_in("viewer").get(f"/review/{delta.pk}/").content.decode()
    assert page.count(WHY) == 1 and "A model has yet to speak" not in page
    controlled = propose(**MODELS | {"evidence": MODELS["evidence"] | {"controlled": True}})
    page = signed_in("reviewer").get(f"/review/{controlled.pk}/").content.decode()
    assert WHY not in page


def test_free_text_that_a_model_is_asked_about_says_so_too(
    signed_in: Callable[..., Client], propose: Callable[..., Delta], settings: Any
) -> None:
    settings.ACE_LLM_BASE_URL = "http://127.0.0.1:9/v1"
    agent = propose().playbook.agent
    rows = [
        {"trace_id": f"t-{n}", "task_id": f"{n}", "execution_time": 1.0, "success": True}
        for n in range(3)
    ]
    record_batch(agent=agent, traces=rows)
    delta = propose("Look at the date before you pay.", **MODELS)
    page = signed_in("viewer").get(f"/review/{delta.pk}/").content.decode()
    assert f"{WHY} A model has yet to speak." in page


def test_a_models_word_leads_to_its_call(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    call = "6f1c2a34-0000-4000-8000-000000000001"
    said = {"by": "model", "model": "gpt-4o-mini", "call": call}
    delta = propose(verdicts=[Verdict("council_quality", "block", "no", said)])
    page = signed_in("viewer").get(f"/review/{delta.pk}/").content.decode()
    assert f'<a href="/calls/{call}/">gpt-4o-mini</a>' in page
