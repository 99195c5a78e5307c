"""What granian serves in a benchmark: the product, and `/bare` without any middleware."""

from collections.abc import Callable, Iterable
from typing import Any

from django.core.handlers.wsgi import WSGIHandler
from django.test import override_settings

from ace_project.wsgi import application as _product

with override_settings(MIDDLEWARE=[]):
    # A handler reads the setting once, when it is made.
    _bare = WSGIHandler()


def application(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
    """Answer a request by the handler that its path asks for."""
    handler = _bare if environ["PATH_INFO"] == "/bare" else _product
    return handler(environ, start_response)
