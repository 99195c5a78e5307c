"""The four judges of the council as rules, each by its own mandate."""

from typing import Any

import pytest

from evolution.changes import Change, changes
from evolution.constitution import constitution_of
from evolution.mandates import Cited, Matter, Standing, deliberate
from playbooks.judges.council import MANDATES
from playbooks.operations import expectations

CITED = Cited(named=6, found=6, tasks=4, trusted=6)
STRONG = {
    "kind": "statistical", "counts": {"followed": [30, 40], "not_followed": [5, 20]},
    "between": {"groups": 34}, "for": ["a", "b", "c"], "against": [], "interval": [0.1, 0.4],
}  # fmt: skip


def judged(judge: str, **given: Any) -> tuple[str, str]:
    """Return outcome and reason of one judge."""
    matter = Matter(
        changes=given.pop("changes", ()),
        staying=[Standing("strategies", text) for text in given.pop("staying", ())],
        constitution=constitution_of(given.pop("kind", "default")),
        source=given.pop("source", "agent"),
        **given,
    )
    verdicts = {verdict.judge: verdict for verdict in deliberate(matter)}
    assert list(verdicts) == list(MANDATES)
    found = verdicts[f"council_{judge}"]
    assert found.data["by"] == "rules" and found.reason
    return found.outcome, found.reason


def adding(text: str, section: str = "strategies") -> list[Change]:
    return [Change("add", section, written=(text,))]


def rewording(before: str, after: str, section: str = "constraints") -> list[Change]:
    return [Change("update", section, lost=(before,), written=(after,))]


# ---- what a delta loses and writes ----
def test_a_change_is_read_as_the_texts_that_go_and_come() -> None:
    content = {"rules": ["One.", "Two."], "limits": {"refund": 100, "ask": True}}
    operations = [
        {"op": "add", "section": "rules", "text": "Three."},
        {"op": "set", "path": "/limits", "value": {"refund": 500, "ask": True}},
        {"op": "unset", "path": "/rules"},
    ]
    found = changes(operations, expectations(content, operations))
    assert [(c.lost, c.written) for c in found] == [
        ((), ("Three.",)),
        (("refund = 100",), ("refund = 500",)),
        (("One.", "Two.", "Three."), ()),
    ]


def test_a_set_of_the_whole_content_is_read_section_by_section() -> None:
    content = {"rules": ["One."], "constraints": ["Never pay twice."]}
    operations = [{"op": "set", "path": "", "value": {"rules": ["One."]}}]
    (only,) = changes(operations, expectations(content, operations))
    assert only.section == "constraints" and only.lost == ("Never pay twice.",)


# ---- constitution ----
@pytest.mark.parametrize(
    "after",
    [
        "Pay twice.",
        "Never pay twice unless the customer insists.",
        "Try to pay once.",
        "Never pay 3 times.",
        "Sing a song for everybody.",
    ],
)
def test_a_constraint_that_is_loosened_is_vetoed(after) -> None:
    outcome, reason = judged("constitution", changes=rewording("Never pay twice.", after))
    assert outcome == "block" and "default.md" in reason


def test_a_constraint_that_is_turned_around_is_vetoed() -> None:
    change = rewording("You must pay invoices only once.", "You must not pay invoices only once.")
    assert judged("constitution", changes=change)[0] == "block"


@pytest.mark.parametrize(
    ("before", "after"),
    [("refund = 100", "refund = 500"), ("ask = True", "ask = False"), ("never", "always")],
)
def test_a_limit_that_changes_is_for_a_person(before, after) -> None:
    assert judged("constitution", changes=rewording(before, after))[0] == "block"


def test_a_constraint_that_goes_is_vetoed_and_one_that_comes_is_not() -> None:
    gone = [Change("remove", "constraints", lost=("Never pay twice.",))]
    assert judged("constitution", changes=gone)[0] == "block"
    assert judged("constitution", changes=adding("Never share a key.", "constraints"))[0] == "pass"


def test_a_constraint_may_become_tighter() -> None:
    change = rewording("Never pay twice.", "Never pay an invoice twice.")
    assert judged("constitution", changes=change)[0] == "pass"


