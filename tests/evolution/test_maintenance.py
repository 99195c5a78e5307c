"""Looking after a playbook: what may leave is offered with evidence; people alone take it out."""

import json
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from evolution.bullet_effects import ENOUGH_USES
from evolution.counters import update_counters
from evolution.maintenance import MOST_OFFERS, look_after
from evolution.models import ExecutionTrace
from evolution.offers import STALE_AFTER
from evolution.services.traces import record_batch
from playbooks import actors
from playbooks import services as playbooks
from playbooks.content import bullet_id, bullets
from playbooks.models import Agent, Delta, DeltaStatus, Mode
from playbooks.paper_format import parse_paper
from playbooks.selectors import agent_by_id, head

pytestmark = pytest.mark.django_db
PERSON = actors.person("olga")
TWINS = (
    "Check the state of the order before you answer the customer about it.",
    "Check the state of the order before you answer the customer about it at all.",
)
OTHER = "Look up parcels by their number, never by the name of the street."


@pytest.fixture(autouse=True)
def olga(django_user_model: Any) -> Any:
    return django_user_model.objects.create_user("olga")


def make(content: dict[str, Any], mode: Mode = Mode.STRICT, **overrides: Any) -> Agent:
    playbooks.create_agent(agent_id="bot", author=actors.AUTOMATIC, mode=mode)
    agent = agent_by_id("bot")
    playbooks.import_playbook(agent=agent, content=content, author=PERSON, reason="start")
    Agent.objects.update(overrides=overrides)
    return agent_by_id("bot")


def record(agent: Agent, rows: list[tuple[bool, list[str]]], first: int = 0) -> None:
    record_batch(
        agent=agent,
        traces=[
            {
                "trace_id": f"t-{first + number}",
                "task_id": f"task-{first + number}",
                "execution_time": 1.0,
                "success": success,
                "playbook_version": 2,
                "bullets": names,
                "steps": [{"tool": "look", "arguments": {}}],
            }
            for number, (success, names) in enumerate(rows)
        ],
    )


def name(text: str, section: str = "strategies") -> str:
    return bullet_id(section, text)


def drafts(agent: Agent) -> list[Any]:
    return look_after(agent, head(agent.playbook).content).drafts


def propose(agent: Agent, draft: Any) -> Delta:
    return playbooks.propose_delta(
        agent=agent,
        operations=draft.operations,
        confidence=draft.confidence,
        source=draft.source,
        author=actors.AUTOMATIC,
        reasoning=draft.reasoning,
        evidence=draft.evidence,
        may_apply=draft.may_apply,
    ).delta


def kinds(agent: Agent) -> list[str]:
    return [draft.evidence["kind"] for draft in drafts(agent)]


def test_twins_are_offered_as_one_merge_that_keeps_one_of_their_texts() -> None:
    agent = make({"strategies": [*TWINS, OTHER]})
    [draft] = drafts(agent)
    assert draft.operations == [
        {"op": "merge", "bullet_ids": [name(TWINS[1]), name(TWINS[0])], "text": TWINS[1]}
    ]
    [pair] = draft.evidence["pairs"]
    assert {pair["a"], pair["b"]} == {name(text) for text in TWINS}
    assert 0.7 <= pair["cosine"] < 1
    assert not draft.may_apply


def test_in_auto_nothing_leaves_without_a_person_who_then_merges_in_one_click() -> None:
    agent = make({"strategies": [*TWINS, OTHER]}, Mode.AUTO, ACE_CONFIDENCE_THRESHOLD=0.0)
    delta = propose(agent, drafts(agent)[0])
    assert delta.status == DeltaStatus.PENDING_REVIEW
    verdicts = {verdict["judge"]: verdict for verdict in delta.verdicts}
    assert verdicts["evidence"]["reason"] == "a person decides what leaves a playbook"
    playbooks.approve_delta(delta=delta, by=PERSON, reason="")
    agent.playbook.refresh_from_db()
    assert head(agent.playbook).content == {"strategies": [TWINS[1], OTHER]}


def test_lessons_that_one_telling_word_tells_apart_are_withheld_with_the_reason() -> None:
    texts = [
        "For the oldest order of the customer: collect all orders page by page and compare dates.",
        "For the newest order of the customer: collect all orders page by page and compare dates.",
    ]
    agent = make({"strategies": texts})
    found = look_after(agent, head(agent.playbook).content)
    assert found.drafts == []
    [pair] = found.withheld
    assert pair.cosine >= 0.7
    assert pair.why == "'newest' against 'oldest'" or pair.why == "'oldest' against 'newest'"
    above, below = found.nearest(5)
    assert (above, below) == ([pair], [])


