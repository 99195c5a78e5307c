"""Names of those who decide, and whether the visitor may decide on a delta."""

from django.http import HttpRequest

from ace_project.console.visitor import actor_of, may
from ace_project.core.errors import Conflict, Forbidden
from ace_project.core.people import Role
from playbooks import services
from playbooks.models import Delta
from playbooks.services.approvals import Quorum


def name_of(stored: str) -> str:
    """Return a stored `kind:name` as a word of a sentence."""
    kind, _, name = stored.partition(":")
    if kind == "person":
        return name
    return {"automatic": "the machinery", "run": f"run {name}"}.get(kind, name or kind)


def is_own(request: HttpRequest, delta: Delta) -> bool:
    """Return whether the visitor wrote the delta."""
    return delta.author == str(actor_of(request))


def why_not_decide(request: HttpRequest) -> str:
    """Return why the visitor may not decide on deltas at all; empty where they may."""
    return "" if may(request, Role.REVIEWER) else "You may look; a reviewer decides."


def why_not_approve(request: HttpRequest, delta: Delta, quorum: Quorum) -> str:
    """Return why the visitor may not approve a delta; empty where they may."""
    try:
        services.check_voter(delta, quorum, actor_of(request))
    except Forbidden:
        return "You wrote this: another reviewer has to approve it."
    except Conflict:
        return "You have approved it: another reviewer has to as well."
    return why_not_decide(request)
