"""The outermost layer of the API: its own short chain, its limits, and no error that leaks.

Console pages need sessions, CSRF, messages and CSP; API calls need none of them, and the stock
stack alone costs a third of a bare view's throughput. So API paths are resolved and answered here.
"""

from collections.abc import Callable

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.template.response import SimpleTemplateResponse
from django.urls import get_resolver

from ace_project.core.api import problems
from ace_project.core.errors import AceError, Forbidden, TooLarge, UnsupportedMedia

PREFIXES = ("/api/", "/internal/context/")
PROBES = frozenset({"/healthz", "/readyz", "/metrics"})
# A page for people: it keeps the console's headers.
PAGES = frozenset({"/api/docs/"})
_WITH_BODY = frozenset({"POST", "PUT", "PATCH"})


class LengthRequired(AceError):
    status = 411
    title = "The body needs a Content-Length"


class ApiBoundaryMiddleware:
    """Answer API paths without the middleware below; pass every other request on."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponseBase]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponseBase:
        """Return the answer; for an API path always JSON, whatever went wrong."""
        path = request.path_info
        if path not in PROBES and (not path.startswith(PREFIXES) or path in PAGES):
            return self._page(request)
        try:
            if path not in PROBES:
                _refuse(request)
            response = _answer(request)
        except Exception as error:  # noqa: BLE001  the API's edge: `of` logs what is unexpected
            response = problems.of(error).response()
        response["X-Content-Type-Options"] = "nosniff"
        return response

    def _page(self, request: HttpRequest) -> HttpResponseBase:
        """Answer a page; Django limits forms but not files, which it spools for strangers too."""
        length = request.META.get("CONTENT_LENGTH") or "0"
        if length.isdigit() and int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return HttpResponse("The form is too large.", status=413, content_type="text/plain")
        return self.get_response(request)


def _answer(request: HttpRequest) -> HttpResponse:
    match = get_resolver().resolve(request.path_info)
    request.resolver_match = match
    response = match.func(request, *match.args, **match.kwargs)
    if isinstance(response, SimpleTemplateResponse) and not response.is_rendered:
        response = response.render()
    return response


def _refuse(request: HttpRequest) -> None:
    """Raise for a request that is not worth reading: its body is left unread."""
    if settings.SECURE_SSL_REDIRECT and not request.is_secure():
        raise Forbidden("a token was sent in the clear, or would be: use https")
    if request.method not in _WITH_BODY:
        return
    meta = request.META
    length = meta.get("CONTENT_LENGTH") or "0"
    if not length.isdigit() or "HTTP_TRANSFER_ENCODING" in meta:
        raise LengthRequired("send the whole body with a Content-Length")
    if int(length) > settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
        megabytes = settings.DATA_UPLOAD_MAX_MEMORY_SIZE // 2**20
        raise TooLarge(f"a body has at most {megabytes} MB")
    if length == "0":
        return
    if request.content_type != "application/json" or "HTTP_CONTENT_ENCODING" in meta:
        raise UnsupportedMedia("send the body as application/json, not compressed")
    if (request.content_params or {}).get("charset", "utf-8").lower() not in ("utf-8", "utf8"):
        raise UnsupportedMedia("send the body in UTF-8")
