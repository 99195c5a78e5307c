"""What the views of this app share: the agent that is meant, and who acts."""

from ace_project.core.api.auth import require_agent
from ace_project.core.api.views import ApiView
from ace_project.core.tokens import Principal
from playbooks import actors, selectors
from playbooks.actors import Actor, ActorKind
from playbooks.models import Agent


def actor_of(principal: Principal) -> Actor:
    """Return the accountable author that a token stands for."""
    if principal.agent_id is not None:
        return actors.agent(principal.agent_id)
    return Actor(ActorKind.SERVICE, principal.subject.removeprefix("service:"))


class PlaybookApiView(ApiView):
    """A view about one agent's playbook."""

    @property
    def actor(self) -> Actor:
        """Return who acts."""
        return actor_of(self.principal)

    def agent(self, agent_id: str) -> Agent:
        """Return the agent with its playbook; raises NotFound, also for another's."""
        require_agent(self.principal, agent_id)
        return selectors.agent_by_id(agent_id)
