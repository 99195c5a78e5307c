"""The cases a world hands to its agent: a believable request and the facts behind it."""

from collections.abc import Mapping
from dataclasses import dataclass
from random import Random

from training.workshop.rules import TASK_TYPES, Rules

CUSTOMERS = 40
CONTESTED_SHARE = 0.30
DISPUTED_SHARE = 0.02
MESSY_SHARE = 0.30
STATED_RIGHT_SHARE = 0.08  # how often what the ticket says happens to be true

ITEMS = (
    "kettle",
    "desk lamp",
    "rain jacket",
    "headphones",
    "office chair",
    "running shoes",
    "coffee grinder",
    "backpack",
    "bluetooth speaker",
    "wool blanket",
)
REASONS: Mapping[str, tuple[str, ...]] = {
    "refund": (
        "Refund order {order}: the {item} arrived damaged",
        "Refund order {order}: the {item} is not as described",
        "Order {order}: {item} sent back last week, please refund",
    ),
    "cancellation": (
        "Cancel order {order}: the {item} was ordered twice by mistake",
        "Cancel order {order}: the {item} is no longer needed",
        "Cancel order {order}: found the {item} elsewhere",
    ),
    "exchange": (
        "Exchange the {item} of order {order} for another colour",
        "Order {order}: the {item} is the wrong size, please exchange",
        "Exchange order {order}: the {item} stopped working",
    ),
    "address": (
        "Change the address of order {order} before the {item} ships",
        "Order {order}: moved house, send the {item} to the new address",
        "Order {order}: the street number for the {item} is wrong",
    ),
    "credit": (
        "Goodwill credit for order {order}: the {item} came a week late",
        "Order {order}: promised a credit for the {item} on the phone",
        "Credit for order {order}: the voucher was not taken for the {item}",
    ),
    "resend": (
        "Resend order {order}: the parcel with the {item} never arrived",
        "Resend order {order}: the {item} was missing from the parcel",
        "Order {order}: courier lost the {item}, please send it again",
    ),
}
ANSWERS: Mapping[str, tuple[str, ...]] = {
    "method": ("paypal", "invoice", "gift card", "bank transfer"),
    "warehouse": ("Leeds", "Lyon", "Porto", "Gdansk"),
    "choice": ("courier", "locker", "pick-up", "evening"),
}
STATED = {"fee": "0", "method": "card", "warehouse": "Berlin", "choice": "standard"}
RATES = (5, 10, 15, 20, 25, 30)


@dataclass(frozen=True, slots=True)
class Task:
    """One case. The agent may read the query, the ids and `stated`; the rest is the database's."""

    task_id: str
    task_type: str
    query: str
    order_id: int
    ticket_id: int
    item: str
    total_cents: int
    stated: Mapping[str, str]  # what the ticket claims, by parameter; mostly not true
    truth: Mapping[str, str]  # what the records say, by parameter
    rate: int  # percent deducted from the total
    contested: bool  # a colleague edits the case while the agent works on it
    disputed: bool  # the order is blocked: nothing can be done
    messy: bool  # a long, confused ticket: more is forgotten


def draw_task(rules: Rules, seed: int, index: int) -> Task:
    """Draw the `index`-th case of the world with this seed; the same one every time."""
    rng = Random(seed * 1_000_003 + index)
    kind = rng.choice(TASK_TYPES)
    order = order_of(index)
    item = rng.choice(ITEMS)
    messy = rng.random() < MESSY_SHARE
    total = 20 * rng.randrange(50, 1_200)
    rate = rng.choice(RATES)
    query = rng.choice(REASONS[kind]).format(order=order, item=item)
    customer = rng.randrange(CUSTOMERS)
    stated = STATED | {"account": f"A-{rng.randrange(100, 999)}", "amount": cents_text(total)}
    return Task(
        task_id=f"{kind}-{index}",
        task_type=kind,
        query=f"{query} (third message about it)" if messy else query,
        order_id=order,
        ticket_id=50_000 + index,
        item=item,
        total_cents=total,
        stated=stated,
        truth=_draw_truth(rng, rules, stated, total, rate, customer),
        rate=rate,
        contested=rng.random() < CONTESTED_SHARE,
        disputed=rng.random() < DISPUTED_SHARE,
        messy=messy,
    )


def order_of(index: int) -> int:
    """Return the number of the order that the `index`-th case is about."""
    return 1_000 + index


def _draw_truth(
    rng: Random, rules: Rules, stated: Mapping[str, str], total: int, rate: int, customer: int
) -> dict[str, str]:
    truth = {name: rng.choice(values) for name, values in ANSWERS.items()}
    truth |= {"fee": str(rng.choice(RATES)), "account": f"B-{customer + 100}"}
    for name in truth:
        if rng.random() < STATED_RIGHT_SHARE:
            truth[name] = stated[name]
    deducted = total * (100 - rate) // 100
    truth["amount"] = cents_text(deducted)
    return truth


def cents_text(cents: int) -> str:
    """Return an amount of money as the tools write it, such as 12.80."""
    return f"{cents / 100:.2f}"
