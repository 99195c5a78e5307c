"""What happens around sign-in, written into the system's audit chain."""

from typing import Any

from allauth.account import signals as account
from allauth.account.adapter import get_adapter
from allauth.account.internal.flows.login import get_authentication_records, record_authentication
from allauth.account.internal.userkit import get_user_by_username
from allauth.mfa import signals as factors
from allauth.mfa.models import Authenticator
from django.core.cache import cache
from django.db import transaction
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils import timezone

from playbooks import actors, audit

# So many wrong passwords or codes in so many seconds are a burst; the brake lets no more through.
BURST = 5
BURST_SECONDS = 300
# For who is not known by name: a name typed by a stranger may be somebody's password.
NOBODY = "an unknown name"


def note(event: str, user: Any, by: actors.Actor | None = None, **data: Any) -> None:
    """Record something about `user`, done by them where nobody else is named."""
    name = user.get_username()
    with transaction.atomic():
        audit.record(
            audit.SYSTEM,
            event,
            by or actors.person(name, user.pk),
            now=timezone.now(),
            subject=name,
            data=data,
        )


def failed(request: HttpRequest, username: str) -> None:
    """Count a wrong password or code; record a burst of them once."""
    known = get_user_by_username(username)
    address = get_adapter().get_client_ip(request)
    key = f"ace.failed:{known.pk if known else address}"
    cache.add(key, 0, BURST_SECONDS)
    if cache.incr(key) != BURST:
        return
    data = {"from": address, "tries": BURST, "minutes": BURST_SECONDS // 60}
    if known:
        note("sign_in_failed", known, actors.AUTOMATIC, **data)
        return
    with transaction.atomic():
        now = timezone.now()
        audit.record(
            audit.SYSTEM, "sign_in_failed", actors.AUTOMATIC, now=now, subject=NOBODY, data=data
        )


def refused_identity(request: HttpRequest, sociallogin: Any, reason: str) -> None:
    """Record an identity that the provider vouched for and nobody here is."""
    data = {"from": get_adapter().get_client_ip(request), "reason": reason}
    with transaction.atomic():
        audit.record(
            audit.SYSTEM,
            "sign_in_refused",
            actors.AUTOMATIC,
            now=timezone.now(),
            subject=str(sociallogin.account.uid)[:255],
            data=data,
        )


def _way(record: dict[str, Any]) -> str:
    """Return one step of a sign-in as a word: password, totp, webauthn, oidc, link."""
    return str(record.get("type") or record.get("provider") or record.get("method"))


@receiver(account.user_logged_in)
def signed_in(request: HttpRequest, user: Any, **_: Any) -> None:
    """Record a sign-in with the steps it took and where it came from."""
    ways = [_way(record) for record in get_authentication_records(request, user)]
    note("signed_in", user, by=None, ways=ways, **{"from": get_adapter().get_client_ip(request)})


@receiver([account.password_changed, account.password_set])
def password_changed(user: Any, **_: Any) -> None:
    """Record a new password."""
    note("password_changed", user)


@receiver(factors.authenticator_added)
def factor_added(request: HttpRequest, user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Record a new factor. Who has just shown it need not show it again to see the codes."""
    note("factor_added", user, factor=authenticator.type, name=str(authenticator))
    if authenticator.type != Authenticator.Type.RECOVERY_CODES:
        record_authentication(
            request, user, "mfa", id=authenticator.pk, type=authenticator.type, reauthenticated=True
        )


@receiver(factors.authenticator_removed)
def factor_removed(user: Any, authenticator: Authenticator, **_: Any) -> None:
    """Record that a factor is gone."""
    note("factor_removed", user, factor=authenticator.type, name=str(authenticator))


@receiver(factors.authenticator_reset)
def codes_renewed(user: Any, **_: Any) -> None:
    """Record new recovery codes; the old ones are void."""
    note("recovery_codes_renewed", user)


@receiver(factors.authentication_failed)
def code_refused(request: HttpRequest, user: Any, **_: Any) -> None:
    """Count a wrong code like a wrong password."""
    failed(request, user.get_username())
