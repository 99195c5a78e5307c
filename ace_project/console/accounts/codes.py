"""Codes of an authenticator app: right, and never used before."""

from allauth.mfa import app_settings
from allauth.mfa.adapter import get_adapter
from allauth.mfa.base.forms import AuthenticateForm, ReauthenticateForm
from allauth.mfa.models import Authenticator
from django.core.cache import cache


def _take(authenticator: Authenticator, code: str) -> None:
    """Refuse a code that was used while it counts; allauth remembers it for one period only."""
    periods = 2 * app_settings.TOTP_TOLERANCE + 1
    key = f"ace.code-used:{authenticator.user_id}:{code}"
    if not cache.add(key, True, periods * app_settings.TOTP_PERIOD):
        raise get_adapter().validation_error("incorrect_code")


class CodeForm(AuthenticateForm):
    """The second step of a sign-in."""

    def clean_code(self) -> str:
        """Return the code, which nobody used before."""
        code: str = super().clean_code()
        _take(self.authenticator, code)
        return code


class CodeAgainForm(ReauthenticateForm):
    """The code once more, before something is changed."""

    def clean_code(self) -> str:
        """Return the code, which nobody used before."""
        code: str = super().clean_code()
        _take(self.authenticator, code)
        return code
