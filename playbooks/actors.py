"""Who did something: a person, an agent, a service, or the machinery itself."""

from dataclasses import dataclass
from enum import StrEnum


class ActorKind(StrEnum):
    PERSON = "person"
    AGENT = "agent"
    SERVICE = "service"
    RUN = "run"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True)
class Actor:
    """An accountable author; stored as `kind:name` in versions, deltas, reviews and audit."""

    kind: ActorKind
    name: str = ""
    user_id: int | None = None

    def __str__(self) -> str:
        return f"{self.kind}:{self.name}" if self.name else str(self.kind)


AUTOMATIC = Actor(ActorKind.AUTOMATIC)


def person(username: str, user_id: int | None = None) -> Actor:
    """Return the actor for a signed-in operator."""
    return Actor(ActorKind.PERSON, username, user_id)


def agent(agent_id: str) -> Actor:
    """Return the actor for an agent that holds its own token."""
    return Actor(ActorKind.AGENT, agent_id)
