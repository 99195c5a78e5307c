"""The first-run card: one lesson met, approved, compared under both versions, taken back."""

from collections.abc import Callable
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from ace_project.core.work.leases import JobStatus
from evolution.models import ExecutionTrace
from playbooks import services
from playbooks.actors import AUTOMATIC, person
from playbooks.models import Agent, Delta, DeltaStatus, Mode
from training.models import Comparison
from training.services import make_workshop_agent
from training.tasks import compare

pytestmark = pytest.mark.django_db
LESSON = "Never repeat an identical notify_customer."


def _evidence(lift: float) -> dict[str, Any]:
    return {
        "kind": "statistical", "lift": lift, "interval": [lift - 0.1, lift + 0.1],
        "for_total": 61, "against_total": 9,
    }  # fmt: skip


@pytest.fixture
def demo() -> Agent:
    """Return the demonstration's agent, without any run yet."""
    return make_workshop_agent(agent_id="workshop-demo", seed=1, mode=Mode.STRICT, author=AUTOMATIC)


@pytest.fixture
def teach(demo: Agent, propose: Callable[..., Delta]) -> Callable[..., Delta]:
    """Return a maker of lessons that wait for a decision."""

    def make(text: str = LESSON, lift: float = 0.3) -> Delta:
        return propose(text, agent=demo, evidence=_evidence(lift))

    return make


def _card(client: Client, query: str = "") -> str:
    return client.get(f"/{query}").content.decode()


def _post(client: Client, delta: Delta, verb: str, **headers: str) -> Any:
    return client.post(f"/guided/{delta.pk}/{verb}/", headers=headers)


