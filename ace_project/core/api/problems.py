"""Errors as RFC 9457 problem documents: one mapping for every protocol face of the API."""

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

from django.db import DataError, IntegrityError, InterfaceError, OperationalError
from django.http import Http404, HttpResponse, UnreadablePostError
from django.http.multipartparser import MultiPartParserError
from rest_framework import exceptions

from ace_project.core.api.render import dumps
from ace_project.core.errors import (
    AceError,
    Conflict,
    InvalidInput,
    NotFound,
    QueueFull,
    Unauthenticated,
    Unavailable,
)

logger = logging.getLogger(__name__)

MEDIA_TYPE = "application/problem+json"
RETRY_SECONDS = 2
# What an error says beside its detail, where HTTP has a header for it.
_AS_HEADERS = {"retry_after": "Retry-After", "allow": "Allow"}


@dataclass(frozen=True, slots=True)
class Problem:
    """What is told of an error: `body` is the document, `headers` go beside it."""

    status: int
    body: dict[str, Any]
    headers: dict[str, str] = field(default_factory=dict)

    def response(self) -> HttpResponse:
        """Return the document as an HTTP answer."""
        return HttpResponse(
            dumps(self.body), status=self.status, content_type=MEDIA_TYPE, headers=self.headers
        )


def _kind(name: str) -> str:
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", name).lower()
    return f"urn:ace:problem:{words}"


def of(error: Exception) -> Problem:
    """Return the problem that stands for `error`.

    What is not a domain error, an input error of DRF or the database being away is logged with its
    traceback and told as a 500 without any of its text.
    """
    if isinstance(error, AceError):
        return _of_ours(error)
    if isinstance(error, exceptions.APIException):
        return _of_drf(error)
    if isinstance(error, Http404):
        return _of_ours(NotFound("there is nothing at this address"))
    if isinstance(error, OperationalError | InterfaceError):
        logger.warning("the database did not answer: %s", error)
        return _of_ours(Unavailable("the database does not answer; try again"))
    if isinstance(error, IntegrityError):
        # Two calls met: an agent erased while something of it was written, say.
        logger.warning("the database refused a combination: %s", error)
        return _of_ours(Conflict("it changed at the same moment; try again", retry_after=1))
    if isinstance(error, DataError):
        logger.warning("the database refused a value: %s", error)
        return _of_ours(InvalidInput("a value cannot be stored"))
    if isinstance(error, UnreadablePostError | MultiPartParserError):
        return _of_ours(InvalidInput("the body could not be read to its end"))
    logger.error("an unexpected error in the API", exc_info=error)
    return _document("InternalError", 500, "Something went wrong on our side", "it was recorded")


def _document(kind: str, status: int, title: str, detail: str, **extra: Any) -> Problem:
    body = {"type": _kind(kind), "title": title, "status": status, "detail": detail, **extra}
    return Problem(status, body)


def _of_ours(error: AceError) -> Problem:
    extra = dict(error.extra)
    headers = {}
    if isinstance(error, InvalidInput):
        extra["errors"] = error.errors or [{"pointer": "", "message": error.detail}]
    elif isinstance(error, Unauthenticated):
        headers["WWW-Authenticate"] = 'Bearer realm="ace"'
    elif isinstance(error, Unavailable | QueueFull):
        extra.setdefault("retry_after", RETRY_SECONDS)
    for name, header in _AS_HEADERS.items():
        if name in extra:
            headers[header] = str(extra.pop(name))
    found = _document(type(error).__name__, error.status, error.title, error.detail)
    # A domain's own words never replace the members that RFC 9457 defines.
    return Problem(error.status, {**found.body, **extra, **found.body}, headers)


def _of_drf(error: exceptions.APIException) -> Problem:
    if isinstance(error, exceptions.ValidationError):
        errors = list(_pointed(error.detail, ""))
        return _of_ours(InvalidInput("the input has the wrong shape", errors))
    if isinstance(error, exceptions.ParseError):
        return _of_ours(InvalidInput(str(error.detail)))
    if isinstance(error, exceptions.NotAuthenticated | exceptions.AuthenticationFailed):
        return _of_ours(Unauthenticated("send 'Authorization: Bearer <token>'"))
    if isinstance(error, exceptions.NotFound):
        return _of_ours(NotFound("there is nothing at this address"))
    title = HTTPStatus(error.status_code).phrase
    return _document(type(error).__name__, error.status_code, title, str(error.detail))


def _pointed(detail: Any, pointer: str) -> Iterator[Mapping[str, str]]:
    """Flatten DRF's nested messages to `{pointer, message}`, depth first."""
    if isinstance(detail, Mapping):
        for key, value in detail.items():
            token = str(key).replace("~", "~0").replace("/", "~1")
            yield from _pointed(
                value, pointer if key == "non_field_errors" else f"{pointer}/{token}"
            )
    elif isinstance(detail, list):
        for index, value in enumerate(detail):
            yield from _pointed(value, pointer if isinstance(value, str) else f"{pointer}/{index}")
    else:
        yield {"pointer": pointer, "message": str(detail)}


def exception_handler(error: Exception, context: Mapping[str, Any]) -> HttpResponse:
    """Answer for whatever a DRF view raised."""
    return of(error).response()
