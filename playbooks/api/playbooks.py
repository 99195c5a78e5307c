"""REST for playbooks: made, read, changed, rolled back."""

from typing import Any

from django.http import HttpRequest
from django.http.response import HttpResponseBase
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.idempotency import once
from ace_project.core.api.paging import cursor_of, page_of
from ace_project.core.api.schema import IF_MATCH, IF_NONE_MATCH, LIST_PARAMETERS
from ace_project.core.api.views import body
from playbooks import selectors, services
from playbooks.api import retrieval
from playbooks.api.answers import (
    Applied,
    BulletPage,
    CreatedPlaybook,
    NotApplied,
    PlaybookAnswer,
)
from playbooks.api.documents import bullet_document, created_playbook_document
from playbooks.api.proposals import proposal_answer, propose
from playbooks.api.requests import NewPlaybook, Proposal
from playbooks.api.views import PlaybookApiView
from playbooks.content import bullets
from playbooks.models import Bullet

VERSION = OpenApiParameter("version", {"type": "integer", "minimum": 1}, description="an old one")
EXPLORE = OpenApiParameter(
    "explore", str, description="a session, to which bullets left out by chance are not told"
)


class PlaybooksView(PlaybookApiView):
    scopes = {"POST": "playbooks:propose"}

    @extend_schema(
        request=NewPlaybook, responses={201: CreatedPlaybook}, operation_id="create_playbook"
    )
    @once
    def post(self, request: Request) -> Response:
        """Make an agent's playbook, and the agent if it is new."""
        data = body(request, NewPlaybook)
        self.own(data["agent_id"])
        services.create_agent(**data, author=self.actor)
        agent = selectors.agent_by_id(data["agent_id"])
        return Response(created_playbook_document(agent), status=201)


class PlaybookView(PlaybookApiView):
    scopes = {"GET": "playbooks:read", "PATCH": "playbooks:propose"}

    def dispatch(self, request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
        """Answer a read without DRF's request, whose making costs more than the answer."""
        if request.method in ("GET", "HEAD"):
            return retrieval.answer(request, **kwargs)
        return super().dispatch(request, *args, **kwargs)

    @extend_schema(
        responses={200: PlaybookAnswer, 304: None},
        parameters=[VERSION, EXPLORE, IF_NONE_MATCH],
        operation_id="get_playbook",
    )
    def get(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Return the live version, or an old one, with its ETag."""
        return retrieval.answer(request._request, agent_id)

    @extend_schema(
        request=Proposal,
        responses={200: Applied, 202: NotApplied},
        parameters=[IF_MATCH],
        operation_id="change_playbook",
    )
    def patch(self, request: Request, agent_id: str) -> HttpResponseBase:
        """Propose a change; by the agent's mode it applies at once (200) or waits (202)."""
        agent = self.agent(agent_id)
        outcome = propose(
            agent,
            body(request, Proposal),
            self.actor,
            if_match=request.headers.get("If-Match"),
        )
        return proposal_answer(outcome)


class BulletsView(PlaybookApiView):
    scopes = {"GET": "playbooks:read"}

    @extend_schema(responses=BulletPage, parameters=LIST_PARAMETERS, operation_id="list_bullets")
    def get(self, request: Request, agent_id: str) -> Response:
        """List the bullets of the live version; a cursor stays with the version it began in."""
        playbook = self.agent(agent_id).playbook
        name = f"bullets:{playbook.pk}"
        number, offset = cursor_of(request, name) or (playbook.version, 0)
        found = bullets(selectors.snapshot(playbook.pk, number).content)
        shown, more = page_of(request, found, name=name, offset=offset, beside=number)
        ids = {bullet.bullet_id for bullet in shown}
        rows = Bullet.objects.filter(playbook=playbook, bullet_id__in=ids)
        known = {row.bullet_id: row for row in rows}
        results = [bullet_document(bullet, known.get(bullet.bullet_id)) for bullet in shown]
        return Response({"results": results, "next": more})