def test_a_permission_is_no_constraint() -> None:
    change = adding("You may refund any amount.", "constraints")
    assert judged("constitution", changes=change)[0] == "block"


def test_what_the_constitution_forbids_is_vetoed_with_its_reason() -> None:
    outcome, reason = judged("constitution", changes=adding("Skip the final confirmation."))
    assert outcome == "block" and "a check that is skipped" in reason


def test_a_kind_of_agent_has_rules_of_its_own() -> None:
    change = adding("Promise a full refund at once.")
    assert judged("constitution", changes=change)[0] == "pass"
    assert judged("constitution", changes=change, kind="customer_service")[0] == "block"


def test_what_must_be_kept_may_go_while_another_lesson_says_it() -> None:
    change = [Change("remove", "strategies", lost=("Verify the customer first.",))]
    kind = "customer_service"
    assert judged("constitution", changes=change, kind=kind)[0] == "block"
    staying = ["Ask for the booking number to verify the customer."]
    assert judged("constitution", changes=change, kind=kind, staying=staying)[0] == "pass"


# ---- evidence ----
def test_who_owes_no_evidence_is_not_judged_by_it() -> None:
    assert judged("evidence", changes=adding("Look."))[0] == "abstain"


def test_strong_evidence_passes() -> None:
    given = {"source": "statistical", "evidence": STRONG, "cited": CITED}
    outcome, reason = judged("evidence", **given)
    assert outcome == "pass" and "60 runs" in reason


@pytest.mark.parametrize(
    ("evidence", "cited", "why"),
    [
        ({"counts": {"followed": [3, 4], "not_followed": [1, 4]}}, CITED, "8 runs"),
        ({"exploratory": True}, CITED, "exploratory"),
        ({}, Cited(named=6, found=0), "none of the cited traces is there"),
        ({}, Cited(named=6, found=6, tasks=4, trusted=0), "from outside alone"),
    ],
)
def test_weak_evidence_is_vetoed(evidence, cited, why) -> None:
    given = {"source": "statistical", "evidence": STRONG | evidence, "cited": cited}
    outcome, reason = judged("evidence", **given)
    assert outcome == "block" and why in reason


def test_a_model_that_cites_one_task_alone_is_vetoed() -> None:
    evidence = {"kind": "llm", "for": ["a", "b", "c"], "against": []}
    one = Cited(named=3, found=3, tasks=1, trusted=3)
    assert judged("evidence", source="llm", evidence=evidence, cited=one)[0] == "block"
    two = Cited(named=3, found=3, tasks=2, trusted=3)
    assert judged("evidence", source="llm", evidence=evidence, cited=two)[0] == "pass"


def test_an_interval_that_reaches_zero_raises_a_doubt() -> None:
    evidence = STRONG | {"interval": [-0.1, 0.4]}
    given = {"source": "statistical", "evidence": evidence, "cited": CITED}
    assert judged("evidence", **given)[0] == "warn"


# ---- quality ----
@pytest.mark.parametrize(
    "text",
    [
        "Be more careful.",
        "Always do your best and think harder!",
        "Avoid mistakes.",
        "x" * 601,
        "Do this. Do that. Do one. Do two. Do three. Do four. Do five.",
    ],
)
def test_a_lesson_that_nobody_could_follow_is_vetoed(text) -> None:
    assert judged("quality", changes=adding(text))[0] == "block"


@pytest.mark.parametrize("text", ["New.", "Should it be blue?", "Always smile.", "a" * 301 + " b"])
def test_a_lesson_that_could_be_clearer_raises_a_doubt(text) -> None:
    assert judged("quality", changes=adding(text))[0] == "warn"


@pytest.mark.parametrize(
    "text",
    [
        "Before pay, call check.",
        "In refund tasks, never call close_order.",
        "Ask for the booking number before you look up the fare.",
        "Never repeat an identical search.",
    ],
)
def test_a_clear_lesson_passes(text) -> None:
    assert judged("quality", changes=adding(text))[0] == "pass"


def test_a_removal_has_no_quality() -> None:
    gone = [Change("remove", "strategies", lost=("Be careful.",))]
    assert judged("quality", changes=gone)[0] == "abstain"