def test_equal_bullets_of_a_section_become_one_in_the_place_of_the_first() -> None:
    agent = make({"strategies": [TWINS[0], OTHER, TWINS[0]]})
    delta = propose(agent, drafts(agent)[0])
    playbooks.approve_delta(delta=delta, by=PERSON, reason="")
    agent.playbook.refresh_from_db()
    assert head(agent.playbook).content == {"strategies": [TWINS[0], OTHER]}


def test_equal_bullets_and_a_twin_become_one() -> None:
    agent = make({"strategies": [TWINS[1], OTHER, TWINS[0], TWINS[1]]})
    delta = propose(agent, drafts(agent)[0])
    playbooks.approve_delta(delta=delta, by=PERSON, reason="")
    agent.playbook.refresh_from_db()
    assert sorted(head(agent.playbook).content["strategies"]) == sorted([TWINS[1], OTHER])


def test_what_waits_is_not_offered_twice_and_what_was_rejected_not_again() -> None:
    agent = make({"strategies": [*TWINS, OTHER]})
    delta = propose(agent, drafts(agent)[0])
    assert drafts(agent) == []
    assert look_after(agent, head(agent.playbook).content).waiting == 1
    playbooks.reject_delta(delta=delta, by=PERSON, reason="both are needed")
    assert drafts(agent) == []
    [pair] = look_after(agent, head(agent.playbook).content).withheld
    assert pair.why == "a person turned it down"


def test_a_bullet_kept_apart_from_its_twin_is_not_lost_when_it_becomes_one() -> None:
    close = TWINS[0].replace("the order", "an order")
    agent = make({"strategies": [TWINS[0], OTHER, close, TWINS[0]]})
    delta = propose(agent, drafts(agent)[0])
    playbooks.reject_delta(delta=delta, by=PERSON, reason="both are needed")
    [draft] = drafts(agent)
    playbooks.approve_delta(delta=propose(agent, draft), by=PERSON, reason="")
    agent.playbook.refresh_from_db()
    assert head(agent.playbook).content == {"strategies": [TWINS[0], OTHER, close]}


def test_a_harmful_bullet_is_offered_for_removal_with_its_counts() -> None:
    agent = make({"strategies": [TWINS[0], OTHER]})
    bad = [(n % 4 == 0, [name(OTHER)]) for n in range(80)]
    good = [(n % 4 != 0, [name(TWINS[0])]) for n in range(80)]
    record(agent, bad + good)
    update_counters(agent)
    [draft] = drafts(agent)
    assert draft.operations == [{"op": "remove", "bullet_id": name(OTHER)}]
    assert draft.evidence["kind"] == "harmful"
    assert draft.evidence["counts"] == {"followed": [20, 80], "not_followed": [60, 80]}
    assert draft.evidence["interval"][0] > 0
    assert "20 of 80" in draft.reasoning


def test_a_rejected_removal_comes_back_only_with_twice_the_runs() -> None:
    agent = make({"strategies": [TWINS[0], OTHER]})

    def more(first: int) -> None:
        bad = [(n % 4 == 0, [name(OTHER)]) for n in range(80)]
        record(agent, bad + [(n % 4 != 0, [name(TWINS[0])]) for n in range(80)], first)

    more(0)
    playbooks.reject_delta(delta=propose(agent, drafts(agent)[0]), by=PERSON, reason="wait")
    assert kinds(agent) == []
    more(1_000)
    assert kinds(agent) == ["harmful"]


def test_too_few_uses_accuse_nobody() -> None:
    agent = make({"strategies": [TWINS[0], OTHER]})
    bad = [(False, [name(OTHER)]) for _ in range(ENOUGH_USES - 1)]
    record(agent, bad + [(True, [name(TWINS[0])]) for _ in range(80)])
    assert drafts(agent) == []


def test_a_bullet_that_no_run_used_for_long_is_stale_and_a_constraint_is_not() -> None:
    rule = "Never tell a customer the address of another."
    agent = make({"strategies": [TWINS[0], OTHER], "constraints": [rule]})
    record(agent, [(True, [name(OTHER)])])
    record(agent, [(n % 2 == 0, [name(TWINS[0])]) for n in range(STALE_AFTER - 1)], 1)
    update_counters(agent)
    assert drafts(agent) == []
    record(agent, [(True, [name(TWINS[0])])], 10_000)
    [draft] = drafts(agent)
    assert draft.operations == [{"op": "remove", "bullet_id": name(OTHER)}]
    assert draft.evidence["kind"] == "stale"
    assert (draft.evidence["counts"], draft.evidence["used"]) == ({"idle": STALE_AFTER}, 1)


