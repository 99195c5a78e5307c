"""Who an identity of the OpenID Connect provider is here: one known person, or nobody."""

from typing import Any

from django.conf import settings
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.utils.crypto import constant_time_compare

from ace_project.console.accounts import events
from ace_project.core.errors import Forbidden

MOST_ALIKE = 10


def admit(request: HttpRequest, sociallogin: Any) -> None:
    """Connect a new identity to its person; raises Forbidden for whom nobody here knows.

    Known is whom it was connected to before, or the one person who has its verified e-mail address.
    Others become a person without a role where ACE_OIDC_SIGN_UP is on.
    """
    _check_claims(sociallogin)
    if sociallogin.is_existing:
        return
    people = get_user_model()._default_manager
    addresses = [a.email for a in sociallogin.email_addresses if a.verified is True and a.email]
    if not addresses:
        raise Forbidden("the identity provider vouches for no e-mail address of yours")
    # PostgreSQL takes more letters for alike than people do: its upper case of both ı and i is I.
    alike = people.filter(email__iexact=addresses[0])[:MOST_ALIKE]
    found = [person for person in alike if person.email.lower() == addresses[0].lower()]
    if len(found) == 1 and found[0].is_active:
        sociallogin.connect(request, found[0])
        events.note("identity_connected", found[0], provider=sociallogin.account.provider)
    elif found or not settings.ACE_OIDC_SIGN_UP:
        raise Forbidden("nobody here has your e-mail address; ask an admin to invite you with it")


def _check_claims(sociallogin: Any) -> None:
    """Refuse a token made for another sign-in than this one, and a profile of somebody else."""
    claims = sociallogin.account.extra_data
    token = claims.get("id_token")
    nonce = sociallogin.state.get("nonce")
    if not token or not nonce or not constant_time_compare(str(token.get("nonce", "")), nonce):
        raise Forbidden("the identity provider's answer belongs to another sign-in; try again")
    if str(claims.get("userinfo", token).get("sub")) != str(token.get("sub")):
        raise Forbidden("the identity provider's answers are about two different people")
