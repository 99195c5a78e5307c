"""What every view of the REST API starts from."""

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.http import HttpRequest, HttpResponse
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.views import APIView

from ace_project.core.api import auth
from ace_project.core.errors import AceError, InvalidInput, NotFound
from ace_project.core.tokens import Principal

S = TypeVar("S", bound=serializers.Serializer[Any])


class MethodNotAllowed(AceError):
    status = 405
    title = "Wrong method"


class ApiView(APIView):
    """A view that names the scope of each of its methods; authentication and JSON are settled."""

    scopes: ClassVar[Mapping[str, str]] = {}
    metadata_class = None

    @property
    def principal(self) -> Principal:
        """Return who calls."""
        return self.request.user  # type: ignore[return-value]

    def own(self, agent_id: str) -> str:
        """Return `agent_id` if the caller may know of it; raises NotFound otherwise."""
        auth.require_agent(self.principal, agent_id)
        return agent_id


def body(request: Request, shape: type[S]) -> dict[str, Any]:
    """Return the validated body; raises InvalidInput or ValidationError (400 with pointers)."""
    data = request.data
    if not isinstance(data, dict):
        message = "must be a JSON object"
        raise InvalidInput(f"the body {message}", [{"pointer": "", "message": message}])
    return _validated(shape, data)


def query(request: Request, shape: type[S]) -> dict[str, Any]:
    """Return the validated query parameters; raises ValidationError (400 with pointers)."""
    return _validated(shape, request.GET.dict())


def _validated(shape: type[S], data: dict[str, Any]) -> dict[str, Any]:
    serializer = shape(data=data)
    serializer.is_valid(raise_exception=True)
    found: dict[str, Any] = serializer.validated_data
    return found


def require_method(request: HttpRequest, *allowed: str) -> None:
    """Raise MethodNotAllowed (405) in a plain view."""
    if request.method not in allowed:
        raise MethodNotAllowed(f"use {' or '.join(allowed)}", allow=", ".join(allowed))


def nothing_here(request: HttpRequest, **kwargs: Any) -> HttpResponse:
    """Answer 404 for an address under the API's prefixes that has no route."""
    raise NotFound("there is nothing at this address")
