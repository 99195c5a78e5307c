"""Django admin for tokens, idempotency keys and workers: to look at."""

from django.contrib import admin
from django.urls import reverse

from ace_project.core.inspection.rows import InspectOnly
from ace_project.core.models import ApiToken, IdempotencyKey, WorkerBeat


@admin.register(ApiToken)
class ApiTokenAdmin(InspectOnly):
    icon = "key"
    list_display = ("jti", "agent_id", "name", "created_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("agent_id", "name")
    ordering = ("-created_at",)

    def view_on_site(self, row: ApiToken) -> str | None:
        """Return the page of the token's agent."""
        return reverse("console:agent", args=[row.agent_id]) if row.agent_id else None


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(InspectOnly):
    icon = "repeat_one"
    list_display = ("key", "token", "status", "created_at")
    search_fields = ("id", "key")
    search_help_text = "A row or a key, exactly"
    searches_exactly = is_large = True
    # The first answer, for whoever holds the key's token.
    secret_fields = ("body",)


@admin.register(WorkerBeat)
class WorkerBeatAdmin(InspectOnly):
    icon = "ecg_heart"
    list_display = ("name", "threads", "started_at", "beat_at")
    search_fields = ("name",)
    ordering = ("-beat_at",)

    def view_on_site(self, row: WorkerBeat) -> str:
        """Return the overview, whose tile tells of the workers."""
        return reverse("console:overview")
