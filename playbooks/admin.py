"""Django admin for agents, playbooks and their history: to look at, but for an agent's name."""

from typing import Any

from django.contrib import admin
from django.forms import ModelForm
from django.http import HttpRequest
from django.urls import reverse

from ace_project.core.inspection.lists import one_of
from ace_project.core.inspection.rows import InspectOnly
from playbooks import actors, services
from playbooks.models import (
    Agent,
    AuditEvent,
    Bullet,
    Delta,
    DeltaComment,
    Playbook,
    PlaybookVersion,
    Review,
    Risk,
    Verification,
    Waiver,
)


@admin.register(Agent)
class AgentAdmin(InspectOnly):
    icon = "smart_toy"
    list_display = ("agent_id", "name", "mode", "simulated", "created_at")
    list_filter = ("mode", "simulated")
    search_fields = ("agent_id", "name")
    large_fields = ("metadata",)
    ordering = ("agent_id",)
    changeable = ("name",)

    def view_on_site(self, row: Agent) -> str:
        """Return the agent's page."""
        return reverse("console:agent", args=[row.agent_id])

    def save_model(self, request: HttpRequest, obj: Agent, form: ModelForm, change: bool) -> None:
        """Rename by the service, which tells the audit."""
        author = actors.person(request.user.get_username(), request.user.pk)
        services.update_agent(agent=obj, author=author, name=obj.name)


@admin.register(Playbook)
class PlaybookAdmin(InspectOnly):
    icon = "menu_book"
    list_display = ("agent", "version", "content_hash", "created_at", "updated_at")
    list_select_related = ("agent",)
    search_fields = ("agent__agent_id",)

    def view_on_site(self, row: Playbook) -> str:
        """Return the playbook's page."""
        return reverse("console:playbook", args=[row.agent.agent_id])


class _OfPlaybook(InspectOnly):
    """Rows of a playbook, which there may be very many of."""

    list_select_related: tuple[str, ...] = ("playbook__agent",)
    is_large = searches_exactly = True

    def view_on_site(self, row: Any) -> str:
        """Return the page of the playbook."""
        return reverse("console:playbook", args=[row.playbook.agent.agent_id])


@admin.register(PlaybookVersion)
class PlaybookVersionAdmin(_OfPlaybook):
    icon = "history"
    list_display = ("id", "playbook", "number", "kind", "author", "reason", "created_at")
    list_filter = ("kind",)
    search_fields = ("playbook__agent__agent_id", "number", "author")
    search_help_text = "An agent, a number or an author, exactly: airline 12"
    large_fields = ("content",)


@admin.register(Bullet)
class BulletAdmin(_OfPlaybook):
    icon = "format_list_bulleted"
    list_display = ("bullet_id", "playbook", "text", "introduced_version", "introduced_by", "used")
    search_fields = ("playbook__agent__agent_id", "bullet_id")
    search_help_text = "An agent or a bullet, exactly"
    large_fields = ("lineage", "aliases")


@admin.register(Delta)
class DeltaAdmin(_OfPlaybook):
    icon = "difference"
    list_display = ("id", "playbook", "status", "source", "confidence", "author", "created_at")
    list_filter = ("status", "source", one_of("risk", Risk.values))
    search_fields = ("id", "playbook__agent__agent_id", "delta_id", "client_delta_id")
    search_help_text = "A number, an agent or an id, exactly"
    large_fields = ("operations", "expectations", "inverse", "conflicts", "evidence", "verdicts")

    def view_on_site(self, row: Delta) -> str:
        """Return the delta's page."""
        return reverse("console:delta", args=[row.pk])


@admin.register(Review)
class ReviewAdmin(InspectOnly):
    icon = "gavel"
    list_display = (
        *("id", "delta", "decision", "reviewer", "stands", "self_approved", "reason"),
        "created_at",
    )
    list_select_related = ("delta",)
    list_filter = ("decision", "stands", "self_approved")
    search_fields = ("delta__id", "reviewer")
    search_help_text = "A delta's number or a reviewer, exactly"
    is_large = searches_exactly = True

    def view_on_site(self, row: Review) -> str:
        """Return the page of the delta."""
        return reverse("console:delta", args=[row.delta_id])


@admin.register(DeltaComment)
class DeltaCommentAdmin(InspectOnly):
    icon = "comment"
    list_display = ("id", "delta", "author", "text", "created_at")
    list_select_related = ("delta",)
    search_fields = ("delta__id", "author")
    search_help_text = "A delta's number or an author, exactly"
    is_large = searches_exactly = True

    def view_on_site(self, row: DeltaComment) -> str:
        """Return the page of the delta."""
        return reverse("console:delta", args=[row.delta_id])


@admin.register(Waiver)
class WaiverAdmin(InspectOnly):
    icon = "shield_question"
    list_display = (
        *("id", "agent", "judge", "delta", "reason", "waived_by", "created_at"),
        *("expires_at", "ended_at", "ended_by"),
    )
    list_select_related = ("agent", "delta")
    list_filter = ("judge",)
    search_fields = ("agent__agent_id", "reason", "waived_by")

    def view_on_site(self, row: Waiver) -> str:
        """Return the page of the agent, which lists its waivers."""
        return reverse("console:agent", args=[row.agent.agent_id])


@admin.register(AuditEvent)
class AuditEventAdmin(InspectOnly):
    icon = "receipt_long"
    list_display = ("id", "chain", "number", "event", "actor", "subject", "created_at")
    search_fields = ("chain", "event", "id")
    search_help_text = "A chain (an agent), an event or a row, exactly"
    large_fields = ("data",)
    is_large = searches_exactly = True

    def view_on_site(self, row: AuditEvent) -> str:
        """Return the audit log of the same chain."""
        return reverse("console:audit", query={"chain": row.chain or "system"})


@admin.register(Verification)
class VerificationAdmin(InspectOnly):
    icon = "verified_user"
    list_display = (
        *("id", "chain", "status", "asked_by", "asked_at", "finished_at"),
        *("events", "versions"),
    )
    list_filter = ("status",)
    search_fields = ("chain", "asked_by")

    def view_on_site(self, row: Verification) -> str:
        """Return the audit log of the chain that was verified."""
        chain = None if row.chain is None else {"chain": row.chain or "system"}
        return reverse("console:audit", query=chain)
