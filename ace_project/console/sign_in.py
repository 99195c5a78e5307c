"""Signing in without a password: by the link that `make run` prints, or to choose a password."""

from typing import Any

from allauth.account.forms import SetPasswordForm
from allauth.account.internal.flows.login import perform_login, record_authentication
from allauth.account.models import Login
from allauth.account.signals import user_logged_in
from django.contrib.auth import get_user_model, login, logout
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.debug import sensitive_post_parameters
from django.views.decorators.http import require_http_methods, require_safe

from ace_project.console.accounts import events, links

BACKEND = "django.contrib.auth.backends.ModelBackend"


@require_safe
@never_cache
def sign_in_once(request: HttpRequest, pk: int, token: str) -> HttpResponse:
    """Sign in by a one-time link; a used or made-up one says so.

    No second factor is asked for: only who owns the machine can print such a link.
    """
    people = get_user_model()._default_manager
    with transaction.atomic():
        # Locked, so that of two clicks at once one signs in.
        user = people.select_for_update().filter(pk=pk, is_active=True).first()
        if user is None or not links.ONE_TIME.check_token(user, token):
            return _used(request)
        login(request, user, backend=BACKEND)
    record_authentication(request, user, "link")
    user_logged_in.send(sender=type(user), request=request, response=None, user=user)
    return redirect("console:overview")


@require_http_methods(["GET", "HEAD", "POST"])
@never_cache
@sensitive_post_parameters()
def invited(request: HttpRequest, token: str) -> HttpResponse:
    """Let an invited person choose a password, and go on as any sign-in does.

    Looking at the page uses nothing up: a chat that previews the link does no harm.
    """
    with transaction.atomic():
        user = links.invited(token)
        if user is None:
            return _used(request)
        form = SetPasswordForm(user, request.POST if request.method == "POST" else None)
        if not form.is_valid():
            status = 400 if form.is_bound else 200
            context = {"form": form, "person": user}
            return render(request, "account/invited.html", context, status=status)
        form.save()
    return _go_on(request, user)


def _go_on(request: HttpRequest, user: Any) -> HttpResponse:
    """Sign in after the choice of a password; who has a second factor is asked for it."""
    # Whoever was signed in in this browser was somebody else, or has a session of the old password.
    logout(request)
    events.password_changed(user=user)
    record_authentication(request, user, "invitation")
    return perform_login(request, Login(user=user, email=None))


def _used(request: HttpRequest) -> HttpResponse:
    return render(request, "registration/link_used.html", status=403)
