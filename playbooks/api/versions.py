"""REST for a playbook's history: versions, their differences, and the way back."""

from django.db.models import F, QuerySet
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.idempotency import once
from ace_project.core.api.paging import page
from ace_project.core.api.schema import LIST_PARAMETERS
from ace_project.core.api.views import body, query
from ace_project.core.errors import NotFound
from playbooks import selectors, services
from playbooks.api.answers import DiffAnswer, VersionAnswer, VersionPage
from playbooks.api.documents import version_document
from playbooks.api.requests import Range, Rollback
from playbooks.api.views import PlaybookApiView
from playbooks.content import diff
from playbooks.models import Agent, PlaybookVersion

NUMBER = {"type": "integer", "minimum": 1}


def version_rows(agent: Agent) -> QuerySet[PlaybookVersion]:
    """Return the versions of an agent's playbook with the public id of the delta of each."""
    rows = PlaybookVersion.objects.filter(playbook=agent.playbook)
    return rows.annotate(delta_uuid=F("delta__delta_id"))


class VersionsView(PlaybookApiView):
    scopes = {"GET": "playbooks:read"}

    @extend_schema(responses=VersionPage, parameters=LIST_PARAMETERS, operation_id="list_versions")
    def get(self, request: Request, agent_id: str) -> Response:
        """List the versions without their content, newest first."""
        agent = self.agent(agent_id)
        name, rows = f"versions:{agent.playbook.pk}", version_rows(agent).defer("content")
        return Response(page(request, rows, name=name, by="-number", render=version_document))


class VersionView(PlaybookApiView):
    scopes = {"GET": "playbooks:read"}

    @extend_schema(
        responses=VersionAnswer,
        parameters=[OpenApiParameter("number", NUMBER, OpenApiParameter.PATH)],
        operation_id="get_version",
    )
    def get(self, request: Request, agent_id: str, number: int) -> Response:
        """Return a version with its content."""
        version = version_rows(self.agent(agent_id)).filter(number=number).first()
        if version is None:
            raise NotFound(f"there is no version {number}")
        return Response({**version_document(version), "content": version.content})


class DiffView(PlaybookApiView):
    scopes = {"GET": "playbooks:read"}

    @extend_schema(
        responses=DiffAnswer,
        parameters=[
            OpenApiParameter("from", NUMBER, required=True),
            OpenApiParameter("to", NUMBER, required=True),
        ],
        operation_id="compare_versions",
    )
    def get(self, request: Request, agent_id: str) -> Response:
        """Return what changed from one version to another."""
        playbook = self.agent(agent_id).playbook
        ends = query(request, Range)
        old = selectors.snapshot(playbook.pk, ends["from"])
        new = selectors.snapshot(playbook.pk, ends["to"])
        return Response({"from": old.number, "to": new.number, **diff(old.content, new.content)})


class RollbackView(PlaybookApiView):
    scopes = {"POST": "playbooks:review"}

    @extend_schema(request=Rollback, responses=VersionAnswer, operation_id="roll_back")
    @once
    def post(self, request: Request, agent_id: str) -> Response:
        """Make a new version with an old one's content; history is never rewritten."""
        agent = self.agent(agent_id)
        version = services.roll_back_to(agent=agent, **body(request, Rollback), author=self.actor)
        fresh = version_rows(agent).get(number=version.number)
        return Response({**version_document(fresh), "content": version.content})
