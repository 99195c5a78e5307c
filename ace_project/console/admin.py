"""Django admin for people, their saved views and what allauth keeps; here, it tells the audit."""

from typing import Any, ClassVar

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.admin import UserAdmin as DjangoUserAdmin
from django.contrib.auth.models import Group
from django.db.models import Model, QuerySet
from django.http import HttpRequest
from django.urls import reverse
from django.utils import timezone
from unfold.forms import (  # type: ignore[import-untyped]
    AdminPasswordChangeForm,
    UserChangeForm,
    UserCreationForm,
)

from ace_project.console.models import SavedView
from ace_project.console.visitor import actor_of
from ace_project.core.inspection.rows import InspectOnly
from ace_project.core.people import GROUPS, Role, role_of
from playbooks import audit

admin.site.unregister(get_user_model())
admin.site.unregister(Group)
# Providers come from the environment, without kept tokens; no address is verified by mail.
for unused in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(unused)


@admin.register(get_user_model())
class UserAdmin(InspectOnly, DjangoUserAdmin):  # type: ignore[misc]
    """People: admins add them, name them and set their groups; a password is never shown."""

    icon = "person"
    form = UserChangeForm
    add_form = UserCreationForm
    add_fieldsets = DjangoUserAdmin.add_fieldsets
    change_password_form = AdminPasswordChangeForm
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    ordering = ("username",)
    changeable: ClassVar[tuple[str, ...]] = (
        "username",
        "first_name",
        "last_name",
        "email",
        "is_active",
        "groups",
    )
    kept: ClassVar[tuple[str, ...]] = ("is_superuser", "last_login", "date_joined")
    fieldsets = ((None, {"fields": (*changeable, *kept)}),)
    filter_horizontal = ()
    secret_fields = ("password",)

    @admin.display(description="Role")
    def roles(self, person: Any) -> str:
        """Return the highest role that a person holds."""
        held = [GROUPS[group.name] for group in person.groups.all() if group.name in GROUPS]
        return (Role.ADMIN if person.is_superuser else max(held, default=Role.NOBODY)).name.lower()

    def view_on_site(self, person: Any) -> str:
        """Return the person's page."""
        return reverse("console:person", args=[person.pk])

    def get_queryset(self, request: HttpRequest) -> QuerySet[Any]:
        """Return people with their groups."""
        return super().get_queryset(request).prefetch_related("groups")

    def has_add_permission(self, request: HttpRequest, obj: Any = None) -> bool:
        """Admins add people."""
        return role_of(request.user) >= Role.ADMIN

    def get_readonly_fields(self, request: HttpRequest, obj: Any = None) -> list[Any]:
        """Return what nobody sets here; all of it for those who may only look."""
        free = self.has_change_permission(request, obj)
        return [*self.kept] if free else [*self.changeable, *self.kept]

    def log_addition(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Tell the audit, too."""
        self._record(request, "person_added", obj, [])
        return super().log_addition(request, obj, message)

    def log_change(self, request: HttpRequest, obj: Model, message: Any) -> Any:
        """Tell the audit, too: which fields, not what they held."""
        changes = message if isinstance(message, list) else []
        fields = [name for c in changes for name in c.get("changed", {}).get("fields", [])]
        self._record(request, "person_changed", obj, fields or ["password"])
        return super().log_change(request, obj, message)

    def _record(self, request: HttpRequest, event: str, person: Any, fields: list[str]) -> None:
        audit.record(
            audit.SYSTEM, event, actor_of(request),
            now=timezone.now(), subject=person.get_username(), data={"fields": fields},
        )  # fmt: skip


@admin.register(Group)
class GroupAdmin(InspectOnly):
    """The four roles, which the product itself makes."""

    icon = "group"
    list_display = ("name",)
    ordering = ("name",)


@admin.register(Authenticator)
class FactorAdmin(InspectOnly):
    """Second factors; what they hold, the secret among it, is never read."""

    icon = "security_key"
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__username",)
    secret_fields = ("data",)


@admin.register(SocialAccount)
class IdentityAdmin(InspectOnly):
    """Identities of a provider that are connected to people."""

    icon = "badge"
    list_display = ("uid", "user", "provider", "date_joined", "last_login")
    search_fields = ("user__username", "uid")
    secret_fields = ("extra_data",)


@admin.register(UserSession)
class SessionAdmin(InspectOnly):
    """Where people are signed in; whoever knew a session's key would have the session."""

    icon = "devices"
    list_display = ("user", "ip", "created_at", "last_seen_at")
    search_fields = ("user__username", "ip")
    secret_fields = ("session_key", "data")


@admin.register(SavedView)
class SavedViewAdmin(InspectOnly):
    """What people named of the review queue."""

    icon = "bookmark"
    list_display = ("name", "user", "query", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
