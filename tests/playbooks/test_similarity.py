"""What says the same folds; what differs by one telling word never does."""

import json

import pytest

from playbooks.content import bullet_id
from playbooks.operations import apply
from playbooks.paper_format import parse_paper
from playbooks.similarity import fold, near_duplicate


def score(a, b, threshold=0.9):
    found = near_duplicate(a, [b], threshold)
    return found and found[1]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Check the order state before you refund.", "Check the order state before you refund."),
        ("Check the order state before you refund.", "check the order  state before you refund"),
        (
            "Always verify the identity of the customer before issuing a refund",
            "Always verify the identity of a customer before issuing a refund.",
        ),
        (
            "Page through all results until the page comes back empty.",
            "Page through all the results until the page comes back empty.",
        ),
        (
            "When the list is long, page through all of the results first",
            "When the list is long, page through all of the result first",
        ),
    ],
)
def test_the_same_advice_in_almost_the_same_words_is_a_duplicate(a, b):
    assert score(a, b)
    assert score(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        (
            "Wait at least 3 seconds between two calls.",
            "Wait at least 5 seconds between two calls.",
        ),
        (
            "Refund orders over $10.50 by hand, always.",
            "Refund orders over $10.60 by hand, always.",
        ),
        (
            "You should ask for the receipt before the refund.",
            "You should not ask for the receipt before the refund.",
        ),
        (
            "The agent can't close a ticket that has a reply.",
            "The agent can close a ticket that has a reply.",
        ),
        (
            "Always look at the schema before you write a query.",
            "Never look at the schema before you write a query.",
        ),
        (
            "To find songs, use show_playlist_songs for every page.",
            "To find songs, use show_library_songs for every page.",
        ),
        (
            "Use the Venmo API for the payment, then check the balance.",
            "Use the Gmail API for the payment, then check the balance.",
        ),
        (
            "Check the balance before the payment goes out to the shop.",
            "Check the balance after the payment goes out to the shop.",
        ),
        (
            "Sort the list by 'price' to get the cheapest offer first.",
            "Sort the list by 'rank' to get the cheapest offer first.",
        ),
        (
            "Call verify_order and then call cancel_order for each.",
            "Call cancel_order and then call verify_order for each.",
        ),
        (
            "Offer the customer a refund when the parcel is late again.",
            "Offer the customer a voucher when the parcel is late again.",
        ),
    ],
)
def test_one_telling_word_makes_it_another_lesson(a, b):
    assert score(a, b, 0.8) is None
    assert score(b, a, 0.8) is None


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Before refund, call lookup.", "Before refunds, call lookup."),
        ("Never call transfer_all.", "Never call transfer_al."),
        ("Never repeat an identical search.", "Never repeat an identical searches."),
        ("Do not finish before confirmation.", "Do not finish before confirmations."),
        (
            "In returns tasks, before refund, call lookup_customer.",
            "In return tasks, before refund, call lookup_customer.",
        ),
        (
            "After error Table <> missing from query, call schema before trying query again.",
            "After error Table <> is missing from query, call schema before trying query again.",
        ),
    ],
)
def test_lessons_in_the_controlled_language_fold_only_when_identical(a, b):
    assert score(a, b, 0.5) is None
    assert score(a, f" {a} ", 0.5) == 1.0


def test_the_best_of_several_is_named_with_its_score():
    texts = [
        "Something else entirely",
        "Check all the items of the order",
        "Check all items of order",
    ]
    index, found = near_duplicate("Check all items of the order", texts, 0.8)
    assert index in (1, 2)
    assert 0.8 <= found < 1


def test_below_the_threshold_nothing_is_found():
    assert near_duplicate("Check the order first", ["Check the orders of a customer first"]) is None
    assert near_duplicate("anything", []) is None


def test_one_is_found_among_ten_thousand():
    texts = [
        f"When the customer of order {i} asks for a refund, look at parcel {i % 7} first, please"
        for i in range(10_000)
    ]
    text = "When the customer of order 77 asks for refunds, look at parcel 0 first, please"
    found = near_duplicate(text, texts)
    assert found and found[0] == 77


def add(text, section="s"):
    return {"op": "add", "section": section, "text": text}


TEXT = "Check the state of the order before you answer."
TWIN = "Check the state of an order before you answer"


def test_a_generated_add_that_is_there_already_folds_and_the_note_names_its_twin():
    kept, notes = fold([add(TWIN), add("Another lesson")], {"s": [TEXT]})
    assert kept == [add("Another lesson")]
    [note] = notes
    assert note["index"] == 0
    assert note["bullet_id"] == bullet_id("s", TEXT)
    assert 0.9 <= note["score"] < 1
    assert note["text"] == TWIN


def test_an_add_folds_into_an_earlier_add_of_the_same_delta():
    kept, notes = fold([add(TEXT), add(TWIN)], {})
    assert kept == [add(TEXT)]
    assert notes[0]["bullet_id"] == bullet_id("s", TEXT)


def test_an_add_does_not_fold_into_what_the_delta_removes():
    operations = [{"op": "remove", "bullet_id": bullet_id("s", TEXT)}, add(TWIN)]
    kept, notes = fold(operations, {"s": [TEXT]})
    assert kept == operations
    assert notes == []


def test_an_add_does_not_fold_into_another_section():
    assert fold([add(TWIN, "t")], {"s": [TEXT]})[1] == []


def test_a_fold_leaves_operations_that_do_not_fit_to_the_conflict_judge():
    operations = [{"op": "unset", "path": "/nothing"}, add("x", "odd")]
    assert fold(operations, {"odd": 1}) == (operations, [])


def test_the_recorded_playbook_has_near_duplicates_and_they_fold(shared_data):
    path = shared_data / "playbooks" / "appworld_offline.txt"
    content = parse_paper(path.read_text(encoding="utf-8")).content
    adds = [add(text, section) for section, texts in content.items() for text in texts]
    kept, notes = fold(adds, {})
    assert 6 <= len(notes) <= 20
    folded = apply({}, kept).content
    assert sum(map(len, folded.values())) == 318 - len(notes)


def test_recorded_lessons_that_only_resemble_each_other_stay(shared_data):
    lines = (shared_data / "lessons" / "reflexion_alfworld.jsonl").read_text(encoding="utf-8")
    texts = [json.loads(line)["text"].strip() for line in lines.splitlines()]
    adds = [add(text) for text in dict.fromkeys(texts)]
    assert fold(adds, {})[1] == []


def test_what_a_delta_removes_and_puts_back_does_not_fold_into_its_twin():
    operations = [{"op": "remove", "bullet_id": bullet_id("s", TEXT)}, add(TEXT)]
    assert fold(operations, {"s": [TEXT, TWIN, TEXT]}) == (operations, [])
