"""A link that signs an operator in once: printed by `make run`, dead after its first use."""

from typing import Any

from django.contrib.auth import get_user_model, login
from django.contrib.auth.tokens import PasswordResetTokenGenerator
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.http import require_safe


class OneTimeTokens(PasswordResetTokenGenerator):
    """Tokens over the user's last sign-in: the sign-in that uses one makes it invalid."""

    key_salt = "ace.one-time-sign-in"


_tokens = OneTimeTokens()


def one_time_path(user: Any) -> str:
    """Return the address that signs `user` in, once."""
    return reverse("sign-in-once", args=[user.pk, _tokens.make_token(user)])


@require_safe
def sign_in_once(request: HttpRequest, pk: int, token: str) -> HttpResponse:
    """Sign in by a one-time link; a used or made-up one says so."""
    people = get_user_model()._default_manager
    with transaction.atomic():
        # Locked, so that of two clicks at once one signs in.
        user = people.select_for_update().filter(pk=pk, is_active=True).first()
        if user is None or not _tokens.check_token(user, token):
            return render(request, "registration/link_used.html", status=403)
        login(request, user, backend="django.contrib.auth.backends.ModelBackend")
    return redirect("console:overview")
