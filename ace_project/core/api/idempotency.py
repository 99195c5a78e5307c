"""`Idempotency-Key` on POST: key, effect and answer commit together, or none of them does."""

import hashlib
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.db import connection, transaction
from django.http import HttpRequest, HttpResponse
from rest_framework.request import Request
from rest_framework.response import Response

from ace_project.core.api.render import dumps
from ace_project.core.errors import Conflict, IdempotencyMismatch, InvalidInput
from ace_project.core.models import IdempotencyKey

MAX_KEY = 255
_KEPT_HEADERS = ("Location", "ETag")
# The lock of a key: until the transaction ends, or until it is let go; never waited for.
_TRY_IN_TRANSACTION = "SELECT pg_try_advisory_xact_lock(hashtextextended(%s, 11))"
_TRY = "SELECT pg_try_advisory_lock(hashtextextended(%s, 11))"
_LET_GO = "SELECT pg_advisory_unlock(hashtextextended(%s, 11))"


Handler = Callable[..., Any]


def once(handler: Handler) -> Handler:
    """Let a DRF view's `post` run once per key and token; the repeated call gets the first answer.

    An answer that the handler returns is kept, whatever its status. One that it raises is not:
    its effect was rolled back, so that the same key may be tried again.
    """
    return _guarded(handler, run_once)


def once_alone(handler: Handler) -> Handler:
    """Do as `once` for a `post` whose effect commits on its own; see `run_alone`."""
    return _guarded(handler, run_alone)


def _guarded(handler: Handler, run: Callable[..., HttpResponse | Response]) -> Handler:
    @wraps(handler)
    def guarded(view: Any, request: Request, *args: Any, **kwargs: Any) -> Any:
        key = request.headers.get("Idempotency-Key")
        if key is None:
            return handler(view, request, *args, **kwargs)
        return run(
            request._request,
            request.user.jti,  # type: ignore[union-attr]
            key,
            lambda: handler(view, request, *args, **kwargs),
        )

    guarded.takes_idempotency_key = True  # type: ignore[attr-defined]
    return guarded


def run_once(
    request: HttpRequest, token: str, key: str, answer: Callable[[], HttpResponse | Response]
) -> HttpResponse | Response:
    """Return `answer()`, or what it returned when this token first sent this key.

    Raises InvalidInput for a key that is empty or over 255 characters, IdempotencyMismatch for
    another body, Conflict while the first call is still running.
    """
    body_hash = _checked(request, key)
    with transaction.atomic():
        if not _ask(_TRY_IN_TRANSACTION, token, key):
            raise _still_running()
        return _answered(token, key, body_hash, answer)


def run_alone(
    request: HttpRequest, token: str, key: str, answer: Callable[[], HttpResponse | Response]
) -> HttpResponse | Response:
    """Do as `run_once` for an effect that commits on its own, such as spending money.

    No transaction is held meanwhile, so that a process that dies between the effect and its
    answer leaves no key: the repeated call then happens again.
    """
    body_hash = _checked(request, key)
    if not _ask(_TRY, token, key):
        raise _still_running()
    try:
        return _answered(token, key, body_hash, answer)
    finally:
        _ask(_LET_GO, token, key)


def _checked(request: HttpRequest, key: str) -> str:
    """Return the fingerprint of a request whose key can be kept; raises InvalidInput."""
    if not 1 <= len(key) <= MAX_KEY or "\x00" in key:
        raise InvalidInput(f"an Idempotency-Key has 1 to {MAX_KEY} characters")
    # Read before DRF does, which then parses the same bytes.
    return _fingerprint(request.method or "", request.path_info, request.body)


def _fingerprint(method: str, path: str, body: bytes) -> str:
    digest = hashlib.sha256(f"{method} {path}\n".encode())
    digest.update(body)
    return digest.hexdigest()


def _ask(question: str, token: str, key: str) -> bool:
    """Return what PostgreSQL answers about the key's lock."""
    with connection.cursor() as cursor:
        cursor.execute(question, [f"{token} {key}"])
        (answer,) = cursor.fetchone()
    return bool(answer)


def _still_running() -> Conflict:
    return Conflict("the first call with this Idempotency-Key is still running", retry_after=1)


def _answered(
    token: str, key: str, body_hash: str, answer: Callable[[], HttpResponse | Response]
) -> HttpResponse | Response:
    """Return the answer kept under a key that is held, or `answer()` once it is kept."""
    earlier = IdempotencyKey.objects.filter(token=token, key=key).first()
    if earlier is not None:
        return _again(earlier, body_hash)
    response = answer()
    _keep(token, key, body_hash, response)
    return response


def _again(earlier: IdempotencyKey, body_hash: str) -> HttpResponse:
    if earlier.body_hash != body_hash:
        raise IdempotencyMismatch("this Idempotency-Key came with another body before")
    kept: dict[str, Any] = earlier.body or {}
    response = HttpResponse(kept["text"], status=earlier.status, content_type=kept["type"])
    for name, value in kept["headers"].items():
        response[name] = value
    response["Idempotency-Replayed"] = "true"
    return response


def _keep(token: str, key: str, body_hash: str, response: HttpResponse | Response) -> None:
    """Store an answer as the text it is: jsonb would reorder a playbook's sections."""
    if isinstance(response, Response):
        text, kind = dumps(response.data).decode(), "application/json"
    else:
        text, kind = response.content.decode(), response["Content-Type"]
    headers = {name: response[name] for name in _KEPT_HEADERS if name in response}
    IdempotencyKey.objects.create(
        token=token,
        key=key,
        body_hash=body_hash,
        status=response.status_code,
        body={"text": text, "type": kind, "headers": headers},
    )
