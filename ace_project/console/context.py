"""What base.html shows on every page."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest

from ace_project.console import undo
from ace_project.console.data import data_url
from ace_project.console.waiting import count_of
from ace_project.core.people import Role, role_of
from evolution.pauses import pause_of_all
from playbooks.models import WAITING


def console(request: HttpRequest) -> dict[str, Any]:
    """Return what the sign-in shows to strangers; to people what waits and what they may do."""
    user = getattr(request, "user", None)
    if user is None or _of_admin(request):
        return {}
    if not user.is_authenticated:
        return {"oidc_name": settings.ACE_OIDC.name if settings.ACE_OIDC else ""}
    role = role_of(user)
    if role is Role.NOBODY:
        return {"role": role.name.lower()}
    return {
        "waiting_count": count_of(WAITING),
        "pause_of_all": pause_of_all(),
        # Where a button that may stand on any page leads back to.
        "here": request.path if request.method == "GET" else "",
        "role": role.name.lower(),
        "may_review": role >= Role.REVIEWER,
        "may_operate": role >= Role.OPERATOR,
        "undo": undo.offered(request),
        "data_url": data_url(request),
    }


def _of_admin(request: HttpRequest) -> bool:
    """Tell a page of the admin, which has a frame of its own, drawn by many small templates."""
    match = request.resolver_match
    return match is not None and "admin" in match.namespaces
