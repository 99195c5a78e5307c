"""Who sends traces, and for which agents."""

from ace_project.core.api.auth import require_agent
from ace_project.core.errors import NotFound
from ace_project.core.tokens import Principal
from playbooks import actors
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent
from playbooks.services import get_or_create_agent


def actor_of(principal: Principal) -> Actor:
    """Return the accountable author behind a token."""
    if principal.agent_id is not None:
        return actors.agent(principal.agent_id)
    return Actor(ActorKind.SERVICE, principal.subject.removeprefix("service:"))


def make_agent(principal: Principal, agent_id: str) -> Agent:
    """Return the agent, made if it is the token's own or the token may make agents.

    Raises NotFound otherwise, and InvalidInput for what cannot be an agent_id.
    """
    require_agent(principal, agent_id)
    if principal.agent_id is None and "agents:write" not in principal.scopes:
        raise NotFound(f"there is no agent {agent_id!r}")
    return get_or_create_agent(agent_id=agent_id, author=actor_of(principal))
