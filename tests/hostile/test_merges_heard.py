"""What the council makes of a merge that keeps one of its own texts."""

import pytest

from evolution.changes import changes
from evolution.constitution import constitution_of
from evolution.mandates import Matter, Standing, deliberate
from playbooks.content import bullet_id, bullets
from playbooks.operations import apply, expectations

SHORT = "Check the stock before paying"
LONG = "Check the stock before paying, and tell the customer."


def consistency(texts: list[str], kept: str, merged: list[str]) -> tuple[str, str]:
    """Return outcome and reason of the consistency judge on merging texts into one of them."""
    content = {"strategies": texts}
    ids = [bullet_id("strategies", text) for text in [kept, *merged]]
    operations = [{"op": "merge", "bullet_ids": ids, "text": kept}]
    before = {bullet.bullet_id for bullet in bullets(content)}
    after = bullets(apply(content, operations).content)
    matter = Matter(
        changes=changes(operations, expectations(content, operations)),
        staying=[Standing(b.section, b.text) for b in after if b.bullet_id in before],
        constitution=constitution_of("default"),
        source="statistical",
    )
    verdict = next(v for v in deliberate(matter) if v.judge == "council_consistency")
    return verdict.outcome, verdict.reason


def test_a_merge_may_keep_the_text_that_holds_the_words_of_the_other() -> None:
    assert consistency([SHORT, LONG], LONG, [SHORT])[0] == "pass"


def test_a_lesson_beside_a_merge_still_may_not_quote_what_goes() -> None:
    other = f"When in doubt, {SHORT.lower()} twice, as “{SHORT}” says."
    outcome, reason = consistency([SHORT, LONG, other], LONG, [SHORT])
    assert outcome == "block" and "quotes a lesson that goes" in reason


def test_who_refers_to_the_lesson_that_a_merge_keeps_is_not_orphaned() -> None:
    refers = f"Do as {bullet_id('strategies', LONG)} says."
    assert consistency([SHORT, LONG, refers], LONG, [SHORT])[0] == "pass"


def test_who_refers_to_a_lesson_that_a_merge_takes_is_orphaned() -> None:
    refers = f"Do as {bullet_id('strategies', SHORT)} says."
    outcome, reason = consistency([SHORT, LONG, refers], LONG, [SHORT])
    assert outcome == "block" and "refers to a lesson that goes" in reason


@pytest.mark.parametrize("dropped", ["Call `verify_card` and wait.", "Never pay in the night."])
def test_a_merge_is_no_removal_in_disguise(dropped: str) -> None:
    outcome, reason = consistency([LONG, dropped], LONG, [dropped])
    assert outcome == "block" and "the merged text" in reason
