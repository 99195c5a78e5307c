"""Names of those who decide, and whether the visitor may decide on a delta."""

from django.http import HttpRequest

from ace_project.console.visitor import actor_of, may
from ace_project.core.people import Role, other_active_reviewers
from playbooks.models import Delta


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


def why_not_approve(request: HttpRequest, delta: Delta) -> str:
    """Return why the visitor may not approve a delta; empty where they may."""
    if is_own(request, delta) and other_active_reviewers(request.user.pk):
        return "You wrote this: another reviewer has to approve it."
    return why_not_decide(request)
