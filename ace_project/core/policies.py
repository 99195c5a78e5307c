"""Content security policies: one for all pages, and a looser one only where its path says so."""

from dataclasses import replace
from typing import Any

from csp.middleware import CSPMiddleware, PolicyParts
from django.conf import settings
from django.http import HttpRequest, HttpResponseBase


class PolicyByPathMiddleware(CSPMiddleware):
    """Sends the policy of the settings, changed under a path as `ACE_CSP_BY_PATH` says."""

    def get_policy_parts(
        self, request: HttpRequest, response: HttpResponseBase, report_only: bool = False
    ) -> PolicyParts:
        """Return the policy with the directives that the path replaces."""
        parts = super().get_policy_parts(request, response, report_only)
        changed: dict[str, Any] = {}
        for prefix, directives in settings.ACE_CSP_BY_PATH.items():
            if request.path_info.startswith(prefix):
                changed |= directives
        return replace(parts, replace={**changed, **(parts.replace or {})})
