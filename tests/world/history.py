"""Playbooks with a past, and deltas in every status, all brought in through the services."""

from typing import Any

from playbooks import services
from playbooks.actors import AUTOMATIC, Actor, ActorKind, agent, person
from playbooks.content import bullet_id
from playbooks.models import Agent, Bullet, Delta, DeltaStatus, Mode, Review, Source
from playbooks.selectors import agent_by_id
from tests.world.clock import ago, at

ANN, BOB = person("ann"), person("bob")
RUN = Actor(ActorKind.RUN, "1")

AIRLINE = {
    "goals": [
        "Solve the customer’s case in one conversation, within the airline’s policy.",
        "Leave every booking in a state the customer has confirmed.",
    ],
    "constraints": [
        "Do not promise a refund before the payment status is known.",
        "Never read a full card number back; give the last four digits.",
        "Never refund more than 400 euros without a supervisor.",
    ],
    "strategies": [
        "Before offering a refund, check the booking date.",
        "Open with a summary of the booking.",
        "Quote each segment’s amount apart before asking the customer to choose.",
    ],
    "tone": {"formality": "polite", "languages": ["en", "de"]},
}
WAREHOUSE = {
    "constraints": ["Read only: never write to a table.", "Name the columns a question needs."],
    "strategies": [
        "Filter days with a half-open range: from the start, before the next day.",
        "Always add LIMIT 100.",
    ],
}
PAYMENT = bullet_id("constraints", AIRLINE["constraints"][0])
LIMIT = bullet_id("constraints", AIRLINE["constraints"][2])
BOOKING_DATE = bullet_id("strategies", AIRLINE["strategies"][0])
LIMIT_100 = bullet_id("strategies", WAREHOUSE["strategies"][1])


def add(text: str, section: str = "strategies") -> dict[str, Any]:
    """Return the operation that adds a bullet."""
    return {"op": "add", "section": section, "text": text}


def reword(bullet: str, text: str) -> dict[str, Any]:
    """Return the operation that rewords a bullet."""
    return {"op": "update", "bullet_id": bullet, "text": text}


def propose(owner: Agent, *operations: dict[str, Any], **changed: Any) -> Delta:
    """Return a delta that waits, unless a judge decides otherwise."""
    wanted: dict[str, Any] = {
        "agent": agent_by_id(owner.agent_id),
        "operations": list(operations),
        "confidence": 0.81,
        "source": Source.OPERATOR,
        "author": ANN,
        "may_apply": False,
    }
    return services.propose_delta(**(wanted | changed)).delta


def _airline() -> Agent:
    with at(ago(days=24)):
        made = services.create_agent(
            agent_id="airline-support",
            name="Airline support, voice and chat",
            author=BOB,
            initial_context=AIRLINE,
            mode=Mode.AUTO,
            metadata={"team": "care", "region": "eu"},
        )
    steps: list[tuple[float, tuple[dict[str, Any], ...], dict[str, Any]]] = [
        (21, (add("Ask for the booking reference before any lookup, not after it."),), {}),
        (
            17,
            (reword(BOOKING_DATE, "Before offering a refund, check the booking date and fare."),),
            {"source": Source.STATISTICAL, "author": RUN, "confidence": 0.88},
        ),
        (
            14,
            (add("Offer a travel credit first; mention the refund only when asked."),),
            {"source": Source.LLM, "author": RUN, "confidence": 0.74, "model": "gpt-4o-mini"},
        ),
    ]
    for days, operations, more in steps:
        _approved(made, days, operations, more)
    with at(ago(days=12)):
        services.roll_back_to(
            agent=agent_by_id("airline-support"),
            to_version=3,
            reason="v4 lost 7 points in a day",
            author=BOB,
        )
    _approved(
        made,
        8,
        (add("Change a booking only after the customer has said yes to the new price."),),
        {"source": Source.TRAINING, "author": RUN, "confidence": 0.93},
    )
    return made


def _approved(
    owner: Agent, days: float, operations: tuple[dict[str, Any], ...], more: dict[str, Any]
) -> None:
    with at(ago(days=days)):
        delta = propose(owner, *operations, **more)
    with at(ago(days=days, hours=-1)):
        services.approve_delta(delta=delta, by=BOB, reason="It holds on the tasks it was tried on")


