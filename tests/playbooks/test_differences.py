"""What tells texts in like words apart, and what does not."""

import pytest

from playbooks.differences import difference


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Wait 5 seconds before you retry the call.", "Wait 10 seconds before you retry the call."),
        ("Take the cup from shelf 2 and wash it.", "Take the cup from shelf 3 and wash it."),
        ("Call show_order before you answer.", "Call show_parcel before you answer."),
        ("Prefer show_order over show_parcel here.", "Prefer show_parcel over show_order here."),
        ("Always send the receipt.", "Never send the receipt."),
        ("Send the receipt to them.", "Do not send the receipt to them."),
        ("Play the oldest song of the list.", "Play the newest song of the list."),
        ("Find the minimum price first.", "Find the maximum price first."),
        ("Check the order after the refund.", "Check the order before the refund."),
        ("Offer the customer a refund today.", "Offer the customer a voucher today."),
        ("Verify the customer then the order.", "Verify the order then the customer."),
        ("In 'least liked' tasks, sort the list.", "In 'most liked' tasks, sort the list."),
        ("Before refund, call lookup.", "Before refunds, call lookup."),
        ("Include archived orders in the sum.", "Exclude archived orders in the sum."),
    ],
)
def test_one_telling_word_makes_it_different_advice(a, b):
    assert difference(a, b)
    assert difference(b, a)


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Check the order first.", "Check  the order first."),
        ("Verify the order first.", "verify the order first."),
        ("Call show_order() before you answer.", "Call show_order before you answer."),
        ("Always check the queue of songs.", "Always use the queue of songs."),
        ("Collect all songs with proper pagination.", "Collect all songs with pagination."),
        ("Look in drawers 1-4 for it.", "Look in drawers 2 for it."),
        (
            "Wash the cup in sink 1. It did not help to do it twice.",
            "Wash the cup in sink 1. I will pay attention to the task.",
        ),
        (
            "Look at the parcel before the refund.",
            "Look at the parcel before the refund. Then tell the customer what you did not find.",
        ),
    ],
)
def test_another_wording_or_more_of_it_is_no_difference(a, b):
    assert difference(a, b) is None
    assert difference(b, a) is None


def test_the_answer_names_what_differs():
    found = difference("Wait 5 seconds, then try again.", "Wait 10 seconds, then try again.")
    assert found == "'wait 5' against 'wait 10'"
    assert difference("Use it.", "Do not use it.") == "only one says 'not'"