def test_runs_that_do_not_say_what_they_used_make_nothing_stale() -> None:
    agent = make({"strategies": [TWINS[0], OTHER]})
    record(agent, [(True, []) for _ in range(STALE_AFTER + 1)])
    ExecutionTrace.objects.filter(trace_id="t-0").update(bullets=None)
    assert drafts(agent) == []


def test_over_its_token_budget_a_playbook_is_offered_the_least_worth_first() -> None:
    used, unused = "Ask for the order's number first.", "Answer in the customer's language."
    long = "When it rains, " + "take the umbrella that hangs beside the door, " * 20
    agent = make({"strategies": [used, unused, long]}, ACE_PLAYBOOK_MAX_TOKENS=40)
    record(agent, [(True, [name(used)])])
    update_counters(agent)
    assert [draft.operations[0]["bullet_id"] for draft in drafts(agent)] == [name(long)]
    assert drafts(agent)[0].evidence["kind"] == "over_budget"
    Agent.objects.update(overrides={"ACE_PLAYBOOK_MAX_TOKENS": 0})
    assert drafts(agent_by_id("bot")) == []


def test_one_run_offers_no_more_than_its_share_and_says_how_many_are_left() -> None:
    texts = [f"Rule {n}: " + " ".join(f"word{n}x{k}" for k in range(12)) for n in range(40)]
    agent = make({"strategies": texts}, ACE_PLAYBOOK_MAX_TOKENS=1)
    found = look_after(agent, head(agent.playbook).content)
    assert len(found.drafts) == MOST_OFFERS
    assert found.left == {"over_budget": 20}


def test_the_command_offers_and_shows_the_pairs_on_both_sides_of_the_threshold(capsys) -> None:
    farther = "Check the state of the order before you ask the customer for it twice."
    agent = make({"strategies": [*TWINS, OTHER, farther]})
    record(agent, [(True, [name(TWINS[0])])])
    call_command("maintain", "bot", "--json", "--as", "olga")
    found = json.loads(capsys.readouterr().out)
    assert found["traces_counted"] == 1
    [offer] = found["offers"]
    delta = Delta.objects.get(delta_id=offer["delta_id"])
    assert (delta.status, delta.author) == (DeltaStatus.PENDING_REVIEW, "person:olga")
    assert {pair["offered"] for pair in found["nearest_above"]} == {True}
    assert found["nearest_below"]
    call_command("maintain", "bot")
    text = capsys.readouterr().out
    assert "0 offers, 1 waiting already" in text
    assert "below the threshold" in text


def test_a_dry_run_of_the_command_offers_nothing_and_an_unknown_agent_is_one_line(capsys) -> None:
    make({"strategies": [*TWINS, OTHER]})
    call_command("maintain", "bot", "--dry-run")
    assert "1 offer, 0 waiting already" in capsys.readouterr().out
    assert not Delta.objects.filter(source="statistical").exists()
    with pytest.raises(CommandError, match="there is no agent"):
        call_command("maintain", "nobody")


@pytest.mark.shared
def test_the_recorded_playbook_is_offered_its_near_duplicates_as_merges(shared_data) -> None:
    text = (shared_data / "playbooks" / "appworld_offline.txt").read_text(encoding="utf-8")
    agent = make(parse_paper(text).content, ACE_PLAYBOOK_MAX_TOKENS=0)
    content = head(agent.playbook).content
    texts = {bullet.bullet_id: bullet.text for bullet in bullets(content)}
    offered: set[str] = set()
    while found := drafts(agent):
        assert len(found) <= MOST_OFFERS
        for draft in found:
            delta = propose(agent, draft)
            assert delta.status == DeltaStatus.PENDING_REVIEW, delta.decision_reason
            assert draft.evidence["kind"] == "near_duplicates"
            assert {op["text"] for op in draft.operations if "text" in op} <= {*texts.values()}
            offered.update(draft.evidence["bullets"])
    look = look_after(agent, content)
    twins = {n for pair in look.pairs if pair.cosine >= 0.9 for n in (pair.first, pair.second)}
    told_apart = {
        n for pair in look.withheld if pair.cosine >= 0.9 for n in (pair.first, pair.second)
    }
    assert twins <= offered | told_apart
    assert len(offered & twins) > len(twins) / 2
