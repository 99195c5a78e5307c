"""REST for agents."""

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.idempotency import once
from ace_project.core.api.views import body
from ace_project.core.errors import Forbidden
from playbooks import selectors, services
from playbooks.api.answers import AgentAnswer
from playbooks.api.documents import agent_document
from playbooks.api.requests import AgentChange, NewAgent
from playbooks.api.views import PlaybookApiView


def _refuse_mode(data: Any) -> None:
    if isinstance(data, dict) and "mode" in data:
        raise Forbidden("only an operator sets the mode of an agent")


class AgentsView(PlaybookApiView):
    scopes = {"POST": "agents:write"}

    @extend_schema(request=NewAgent, responses={201: AgentAnswer}, operation_id="create_agent")
    @once
    def post(self, request: Request) -> Response:
        """Make an agent and its playbook's version 1."""
        _refuse_mode(request.data)
        data = body(request, NewAgent)
        self.own(data["agent_id"])
        services.create_agent(**data, author=self.actor)
        agent = selectors.agent_by_id(data["agent_id"])
        return Response(agent_document(agent), status=201)


class AgentView(PlaybookApiView):
    scopes = {"GET": "playbooks:read", "PATCH": "agents:write", "DELETE": "agents:write"}

    @extend_schema(responses=AgentAnswer, operation_id="get_agent")
    def get(self, request: Request, agent_id: str) -> Response:
        """Return an agent."""
        return Response(agent_document(self.agent(agent_id)))

    @extend_schema(request=AgentChange, responses=AgentAnswer, operation_id="update_agent")
    def patch(self, request: Request, agent_id: str) -> Response:
        """Change an agent's name or metadata."""
        agent = self.agent(agent_id)
        _refuse_mode(request.data)
        data = body(request, AgentChange)
        return Response(
            agent_document(services.update_agent(agent=agent, author=self.actor, **data))
        )

    @extend_schema(responses={204: None}, operation_id="delete_agent")
    def delete(self, request: Request, agent_id: str) -> Response:
        """Erase all that belongs to an agent."""
        services.delete_agent(agent=self.agent(agent_id), author=self.actor)
        return Response(status=204)
