"""Codes of an authenticator app: right, and never used before."""

from hashlib import sha256
from typing import Any

from allauth.core.internal.cryptokit import normalize_user_code
from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.core.cache import cache


def _take(authenticator: Authenticator, code: str) -> None:
    """Refuse a code that was used while it counts; allauth remembers it for one period only."""
    periods = 2 * app_settings.TOTP_TOLERANCE + 1
    if not cache.add(_key(authenticator.user_id, code), True, periods * app_settings.TOTP_PERIOD):
        raise get_adapter().validation_error("incorrect_code")


def _refuse_used(user: Any, code: str) -> None:
    """Refuse a code that was used, before it is found right: that would end the brake's count."""
    if cache.get(_key(user.pk, code)):
        raise get_adapter().validation_error("incorrect_code")


def _key(user_id: int, code: str) -> str:
    # Read as allauth reads it: 123-456 is 123456.
    digest = sha256(normalize_user_code(code).encode()).hexdigest()
    return f"ace.code-used:{user_id}:{digest}"


class CodeForm(AuthenticateForm):
    """The second step of a sign-in."""

    def clean_code(self) -> str:
        """Return the code, which nobody used before."""
        _refuse_used(self.user, self.cleaned_data["code"])
        code: str = super().clean_code()
        _take(self.authenticator, code)
        return code


class CodeAgainForm(ReauthenticateForm):
    """The code once more, before something is changed."""

    def clean_code(self) -> str:
        """Return the code, which nobody used before."""
        _refuse_used(self.user, self.cleaned_data["code"])
        code: str = super().clean_code()
        _take(self.authenticator, code)
        return code
