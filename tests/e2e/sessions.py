"""Browsers that are signed in without the form, which has tests of its own."""

import time
from typing import Any

from allauth.account.internal.flows.login import record_authentication
from django.contrib.auth import get_user_model
from django.http import HttpRequest
from django.test import Client

HOUR = 3600


def sign_in(context: Any, name: str, base_url: str, *, is_confirmed: bool = False) -> None:
    """Give a browser the session of a person; one who `is_confirmed` is not asked who it is."""
    client = Client()
    user = get_user_model()._default_manager.get(username=name)
    client.force_login(user)
    if is_confirmed:
        request = HttpRequest()
        request.user, request.session = user, client.session
        # A walk through all pages takes longer than a confirmation lasts.
        record_authentication(
            request, user, "password", reauthenticated=True, at=time.time() + HOUR
        )
        request.session.save()
    cookies = client.cookies.items()
    context.add_cookies([{"name": n, "value": m.value, "url": base_url} for n, m in cookies])
