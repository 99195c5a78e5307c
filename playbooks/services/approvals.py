"""How many people have to approve a delta, who has, and who still may: the two-person rule."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from ace_project.core import people
from ace_project.core.errors import Conflict, Forbidden, InvalidInput
from playbooks import audit, selectors
from playbooks import operations as rules
from playbooks.actors import Actor, ActorKind
from playbooks.content import Content, normal_text
from playbooks.models import Agent, Delta, DeltaStatus, Review

TWO = 2
MOST_SECTIONS = 50
LONGEST_SECTION = 200


@dataclass(frozen=True, slots=True)
class Quorum:
    """`sections`: those of the change that need two people; `given`: approvals that stand."""

    sections: list[str]
    given: list[Review]

    @property
    def needed(self) -> int:
        """Return how many approvals apply the delta."""
        return TWO if self.sections else 1

    @property
    def missing(self) -> int:
        """Return how many approvals are still to come."""
        return max(1, self.needed - len(self.given))

    @property
    def number(self) -> int:
        """Return which approval the next one is, counted from 1."""
        return min(len(self.given) + 1, self.needed)


def guarded_sections(
    agent: Agent, operations: Sequence[dict[str, Any]], content: Content
) -> list[str]:
    """Return the sections that operations change on `content` and that two people guard."""
    if not agent.two_person:
        return []
    return guarded_names(agent, rules.sections_touched(content, operations))


def guarded_names(agent: Agent, sections: Sequence[str]) -> list[str]:
    """Return which of these sections two people guard."""
    guarded = {_folded(name) for name in agent.two_person}
    return [name for name in sections if _folded(name) in guarded]


def _folded(section: str) -> str:
    # Else a section beside the guarded one, called Constraints, would need one person.
    return normal_text(section).casefold()


def quorum_of(
    delta: Delta, agent: Agent, operations: Sequence[dict[str, Any]], content: Content
) -> Quorum:
    """Return what the two-person rule asks of a delta that would apply `operations`."""
    sections = guarded_sections(agent, operations, content)
    return Quorum(sections, standing(delta) if sections else [])


def approvals_of(delta: Delta) -> Quorum:
    """Return what the two-person rule asks of a delta on the live version, and who has approved."""
    playbook = delta.playbook
    if not playbook.agent.two_person:
        return Quorum([], [])
    content = selectors.head(playbook).content
    now = rules.sections_touched(content, delta.operations)
    # A bullet that is gone from the live version may come back by the choice in a conflict.
    then = rules.sections_touched(content, delta.operations, delta.expectations)
    sections = guarded_names(playbook.agent, [*dict.fromkeys([*now, *then])])
    return Quorum(sections, standing(delta) if sections else [])


def standing(delta: Delta) -> list[Review]:
    """Return the approvals of a delta that count, the first one first."""
    return list(delta.reviews.filter(stands=True).order_by("pk"))


def has_approved(delta: Delta, by: Actor) -> bool:
    """Return whether an approval by this actor stands."""
    return any(_is_by(review, by) for review in standing(delta))


def check_voter(delta: Delta, quorum: Quorum, by: Actor) -> bool:
    """Return whether an approval would be one's own.

    Raises Forbidden where the actor may not approve, Conflict where they have already.
    """
    own = delta.author == str(by)
    if own and by.kind is not ActorKind.PERSON:
        raise Forbidden("a token never approves a delta that its own agent proposed")
    refuse_token(quorum, by)
    if quorum.sections and has_approved(delta, by):
        raise Conflict("you have approved it: another reviewer has to as well")
    # Whoever has approved already cannot take the author's place again.
    others = {by.user_id, *(review.user_id for review in quorum.given)}
    if own and people.other_active_reviewers(*others):
        raise Forbidden("another reviewer has to approve what you wrote yourself")
    return own


def refuse_token(quorum: Quorum, by: Actor) -> None:
    """Raise Forbidden where people are asked for and something else approves."""
    if quorum.sections and by.kind is not ActorKind.PERSON:
        raise Forbidden(f"{_listed(quorum.sections)} needs two people, and a token is none")


def _is_by(review: Review, by: Actor) -> bool:
    same_user = by.user_id is not None and review.user_id == by.user_id
    return same_user or review.reviewer == str(by)


def is_stuck(quorum: Quorum, by: Actor) -> bool:
    """Return whether nobody is left to give what is missing once `by` has approved."""
    left = {by.user_id, *(review.user_id for review in quorum.given)}
    return quorum.missing > 1 and not people.other_active_reviewers(*left)


def withdraw(delta: Delta, by: Actor | None = None) -> None:
    """Let the approvals of a delta count no more: those of one person, or all."""
    rows = Review.objects.filter(delta=delta, stands=True)
    if by is not None:
        rows = rows.filter(reviewer=str(by))
    rows.update(stands=False)


def withdraw_all_of(user_id: int) -> int:
    """Let what one person approved and is not live count no more; return how many there were.

    Also of a delta that was edited: taking the edit back opens it again.
    """
    rows = Review.objects.filter(user_id=user_id, stands=True)
    return rows.exclude(delta__status=DeltaStatus.APPLIED).update(stands=False)


def _listed(sections: Sequence[str]) -> str:
    return " and ".join(f"“{name}”" for name in sections)


@transaction.atomic
def set_two_person_sections(*, agent: Agent, sections: Sequence[str], author: Actor) -> Agent:
    """Set which sections change only with two approvals; raises InvalidInput.

    It holds for what waits already. The caller checks that an operator asks.
    """
    names = list(dict.fromkeys(name for raw in sections if (name := normal_text(raw))))
    if len(names) > MOST_SECTIONS:
        raise InvalidInput(f"{len(names)} sections; there may be {MOST_SECTIONS}")
    if any(len(name) > LONGEST_SECTION or not name.isprintable() for name in names):
        raise InvalidInput(f"a section has up to {LONGEST_SECTION} characters, all printable")
    before, agent.two_person = agent.two_person, names
    agent.save(update_fields=["two_person"])
    audit.record(
        agent.agent_id,
        "two_person_set",
        author,
        now=timezone.now(),
        data={"from": before, "to": names},
    )
    return agent
