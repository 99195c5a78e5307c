"""The visitor's own account: name, password, second factors, and where they are signed in."""

from typing import Any

from allauth.mfa.models import Authenticator
from allauth.socialaccount.models import SocialAccount
from allauth.usersessions.internal.flows import sessions as flows
from allauth.usersessions.models import UserSession
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_http_methods, require_POST

from ace_project.console.accounts import events, hosts, sessions


class NameForm(forms.Form):
    """The name that others read."""

    name = forms.CharField(max_length=150, required=False)


# Whoever is signed in may, also without a role: it is about themselves alone.
@login_required
@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
def page(request: HttpRequest) -> HttpResponse:
    """Show the account; a posted name becomes the visitor's name."""
    if request.method == "POST":
        form = NameForm(request.POST)
        if form.is_valid():
            _rename(request, form.cleaned_data["name"])
        else:
            messages.error(request, "A name has at most 150 characters.")
        return redirect("console:account")
    context = {
        "places": sessions.places_of(request),
        "identities": SocialAccount.objects.filter(user=request.user).count(),
        "oidc": settings.ACE_OIDC,
        "invitation_hours": settings.ACE_INVITATION_HOURS,
        "session_ends": _span(settings.ACE_SESSION_HOURS),
        "idle_ends": _span(settings.ACE_SESSION_IDLE_HOURS),
        "passkey_host": hosts.for_passkeys(request),
        **_factors(request.user),
    }
    return render(request, "account.html", context)


def _span(hours: float) -> str:
    """Return a length of time in words: `7 days`, `24 hours`."""
    days = hours / 24
    if days >= 2 and days.is_integer():
        return f"{days:.0f} days"
    return f"{hours:g} hour{'' if hours == 1 else 's'}"


def _rename(request: HttpRequest, name: str) -> None:
    user: Any = request.user
    if name == user.get_full_name():
        return
    user.first_name, user.last_name = name, ""
    user.save(update_fields=["first_name", "last_name"])
    events.note("name_changed", user)
    messages.success(request, "Your name is changed.")


def _factors(user: Any) -> dict[str, Any]:
    """Return the visitor's second factors by kind, the codes as how many are left."""
    found = list(Authenticator.objects.filter(user=user).order_by("created_at"))
    of = {kind: [f for f in found if f.type == kind] for kind in Authenticator.Type.values}
    codes = of[Authenticator.Type.RECOVERY_CODES]
    return {
        "totp": next(iter(of[Authenticator.Type.TOTP]), None),
        "passkeys": of[Authenticator.Type.WEBAUTHN],
        "has_codes": bool(codes),
        "codes_left": len(codes[0].wrap().get_unused_codes()) if codes else 0,
        "has_factor": any(f.type != Authenticator.Type.RECOVERY_CODES for f in found),
    }


@login_required
@require_POST
def end_session(request: HttpRequest, pk: int) -> HttpResponse:
    """End one of the visitor's sessions; ending this one signs out."""
    session = UserSession.objects.filter(pk=pk, user=request.user).first()
    if session is None:
        raise Http404("there is no such session of yours")
    here = session.is_current()
    events.note("session_ended", request.user, sessions=1)
    flows.end_sessions(request, [session])
    if here:
        return redirect("account_login")
    messages.success(request, "That session is over.")
    return redirect("console:account")


@login_required
@require_POST
def end_others(request: HttpRequest) -> HttpResponse:
    """End every session of the visitor but this one."""
    others = UserSession.objects.filter(user=request.user)
    count = others.exclude(session_key=request.session.session_key).count()
    flows.end_other_sessions(request, request.user)
    if count:
        events.note("session_ended", request.user, sessions=count)
    messages.success(request, "You are signed in here alone.")
    return redirect("console:account")
