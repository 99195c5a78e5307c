"""Django admin for people, their saved views and what allauth keeps of them."""

from typing import Any

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.db.models import QuerySet
from django.http import HttpRequest
from django.urls import reverse

from ace_project.console.models import SavedView
from ace_project.core.inspection.rows import InspectOnly
from ace_project.core.people import GROUPS, Role

admin.site.unregister(get_user_model())
admin.site.unregister(Group)
# Providers come from the environment, without kept tokens; no address is verified by mail.
for unused in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    admin.site.unregister(unused)


@admin.register(get_user_model())
class UserAdmin(InspectOnly):
    """People; the console's page adds and changes them, where its rules hold and audit is kept."""

    icon = "person"
    list_display = ("username", "first_name", "last_name", "roles", "is_active", "last_login")
    list_filter = ("is_active", "groups")
    search_fields = ("username", "first_name", "last_name", "email")
    search_help_text = "A user name, a name or an e-mail address"
    ordering = ("username",)
    # The staff flag opens nothing here.
    secret_fields = ("password", "is_staff")

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


@admin.register(Group)
class GroupAdmin(InspectOnly):
    """The four roles, which the product itself makes."""

    icon = "group"
    list_display = ("name",)
    ordering = ("name",)


class _OfPerson(InspectOnly):
    """Rows of a person."""

    list_select_related = ("user",)

    def view_on_site(self, row: Any) -> str:
        """Return the page of the person."""
        return reverse("console:person", args=[row.user_id])


@admin.register(Authenticator)
class FactorAdmin(_OfPerson):
    """Second factors; what they hold, the secret among it, is never read."""

    icon = "security_key"
    list_display = ("id", "user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    search_fields = ("user__username",)
    secret_fields = ("data",)


@admin.register(SocialAccount)
class IdentityAdmin(_OfPerson):
    """Identities of a provider that are connected to people."""

    icon = "badge"
    list_display = ("uid", "user", "provider", "date_joined", "last_login")
    search_fields = ("user__username", "uid")
    secret_fields = ("extra_data",)


@admin.register(UserSession)
class SessionAdmin(_OfPerson):
    """Where people are signed in; whoever knew a session's key would have the session."""

    icon = "devices"
    list_display = ("id", "user", "ip", "created_at", "last_seen_at")
    search_fields = ("user__username", "ip")
    secret_fields = ("session_key", "data")


@admin.register(SavedView)
class SavedViewAdmin(InspectOnly):
    """What people named of the review queue."""

    icon = "bookmark"
    list_display = ("name", "user", "query", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
