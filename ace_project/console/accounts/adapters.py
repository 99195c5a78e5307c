"""What allauth asks of us: who may come in, by which brake, and how secrets are kept."""

from base64 import urlsafe_b64encode
from hashlib import sha256
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter
from allauth.core.exceptions import ImmediateHttpResponse
from allauth.mfa.adapter import DefaultMFAAdapter
from allauth.socialaccount.adapter import DefaultSocialAccountAdapter
from cryptography.fernet import Fernet, MultiFernet
from django.conf import settings
from django.http import HttpRequest
from django.shortcuts import render
from django.utils.encoding import force_bytes

from ace_project.console.accounts import events, identities
from ace_project.core.errors import Forbidden


class AccountAdapter(DefaultAccountAdapter):
    """Sign-in by name and password; nobody signs up, and failures are told to the audit log."""

    error_messages = {
        **DefaultAccountAdapter.error_messages,
        "username_password_mismatch": "The user name or the password is wrong.",
        "too_many_login_attempts": "Too many wrong tries. Wait five minutes, then try again.",
        "incorrect_password": "The password is wrong.",
        "enter_current_password": "That is not your present password.",
    }

    def is_open_for_signup(self, request: HttpRequest) -> bool:
        """People are invited by an admin."""
        return False

    def _get_login_attempts_cache_key(self, request: HttpRequest, **credentials: Any) -> str:
        """Return what the brake counts by: the name alone, whatever host and port were asked for.

        Allauth counts for each `Host` apart, and a client may write any port into that.
        """
        return f"name:{str(credentials.get('username', '')).lower()}"

    def authentication_failed(self, request: HttpRequest, **credentials: Any) -> None:
        """Count the wrong password; many in a row are recorded."""
        events.failed(request, str(credentials.get("username", "")))

    def send_notification_mail(self, *args: Any, **kwargs: Any) -> None:
        """There is no mail server; the audit log and the account page tell what changed."""


class IdentityAdapter(DefaultSocialAccountAdapter):
    """Sign-in through the identity provider: as somebody known, or not at all."""

    def pre_social_login(self, request: HttpRequest, sociallogin: Any) -> None:
        """Connect the identity to the one person it belongs to, or refuse it."""
        try:
            identities.admit(request, sociallogin)
        except Forbidden as refusal:
            events.refused_identity(request, sociallogin, refusal.detail)
            page = render(
                request, "account/refused.html", {"reason": refusal.detail}, status=refusal.status
            )
            raise ImmediateHttpResponse(page) from refusal

    def is_open_for_signup(self, request: HttpRequest, sociallogin: Any) -> bool:
        """`admit` refused already whom nobody knows, unless ACE_OIDC_SIGN_UP is on."""
        return bool(settings.ACE_OIDC_SIGN_UP)


class FactorAdapter(DefaultMFAAdapter):
    """Second factors; secrets are encrypted by SECRET_KEY before they reach the database."""

    error_messages = {
        **DefaultMFAAdapter.error_messages,
        "incorrect_code": "That is wrong, or was used before.",
    }

    def encrypt(self, text: str) -> str:
        """Return `text` as a token that only this installation's key opens."""
        return _cipher().encrypt(text.encode()).decode()

    def decrypt(self, encrypted_text: str) -> str:
        """Return what `encrypt` was given, also under a key of SECRET_KEY_FALLBACKS."""
        return _cipher().decrypt(encrypted_text.encode()).decode()

    def generate_authenticator_name(self, user: Any, type: Any) -> str:
        """Return the name offered for a new passkey."""
        return f"Passkey {user.authenticator_set.filter(type=type).count() + 1}"


def _cipher() -> MultiFernet:
    keys = (settings.SECRET_KEY, *settings.SECRET_KEY_FALLBACKS)
    digests = (sha256(b"ace.second-factor" + force_bytes(key)).digest() for key in keys)
    return MultiFernet([Fernet(urlsafe_b64encode(digest)) for digest in digests])
