"""The routes of agents, playbooks and deltas, below an API prefix."""

from django.urls import path, register_converter

from playbooks.api import agents, deltas, playbooks, versions


class AgentIdConverter:
    """An agent's id as it may stand in an address; anything else has no route (404)."""

    regex = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"

    def to_python(self, value: str) -> str:
        """Return the id as it is."""
        return value

    def to_url(self, value: str) -> str:
        """Return the id as it is."""
        return value


class NumberConverter:
    """A version's number: nine digits are more than any playbook reaches."""

    regex = r"[0-9]{1,9}"

    def to_python(self, value: str) -> int:
        """Return the number."""
        return int(value)

    def to_url(self, value: int) -> str:
        """Return its digits."""
        return str(value)


register_converter(AgentIdConverter, "api_agent_id")
register_converter(NumberConverter, "api_version")

urlpatterns = [
    path("playbooks/<api_agent_id:agent_id>", playbooks.PlaybookView.as_view()),
    path("playbooks", playbooks.PlaybooksView.as_view()),
    path("playbooks/<api_agent_id:agent_id>/bullets", playbooks.BulletsView.as_view()),
    path("playbooks/<api_agent_id:agent_id>/versions", versions.VersionsView.as_view()),
    path(
        "playbooks/<api_agent_id:agent_id>/versions/<api_version:number>",
        versions.VersionView.as_view(),
    ),
    path("playbooks/<api_agent_id:agent_id>/diff", versions.DiffView.as_view()),
    path("playbooks/<api_agent_id:agent_id>/rollback", versions.RollbackView.as_view()),
    path("agents", agents.AgentsView.as_view()),
    path("agents/<api_agent_id:agent_id>", agents.AgentView.as_view()),
    path("deltas", deltas.DeltasView.as_view()),
    path("deltas/<uuid:delta_id>", deltas.DeltaView.as_view()),
    path("deltas/<uuid:delta_id>/approve", deltas.ApproveView.as_view()),
    path("deltas/<uuid:delta_id>/reject", deltas.RejectView.as_view()),
    path("deltas/<uuid:delta_id>/request-changes", deltas.RequestChangesView.as_view()),
]
