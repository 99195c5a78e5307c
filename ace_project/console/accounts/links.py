"""Links that sign in once, or let a person choose a password; dead after their first use."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.core import signing
from django.urls import reverse
from django.utils.crypto import constant_time_compare, salted_hmac

from playbooks.audit import SYSTEM
from playbooks.models import AuditEvent

# Whatever link there was before these is dead: it may have gone to the wrong person.
_VOIDING = ("password_link_issued", "person_deactivated")
_INVITATION = "ace.invitation"


class OneTimeTokens(PasswordResetTokenGenerator):
    """Tokens over the user's last sign-in: the sign-in that uses one makes it invalid."""

    key_salt = "ace.one-time-sign-in"


ONE_TIME = OneTimeTokens()


def one_time_path(user: Any) -> str:
    """Return the address that signs `user` in, once."""
    return reverse("sign-in-once", args=[user.pk, ONE_TIME.make_token(user)])


def invitation_path(user: Any) -> str:
    """Return the address at which `user` chooses a password, once and for some days."""
    value = {"person": user.pk, "state": _state(user)}
    return reverse("invited", args=[signing.dumps(value, salt=_INVITATION)])


def invited(token: str) -> Any:
    """Return the active person of an invitation that still holds, None for any other text.

    Call it in a transaction: the person's row is locked, so that a link is used once.
    """
    try:
        value = signing.loads(token, salt=_INVITATION, max_age=settings.ACE_INVITATION_HOURS * 3600)
    except signing.BadSignature:
        return None
    people = get_user_model()._default_manager.select_for_update()
    user = people.filter(pk=value["person"], is_active=True).first()
    return user if user and constant_time_compare(_state(user), value["state"]) else None


def _state(user: Any) -> str:
    """Return what a new password, any sign-in, a newer link and a deactivation change."""
    seen = user.last_login.isoformat() if user.last_login else ""
    rows = AuditEvent.objects.filter(chain=SYSTEM, event__in=_VOIDING, subject=user.get_username())
    voided = rows.order_by("-pk").values_list("pk", flat=True).first()
    return salted_hmac(_INVITATION, f"{user.pk}|{user.password}|{seen}|{voided}").hexdigest()
