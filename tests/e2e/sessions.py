"""Browsers that are signed in without the form, which has tests of its own."""

from typing import Any

from django.contrib.auth import get_user_model
from django.test import Client


def sign_in(context: Any, name: str, base_url: str) -> None:
    """Give a browser the session of a person."""
    client = Client()
    client.force_login(get_user_model()._default_manager.get(username=name))
    cookies = client.cookies.items()
    context.add_cookies([{"name": n, "value": m.value, "url": base_url} for n, m in cookies])
