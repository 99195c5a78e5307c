"""The one small tree of domain errors; one handler per protocol turns them into answers."""

from collections.abc import Mapping, Sequence
from typing import Any


class AceError(Exception):
    """Something the caller can understand and act on; `detail` is safe to show."""

    status = 500
    title = "The request could not be carried out"

    def __init__(self, detail: str, **extra: Any) -> None:
        super().__init__(detail)
        self.detail = detail
        self.extra: Mapping[str, Any] = extra


class InvalidInput(AceError):
    """The input has the wrong shape; `errors` is a list of `{pointer, message}`."""

    status = 400
    title = "The input is not valid"

    def __init__(self, detail: str, errors: Sequence[Mapping[str, str]] = (), **extra: Any) -> None:
        super().__init__(detail, **extra)
        self.errors = [dict(error) for error in errors]


class Unauthenticated(AceError):
    status = 401
    title = "A valid token is needed"


class Forbidden(AceError):
    status = 403
    title = "Not allowed"


class NotFound(AceError):
    status = 404
    title = "Not found"


class Conflict(AceError):
    status = 409
    title = "It conflicts with the present state"


class PreconditionFailed(AceError):
    status = 412
    title = "It has changed since you read it"


class TooLarge(AceError):
    status = 413
    title = "The body is too large"


class UnsupportedMedia(AceError):
    status = 415
    title = "The body is of another kind than JSON"


class IdempotencyMismatch(AceError):
    status = 422
    title = "The idempotency key was used with another body"


class QueueFull(AceError):
    status = 429
    title = "The queue is full"


class Unavailable(AceError):
    status = 503
    title = "Not available at this moment"
