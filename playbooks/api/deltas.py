"""REST for deltas: proposed, listed, decided."""

from collections.abc import Callable
from typing import Any
from uuid import UUID

from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.idempotency import once
from ace_project.core.api.paging import page
from ace_project.core.api.schema import LIST_PARAMETERS
from ace_project.core.api.views import body, query
from ace_project.core.errors import NotFound
from playbooks import selectors, services
from playbooks.api.answers import DeltaAnswer, DeltaPage, OneDeltaAnswer
from playbooks.api.documents import delta_document, one_delta_document
from playbooks.api.proposals import conflict_answer, propose
from playbooks.api.requests import Approval, DeltaFilter, NewDelta, Reasoned
from playbooks.api.views import PlaybookApiView
from playbooks.models import Delta, DeltaStatus, Source

FILTERS = [
    OpenApiParameter("agent_id", str),
    OpenApiParameter("status", str, enum=DeltaStatus.values),
    OpenApiParameter("source", str, enum=Source.values),
]


class DeltasView(PlaybookApiView):
    scopes = {"GET": "playbooks:read", "POST": "playbooks:propose"}

    @extend_schema(
        responses=DeltaPage, parameters=[*FILTERS, *LIST_PARAMETERS], operation_id="list_deltas"
    )
    def get(self, request: Request) -> Response:
        """List deltas, newest first; an agent's token sees its own."""
        wanted = query(request, DeltaFilter)
        agent_id = wanted.pop("agent_id", None) or self.principal.agent_id
        rows = selectors.deltas_for_lists().filter(**wanted)
        if agent_id is not None:
            rows = rows.filter(playbook=self.agent(agent_id).playbook)
        return Response(page(request, rows, name="deltas", render=delta_document))

    @extend_schema(request=NewDelta, responses={201: DeltaAnswer}, operation_id="propose_delta")
    @once
    def post(self, request: Request) -> HttpResponseBase:
        """Propose a change that a person decides, whatever the agent's mode."""
        data = body(request, NewDelta)
        agent = self.agent(data.pop("agent_id"))
        outcome = propose(agent, data, self.actor, may_apply=False)
        if outcome.delta.status == DeltaStatus.CONFLICT:
            return conflict_answer(outcome)
        return Response(delta_document(outcome.delta), status=201)


class OneDeltaView(PlaybookApiView):
    """A view about one delta."""

    def delta(self, delta_id: UUID) -> Delta:
        """Return the delta; raises NotFound, also for another agent's."""
        rows = selectors.deltas_for_lists().filter(delta_id=delta_id)
        if self.principal.agent_id is not None:
            rows = rows.filter(playbook__agent__agent_id=self.principal.agent_id)
        found = rows.first()
        if found is None:
            raise NotFound(f"there is no delta {delta_id}")
        return found


class DeltaView(OneDeltaView):
    scopes = {"GET": "playbooks:read"}

    @extend_schema(responses=OneDeltaAnswer, operation_id="get_delta")
    def get(self, request: Request, delta_id: UUID) -> Response:
        """Return a delta with its evidence and verdicts."""
        return Response(one_delta_document(self.delta(delta_id)))


class DecisionView(OneDeltaView):
    """A view that decides one delta by one of the services' verbs."""

    scopes = {"POST": "playbooks:review"}

    def decide(
        self, request: Request, delta_id: UUID, verb: Callable[..., Delta], shape: type[Any]
    ) -> Response:
        """Return the delta as it is after `verb`."""
        delta = self.delta(delta_id)
        decided = verb(delta=delta, by=self.actor, **body(request, shape))
        return Response(one_delta_document(decided))


class ApproveView(DecisionView):
    @extend_schema(request=Approval, responses=OneDeltaAnswer, operation_id="approve_delta")
    @once
    def post(self, request: Request, delta_id: UUID) -> Response:
        """Apply a delta to the live version."""
        return self.decide(request, delta_id, services.approve_delta, Approval)


class RejectView(DecisionView):
    @extend_schema(request=Reasoned, responses=OneDeltaAnswer, operation_id="reject_delta")
    @once
    def post(self, request: Request, delta_id: UUID) -> Response:
        """End a delta without applying it."""
        return self.decide(request, delta_id, services.reject_delta, Reasoned)


class RequestChangesView(DecisionView):
    @extend_schema(request=Reasoned, responses=OneDeltaAnswer, operation_id="request_changes")
    @once
    def post(self, request: Request, delta_id: UUID) -> Response:
        """Send a delta back with what should be different; it stays open."""
        return self.decide(request, delta_id, services.request_changes, Reasoned)
