"""Who looks at a page: as the accountable actor of what they do there, and what they may do."""

from django.http import HttpRequest

from ace_project.core.people import Role, role_of
from playbooks import actors
from playbooks.actors import Actor


def actor_of(request: HttpRequest) -> Actor:
    """Return the signed-in person as the actor of a change."""
    return actors.person(request.user.get_username(), request.user.pk)


def may(request: HttpRequest, role: Role) -> bool:
    """Return whether the visitor holds at least `role`."""
    return role_of(request.user) >= role
