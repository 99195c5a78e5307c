"""What a page's address asks for: text as PostgreSQL takes it, cut to a sensible length."""

from django.http import HttpRequest


def asked(request: HttpRequest, *names: str) -> dict[str, str]:
    """Return these query parameters, trimmed, at most 255 characters, empty where missing."""
    return {name: request.GET.get(name, "").replace("\x00", "").strip()[:255] for name in names}
