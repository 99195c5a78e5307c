"""What drf-spectacular cannot see by itself: problems, tokens and idempotency keys."""

from typing import Any

from drf_spectacular.extensions import OpenApiAuthenticationExtension
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse

from ace_project.core.api.problems import MEDIA_TYPE

ERRORS = {
    "400": "The input is not valid; `errors` says where",
    "401": "A valid token is needed",
    "403": "The token lacks the scope",
    "404": "There is nothing here, or it is another agent's",
    "405": "Wrong method",
    "406": "JSON is all there is",
    "409": "It conflicts with the present state",
    "413": "The body is over 20 MB",
    "415": "The body is not JSON",
    "503": "The database does not answer; try again",
}
WRITING = {"411": "The body needs a Content-Length"}
PROBLEM = {
    "type": "object",
    "description": "RFC 9457; domain errors add members of their own.",
    "required": ["type", "title", "status", "detail"],
    "properties": {
        "type": {"type": "string", "example": "urn:ace:problem:invalid-input"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "required": ["pointer", "message"],
                "properties": {"pointer": {"type": "string"}, "message": {"type": "string"}},
            },
        },
    },
}
_PROBLEM = {"$ref": "#/components/schemas/Problem"}
LIST_PARAMETERS = [
    OpenApiParameter(
        "limit",
        {"type": "integer", "minimum": 1, "maximum": 200, "default": 100},
        description="rows of a page",
    ),
    OpenApiParameter("cursor", str, description="`next` of the page before"),
]
IF_NONE_MATCH = OpenApiParameter(
    "If-None-Match", str, OpenApiParameter.HEADER, description="an ETag: 304 if it is still live"
)
IF_MATCH = OpenApiParameter(
    "If-Match", str, OpenApiParameter.HEADER, description="an ETag: 412 if it is not live any more"
)
IDEMPOTENCY_KEY = {
    "name": "Idempotency-Key",
    "in": "header",
    "description": "Repeated with the same body it gets the first answer; with another, a 422.",
    "schema": {"type": "string", "minLength": 1, "maxLength": 255},
}


class TokenScheme(OpenApiAuthenticationExtension):
    """Describes `Authorization: Bearer <JWT>`."""

    target_class = "ace_project.core.api.auth.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        """Return the security scheme."""
        return {"type": "http", "scheme": "bearer", "bearerFormat": "JWT"}


def problem(status: int, words: str) -> dict[Any, OpenApiResponse]:
    """Return a problem that only some operations answer with, for their `responses`."""
    return {(status, MEDIA_TYPE): OpenApiResponse(_PROBLEM, description=words)}


def only_api_v1(endpoints: list[Any], **kwargs: Any) -> list[Any]:
    """Leave out the second prefix: it has the same routes."""
    return [endpoint for endpoint in endpoints if endpoint[0].startswith("/api/v1/")]


def tell_problems(
    result: dict[str, Any], generator: Any, request: Any, public: bool
) -> dict[str, Any]:
    """Add to every operation the problems it may answer with, and the key that POSTs take."""
    result.setdefault("components", {}).setdefault("schemas", {})["Problem"] = PROBLEM
    for operations in result["paths"].values():
        for method, operation in operations.items():
            _complete(method, operation)
    return result


def _complete(method: str, operation: dict[str, Any]) -> None:
    errors = dict(ERRORS)
    if method in ("post", "patch"):
        errors |= WRITING
    if method == "patch":
        errors["412"] = "It has changed since you read it"
    if method == "post":
        errors["422"] = "The Idempotency-Key came with another body before"
        operation.setdefault("parameters", []).append(IDEMPOTENCY_KEY)
    document = {MEDIA_TYPE: {"schema": _PROBLEM}}
    for status, words in errors.items():
        operation["responses"].setdefault(status, {"description": words, "content": document})
