"""Django admin for people and tokens; elsewhere it is for looking, so `InspectOnly` stands here."""

from typing import Any

from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import GroupAdmin as DjangoGroupAdmin
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from unfold.admin import ModelAdmin  # type: ignore[import-untyped]
from unfold.forms import (  # type: ignore[import-untyped]
    AdminPasswordChangeForm,
    UserChangeForm,
    UserCreationForm,
)

from ace_project.core.models import ApiToken, IdempotencyKey, WorkerBeat

admin.site.index_title = "Every row, to look at"


class InspectOnly(ModelAdmin):
    """Rows that nobody adds, changes or deletes here; lists leave the large columns unread."""

    large_fields: tuple[str, ...] = ()
    show_full_result_count = False
    list_per_page = 50
    actions = None

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return the rows without what is large; a single row reads it when it is shown."""
        return super().get_queryset(request).defer(*self.large_fields)

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Rows come from the product, never from here."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """A change here would go past the audit chain."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Nothing is deleted here; the console erases whole agents."""
        return False


@admin.register(ApiToken)
class ApiTokenAdmin(InspectOnly):
    list_display = ("jti", "agent_id", "name", "created_at", "expires_at", "revoked_at")
    list_filter = (("revoked_at", admin.EmptyFieldListFilter),)
    search_fields = ("agent_id", "name")


@admin.register(IdempotencyKey)
class IdempotencyKeyAdmin(InspectOnly):
    list_display = ("key", "token", "status", "created_at")
    list_filter = ("status",)
    search_fields = ("key",)
    large_fields = ("body",)
    ordering = ("-id",)


@admin.register(WorkerBeat)
class WorkerBeatAdmin(InspectOnly):
    list_display = ("name", "threads", "started_at", "beat_at")
    ordering = ("-beat_at",)


admin.site.unregister(get_user_model())
admin.site.unregister(Group)


@admin.register(get_user_model())
class UserAdmin(DjangoUserAdmin, ModelAdmin):
    form = UserChangeForm
    add_form = UserCreationForm
    change_password_form = AdminPasswordChangeForm


@admin.register(Group)
class GroupAdmin(DjangoGroupAdmin, ModelAdmin):
    pass
