"""Django admin for agents, playbooks and their history: to look at, not to change."""

from django.contrib import admin

from ace_project.core.admin import InspectOnly
from playbooks.models import (
    Agent,
    AuditEvent,
    Bullet,
    Delta,
    DeltaComment,
    Playbook,
    PlaybookVersion,
    Review,
    Waiver,
)


@admin.register(Agent)
class AgentAdmin(InspectOnly):
    list_display = ("agent_id", "name", "mode", "simulated", "created_at")
    list_filter = ("mode", "simulated")
    search_fields = ("agent_id", "name")
    large_fields = ("metadata",)


@admin.register(Playbook)
class PlaybookAdmin(InspectOnly):
    list_display = ("agent", "version", "content_hash", "created_at", "updated_at")
    list_select_related = ("agent",)
    search_fields = ("agent__agent_id",)
    ordering = ("-id",)


@admin.register(PlaybookVersion)
class PlaybookVersionAdmin(InspectOnly):
    list_display = ("playbook", "number", "kind", "author", "reason", "created_at")
    list_select_related = ("playbook__agent",)
    list_filter = ("kind",)
    search_fields = ("playbook__agent__agent_id", "author")
    large_fields = ("content",)
    ordering = ("-id",)


@admin.register(Bullet)
class BulletAdmin(InspectOnly):
    list_display = ("bullet_id", "playbook", "text", "introduced_version", "introduced_by", "used")
    list_select_related = ("playbook__agent",)
    search_fields = ("playbook__agent__agent_id", "bullet_id", "text")
    large_fields = ("lineage", "aliases")
    ordering = ("-id",)


@admin.register(Delta)
class DeltaAdmin(InspectOnly):
    list_display = ("id", "playbook", "status", "source", "confidence", "author", "created_at")
    list_select_related = ("playbook__agent",)
    list_filter = ("status", "source", "risk")
    search_fields = ("playbook__agent__agent_id", "delta_id", "client_delta_id", "author")
    large_fields = ("operations", "expectations", "inverse", "conflicts", "evidence", "verdicts")


@admin.register(Review)
class ReviewAdmin(InspectOnly):
    list_display = (
        *("delta", "decision", "reviewer", "stands", "self_approved", "reason", "created_at"),
    )
    list_select_related = ("delta",)
    list_filter = ("decision", "stands", "self_approved")
    search_fields = ("reviewer", "reason")


@admin.register(DeltaComment)
class DeltaCommentAdmin(InspectOnly):
    list_display = ("delta", "author", "text", "created_at")
    list_select_related = ("delta",)
    search_fields = ("author", "text")


@admin.register(Waiver)
class WaiverAdmin(InspectOnly):
    list_display = (
        *("agent", "judge", "delta", "reason", "waived_by", "created_at"),
        *("expires_at", "ended_at", "ended_by"),
    )
    list_select_related = ("agent", "delta")
    list_filter = ("judge",)
    search_fields = ("agent__agent_id", "reason", "waived_by")


@admin.register(AuditEvent)
class AuditEventAdmin(InspectOnly):
    list_display = ("chain", "number", "event", "actor", "subject", "created_at")
    list_filter = ("event",)
    search_fields = ("chain", "actor", "subject")
    large_fields = ("data",)
