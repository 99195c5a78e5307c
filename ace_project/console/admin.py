"""Django admin for what allauth keeps of people: to look at, without secrets."""

from allauth.account.models import EmailAddress
from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount, SocialApp, SocialToken
from allauth.usersessions.models import UserSession
from django.contrib import admin

from ace_project.core.admin import InspectOnly

# Providers come from the environment, and their tokens are not kept.
for model in (EmailAddress, Authenticator, SocialAccount, SocialApp, SocialToken, UserSession):
    if admin.site.is_registered(model):
        admin.site.unregister(model)


@admin.register(Authenticator)
class AuthenticatorAdmin(InspectOnly):
    list_display = ("user", "type", "created_at", "last_used_at")
    list_filter = ("type",)
    list_select_related = ("user",)
    search_fields = ("user__username",)
    # Holds the secret, encrypted, or the public key.
    exclude = ("data",)
    large_fields = ("data",)


@admin.register(SocialAccount)
class IdentityAdmin(InspectOnly):
    list_display = ("user", "provider", "uid", "date_joined", "last_login")
    list_select_related = ("user",)
    search_fields = ("user__username", "uid")
    exclude = ("extra_data",)
    large_fields = ("extra_data",)


@admin.register(UserSession)
class UserSessionAdmin(InspectOnly):
    list_display = ("user", "ip", "created_at", "last_seen_at")
    list_select_related = ("user",)
    search_fields = ("user__username", "ip")
    # Whoever knows a session's key has the session.
    exclude = ("session_key", "data")