# ---- what is shown ----
def test_a_card_that_asks_for_itself_hears_when_its_agent_is_erased(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("viewer"), teach()
    services.delete_agent(agent=delta.playbook.agent, author=AUTOMATIC)
    poll = client.get(f"/?lesson={delta.pk}", headers={"HX-Request": "true"})
    assert poll.status_code == 404


def test_a_newcomer_meets_the_lesson_with_the_largest_effect(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    teach("Never call refund.", lift=0.2)
    best = teach(LESSON, lift=0.4)
    page = _card(signed_in("reviewer"))
    assert "See an agent learn" in page
    assert "workshop (simulated)" in page
    assert f"/guided/{best.pk}/approve/" in page
    assert "+40.0 points" in page


def test_a_lesson_for_many_runs_comes_before_a_strong_one_for_few(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    rare, common = teach("Never call refund.", lift=0.6), teach(LESSON, lift=0.4)
    for delta, runs in ((rare, 5), (common, 60)):
        counts = {"followed": [20, 40], "not_followed": [1, runs]}
        Delta.objects.filter(pk=delta.pk).update(evidence=delta.evidence | {"counts": counts})
    assert f"/guided/{common.pk}/approve/" in _card(signed_in("reviewer"))


def test_once_a_real_agent_works_the_card_makes_room(
    signed_in: Callable[..., Client], teach: Callable[..., Delta], agent: Agent
) -> None:
    delta, client = teach(), signed_in("reviewer")
    ExecutionTrace.objects.create(
        agent=agent, trace_id="t", success=True, captured_at=timezone.now()
    )
    assert "See an agent learn" not in _card(client)
    assert "See an agent learn" in _card(client, f"?lesson={delta.pk}")


def test_a_viewer_sees_the_card_without_its_buttons(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    delta, client = teach(), signed_in("viewer")
    assert "/guided/" not in _card(client)
    services.approve_delta(delta=delta, by=person("ann"))
    assert "/guided/" not in _card(client)


@pytest.mark.parametrize("query", ["?lesson=999999", "?lesson=x", "?lesson=-1", "?lesson="])
def test_a_lesson_that_is_not_there_leaves_the_page_whole(
    signed_in: Callable[..., Client], teach: Callable[..., Delta], query: str
) -> None:
    teach()
    assert "See an agent learn" in _card(signed_in("viewer"), query)


def test_a_delta_of_a_real_agent_is_no_lesson(
    signed_in: Callable[..., Client], propose: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), propose()
    assert "See an agent learn" not in _card(client, f"?lesson={delta.pk}")
    assert _post(client, delta, "approve").status_code == 404


# ---- who ----
@pytest.mark.parametrize("verb", ["approve", "compare", "take-back"])
def test_only_reviewers_press_and_only_by_posting(
    signed_in: Callable[..., Client], teach: Callable[..., Delta], client: Client, verb: str
) -> None:
    delta = teach()
    assert "/sign-in/" in _post(client, delta, verb).headers["Location"]
    assert _post(signed_in("viewer"), delta, verb).status_code == 403
    reviewer = signed_in("reviewer")
    assert reviewer.get(f"/guided/{delta.pk}/{verb}/").status_code == 405
    assert reviewer.post(f"/guided/999999/{verb}/").status_code == 404
    assert Delta.objects.get(pk=delta.pk).status == DeltaStatus.PENDING_REVIEW
    assert not Comparison.objects.exists()


# ---- the four presses ----
def test_approving_makes_the_lesson_live_and_offers_the_comparison(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    answer = _post(client, delta, "approve")
    assert answer.headers["Location"] == f"/?lesson={delta.pk}"
    page = _card(client)
    assert "v2 is live" in page
    assert f"/guided/{delta.pk}/compare/" in page
    assert "Undo within" in page


def test_approving_twice_says_who_was_first(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer", "ann"), teach()
    _post(client, delta, "approve")
    _post(client, delta, "approve")
    assert "Already applied by ann." in _card(client)


def test_the_comparison_is_shown_as_it_happens_and_ends_with_what_changed(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "approve")
    fragment = _post(client, delta, "compare", HX_Request="true").content.decode()
    assert fragment.lstrip().startswith("<section")
    assert "0 of 60 tasks" in fragment
    assert f'hx-get="/?lesson={delta.pk}"' in fragment
    job = Comparison.objects.get()
    results = [{"before": False, "after": True}] * 14 + [{"before": True, "after": False}]
    Comparison.objects.filter(pk=job.pk).update(status=JobStatus.RUNNING, results=results)
    poll = client.get(f"/?lesson={delta.pk}", headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in poll
    assert "15 of 60 tasks: <strong" in poll
    assert "14 now pass</strong>, 1 now fails" in poll


def test_a_worker_runs_the_tasks_under_both_versions_to_the_end(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "approve")
    assert _post(client, delta, "compare").headers["Location"] == f"/?lesson={delta.pk}"
    job = Comparison.objects.get()
    assert (job.before, job.after) == (1, 2)
    compare(job.pk)
    page = _card(client)
    job.refresh_from_db()
    assert f"{job.now_pass} now pass" in page
    assert "Run them again" in page
    assert 'hx-get="/?lesson' not in page


def test_a_second_press_while_it_runs_starts_no_second_comparison(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "approve")
    _post(client, delta, "compare")
    _post(client, delta, "compare")
    assert Comparison.objects.count() == 1


def test_without_a_worker_the_card_says_so(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "approve")
    _post(client, delta, "compare")
    assert "No worker runs" in _card(client)


def test_a_comparison_that_failed_can_be_started_again(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "approve")
    _post(client, delta, "compare")
    Comparison.objects.update(status=JobStatus.FAILED, error="the <b>worker</b> died")
    page = _card(client)
    assert "the &lt;b&gt;worker&lt;/b&gt; died" in page
    assert f"/guided/{delta.pk}/compare/" in page


def test_nothing_is_compared_before_it_is_approved(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "compare")
    assert "Approve the lesson first" in _card(client)
    assert not Comparison.objects.exists()


def test_taken_back_it_leads_on_to_the_next_lesson(
    signed_in: Callable[..., Client], teach: Callable[..., Delta], demo: Agent
) -> None:
    client, delta = signed_in("reviewer"), teach()
    following = teach("Never call refund.", lift=0.1)
    _post(client, delta, "approve")
    _post(client, delta, "take-back")
    demo.playbook.refresh_from_db()
    assert demo.playbook.version == 3
    assert demo.playbook.versions.get(number=3).content == {}
    page = _card(client)
    assert "Taken back." in page
    assert "Undo within" not in page
    assert f'href="/?lesson={following.pk}"' in page


def test_taking_back_what_was_never_approved_says_so(
    signed_in: Callable[..., Client], teach: Callable[..., Delta]
) -> None:
    client, delta = signed_in("reviewer"), teach()
    _post(client, delta, "take-back")
    assert "there is nothing to undo" in _card(client)