def _waiting(airline: Agent, warehouse: Agent) -> dict[str, Delta]:
    """Make deltas that a person can decide: plain, in conflict, vetoed, sent back."""
    with at(ago(hours=5)):
        vetoed = propose(
            airline,
            reword(LIMIT, "Never refund more than 900 euros without a supervisor."),
            source=Source.AGENT,
            author=agent("airline-support"),
            may_apply=True,
            reasoning="Supervisors were not reachable at the weekend.",
        )
        late = propose(
            airline,
            reword(
                PAYMENT, "Do not promise a refund before payment status and fare rule are known."
            ),
            add("Where one segment is refundable and another is not, let the customer choose."),
            reasoning="Two of five refunds last week had to be taken back.",
        )
        ours = reword(
            PAYMENT, "Do not promise a refund or a rebooking before the payment status is known."
        )
        services.approve_delta(delta=propose(airline, ours), by=BOB, reason="")
    with at(ago(hours=3)):
        plain = propose(
            warehouse,
            {"op": "remove", "bullet_id": LIMIT_100},
            reasoning="It truncates sums: 11 of 40 failed questions carried the limit.",
            confidence=0.66,
        )
        back = propose(
            airline, {"op": "set", "path": "/tone/formality", "value": "warm"}, confidence=0.6
        )
        services.request_changes(delta=back, by=BOB, reason="Say which channel this is for.")
        propose(warehouse, add("Never select all columns from a fact table."), author=BOB)
    return {"vetoed": vetoed, "conflict": late, "plain": plain, "back": back}


def _ended(airline: Agent, warehouse: Agent, hotel: Agent) -> dict[str, Delta]:
    """Make deltas whose story is over: rejected, undone, failed, recorded."""
    with at(ago(hours=2)):
        rejected = propose(airline, add("Always apologise twice."), confidence=0.41)
        services.reject_delta(delta=rejected, by=BOB, reason="Customers find it insincere.")
        undone = propose(warehouse, add("Prefer the replica for long queries."))
        services.approve_delta(delta=undone, by=BOB)
        services.undo_decision(delta=undone, by=BOB, reason="The replica is a day behind")
        gone = propose(
            warehouse,
            reword("strategies-0123456789abcdef", "Say what is not there."),
            source=Source.LLM,
            author=RUN,
        )
        # Longer than a lesson may be, which shows once it stands in its section.
        pasted = "2026-11-20 03:12:44 ERROR connection to the replica lost, trying again. " * 300
        failed = propose(
            warehouse,
            {"op": "set", "path": "/strategies/0", "value": pasted},
            source=Source.AGENT,
            author=agent("warehouse-sql"),
        )
        assert failed.status == DeltaStatus.FAILED, failed.status
        recorded = propose(hotel, add("Confirm the dates in words."), may_apply=True)
        propose(hotel, add("Offer the quiet side of the house first."), may_apply=True)
    return {
        "rejected": rejected,
        "undone": undone,
        "gone": gone,
        "failed": failed,
        "recorded": recorded,
    }


def make_history() -> dict[str, Delta]:
    """Make three agents with their past; return deltas by what they show."""
    airline = _airline()
    with at(ago(days=9)):
        warehouse = services.create_agent(
            agent_id="warehouse-sql", author=BOB, initial_context=WAREHOUSE
        )
        hotel = services.create_agent(
            agent_id="hotel-booking", author=BOB, mode=Mode.DRY_RUN, initial_context={}
        )
        services.create_agent(agent_id="claims-intake.v2", author=AUTOMATIC)
    deltas = _waiting(airline, warehouse) | _ended(airline, warehouse, hotel)
    _date_rows()
    return deltas


def _date_rows() -> None:
    """Date what the database dated itself by the version or the delta that it came with."""
    for bullet in Bullet.objects.select_related("playbook"):
        version = bullet.playbook.versions.get(number=bullet.introduced_version)
        Bullet.objects.filter(pk=bullet.pk).update(created_at=version.created_at)
    for row in Review.objects.select_related("delta"):
        Review.objects.filter(pk=row.pk).update(created_at=row.delta.decided_at or row.created_at)
    for owner in Agent.objects.select_related("playbook"):
        Agent.objects.filter(pk=owner.pk).update(created_at=owner.playbook.created_at)
