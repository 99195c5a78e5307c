"""Answers in fewer bytes: pages, styles and scripts; pictures and fonts are compressed already."""

from typing import Any

from django.http import HttpRequest
from django.middleware.gzip import GZipMiddleware

_KINDS = ("application/javascript", "application/json", "image/svg+xml")
# Of a part, the byte positions are those of the whole file as it is; nothing is left to compress.
_AS_THEY_ARE = (206, 304)


class CompressionMiddleware(GZipMiddleware):
    """Compresses text for whoever accepts it, stylesheets and scripts of `make run` included.

    Stands outside whitenoise, which in production sends files that were compressed before. Secrets
    cannot be guessed by the length of a page: it varies, and so does the token in its forms.
    """

    def process_response(self, request: HttpRequest, response: Any) -> Any:
        """Return the answer, compressed where it is text."""
        kind = response.headers.get("Content-Type", "").partition(";")[0]
        if response.status_code in _AS_THEY_ARE or not kind.startswith(("text/", *_KINDS)):
            return response
        return super().process_response(request, response)