def test_more_texts_than_anybody_reads_at_once_are_vetoed() -> None:
    many = [Change("add", "s", written=(f"Call tool_{n} before tool_{n + 1}.",)) for n in range(51)]
    assert judged("quality", changes=many)[0] == "block"


# ---- consistency ----
@pytest.mark.parametrize(
    ("text", "standing"),
    [
        ("Never call check.", "Before pay, call check."),
        ("Before pay, call check.", "Never call check."),
        ("In refund tasks, before pay, call check.", "Never call check."),
        ("Before check, call pay.", "Before pay, call check."),
        ("Ask for the date before you book.", "Do not ask for the date before you book."),
        ("Confirm the fare with the customer.", "Never confirm the fare with the customer."),
    ],
)
def test_a_lesson_that_contradicts_another_is_vetoed(text, standing) -> None:
    outcome, reason = judged("consistency", changes=adding(text), staying=["Look.", standing])
    assert outcome == "block" and standing in reason


def test_several_lessons_together_may_contradict_one() -> None:
    staying = ["Before a, call b.", "Before b, call c."]
    assert judged("consistency", changes=adding("Before c, call a."), staying=staying)[0] == "block"


def test_two_texts_of_one_delta_may_contradict_each_other() -> None:
    both = [*adding("Before pay, call check."), *adding("Never call check.")]
    assert judged("consistency", changes=both)[0] == "block"


@pytest.mark.parametrize(
    ("text", "standing"),
    [
        ("In refund tasks, never call check.", "In order tasks, before pay, call check."),
        ("Never call check.", "Before check, call pay."),
        ("Ask for the date before you book.", "Ask for the fare after you book."),
        ("Do not refund without approval.", "Never refund without approval."),
    ],
)
def test_lessons_that_can_both_be_obeyed_pass(text, standing) -> None:
    assert judged("consistency", changes=adding(text), staying=[standing])[0] == "pass"


def test_another_number_in_the_same_words_raises_a_doubt() -> None:
    staying = ["Refund up to 100 euros at once."]
    change = adding("Refund up to 500 euros at once.")
    assert judged("consistency", changes=change, staying=staying)[0] == "warn"


def test_a_lesson_that_says_the_same_again_raises_a_doubt() -> None:
    staying = ["Always look at the calendar of the customer before you offer a date."]
    change = adding("Always look at the calendar of the customer before you offer a date!")
    assert judged("consistency", changes=change, staying=staying)[0] == "warn"


@pytest.mark.parametrize(
    "standing",
    [
        "As strategies-0123456789abcdef says, and twice on Mondays.",
        "When in doubt: ask for the booking number. Then wait.",
    ],
)
def test_a_lesson_that_others_refer_to_does_not_go_without_a_person(standing) -> None:
    gone = Change(
        "remove",
        "strategies",
        lost=("ask for the booking number",),
        bullet_ids=("strategies-0123456789abcdef",),
    )
    assert judged("consistency", changes=[gone], staying=[standing])[0] == "block"
    assert judged("consistency", changes=[gone], staying=["Look twice."])[0] == "pass"


@pytest.mark.parametrize(
    ("merged", "outcome"),
    [
        ("Call get_user and check_fare before booking.", "pass"),
        ("Call get_user before booking.", "block"),
    ],
)
def test_a_merge_keeps_what_each_of_its_lessons_names(merged, outcome) -> None:
    lost = ("Call get_user before booking.", "Call check_fare before booking.")
    change = Change("merge", "strategies", lost=lost, written=(merged,), merged=merged)
    assert judged("consistency", changes=[change])[0] == outcome


def test_a_merge_does_not_lose_a_prohibition() -> None:
    lost = ("Never refund a late booking.", "Check the date of a late booking.")
    merged = "Check the date of a booking."
    change = Change("merge", "strategies", lost=lost, written=(merged,), merged=merged)
    assert judged("consistency", changes=[change])[0] == "block"


def test_a_text_as_long_as_a_playbook_may_be_is_vetoed_without_reading_it_all() -> None:
    change = rewording("Never pay twice.", "never skip " * 400_000)
    outcome, reason = judged("quality", changes=change)
    assert outcome == "block" and "4,400,000 characters" in reason
