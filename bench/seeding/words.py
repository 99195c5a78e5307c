"""Made-up sentences: lessons (each number's is unlike any other), tasks, errors."""

import random

SECTIONS = ("strategies", "constraints", "tools", "formats", "goals")
TASK_TYPES = ("refund", "rebooking", "baggage", "upgrade", "complaint", "lookup")
TOOLS = (
    *("search_orders", "read_policy", "get_customer", "update_booking", "send_email"),
    *("issue_refund", "check_stock", "calculate", "list_flights", "transfer_to_human"),
)
PEOPLE = ("ann", "ben", "carla", "dmitri", "eve", "farid", "grace", "hiro")
JUDGES = ("schema", "safety", "duplication", "conflict", "evidence", "confidence")
_VERBS = (
    *("Check", "Confirm", "Quote", "Read", "Compare", "Repeat", "Look up", "State"),
    *("Write down", "Ask for", "Verify", "Summarise"),
)
_OBJECTS = (
    *("the booking date", "the fare class", "the order number", "the refund policy"),
    *("the passenger's name", "the time zone", "the seat map", "the price difference"),
    *("the warranty", "the delivery address", "the payment method", "the baggage rule"),
)
_MOMENTS = (
    *("before anything is changed", "when a tool answers with an error", "in the first message"),
    *("after two failed tries", "where the customer asks twice", "once the total is known"),
    *("for tickets bought by miles", "while the order is not shipped", "in every summary"),
)
_WHYS = (
    *("or the change is refused", "since the tool does not say so itself", "and keep it short"),
    *("because most failures began there", "and name what is left open", "even if it seems clear"),
)
_ERRORS = (
    *("timeout after 30 s", "no such order", "payment method is not on file", "rate limit"),
    *("invalid argument: date", "the booking cannot be changed", "seat map is not available"),
    *("permission denied", "the policy does not allow it", "500 from the upstream service"),
)


def lesson(rng: random.Random, number: int) -> str:
    """Return a lesson of 60 to 140 characters that no other number has."""
    parts = (rng.choice(_VERBS), rng.choice(_OBJECTS), rng.choice(_MOMENTS))
    return f"{' '.join(parts)}, {rng.choice(_WHYS)} (case {number})."


def task(rng: random.Random) -> str:
    """Return what a task asks."""
    return f"{rng.choice(_VERBS)} {rng.choice(_OBJECTS)} {rng.choice(_MOMENTS)}."


def error(rng: random.Random) -> str:
    """Return an error as a tool says it."""
    return f"{rng.choice(_ERRORS)} (ref {rng.randrange(10_000)})"


def person(rng: random.Random) -> str:
    """Return a person as actors are stored."""
    return f"person:{rng.choice(PEOPLE)}"
