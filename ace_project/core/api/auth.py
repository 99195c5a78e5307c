"""Who calls, what the token lets them do, and which agents exist for them."""

import time
from typing import Any

from django.http import HttpRequest
from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import BasePermission
from rest_framework.request import Request

from ace_project.core import tokens
from ace_project.core.errors import Forbidden, NotFound, Unauthenticated
from ace_project.core.tokens import Principal


def bearer(request: HttpRequest) -> Principal:
    """Return who the Authorization header stands for, revocation not yet checked (401 if nobody).

    For views that check revocation together with their own query; others call `authenticate`.
    """
    now = time.time()
    principal = tokens.principal(request.META.get("HTTP_AUTHORIZATION", ""), now)
    tokens.note_use(principal.jti, now)
    return principal


def authenticate(request: HttpRequest) -> Principal:
    """Return who calls; raises Unauthenticated, also for a token revoked a moment ago."""
    principal = bearer(request)
    if not tokens.is_live(principal.jti):
        raise Unauthenticated("the token has been revoked")
    return principal


def require(principal: Principal, scope: str) -> None:
    """Raise Forbidden where the token does not hold `scope`."""
    if scope not in principal.scopes:
        raise Forbidden(f"the token lacks the scope {scope}", scope=scope)


def require_agent(principal: Principal, agent_id: str) -> None:
    """Raise NotFound where the agent is another's: word for word as for one that never was."""
    if principal.agent_id is not None and principal.agent_id != agent_id:
        raise NotFound(f"there is no agent {agent_id!r}")


class TokenAuthentication(BaseAuthentication):
    """DRF's face of `authenticate`: `request.user` is a Principal."""

    def authenticate(self, request: Request) -> tuple[Any, None]:
        """Return the principal, or raise Unauthenticated: there are no anonymous calls."""
        return authenticate(request._request), None

    def authenticate_header(self, request: Request) -> str:
        """Return the challenge of a 401."""
        return 'Bearer realm="ace"'


class HoldsScope(BasePermission):
    """Let a call through whose token holds the scope that the view names for its method.

    A view says `scopes = {"GET": "playbooks:read", ...}`; a method it does not name is left to
    the 405 that follows.
    """

    def has_permission(self, request: Request, view: Any) -> bool:
        """Return True, or raise Forbidden naming the scope that is missing."""
        method = "GET" if request.method == "HEAD" else request.method
        scope = view.scopes.get(method)
        if scope is not None:
            require(request.user, scope)  # type: ignore[arg-type]
        return True
