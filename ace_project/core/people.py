"""Operators: viewer < reviewer < operator < admin, as Django groups of those names."""

from collections.abc import Callable
from enum import IntEnum
from functools import wraps
from itertools import chain, count
from typing import Any

from django.contrib.auth import get_user_model
from django.contrib.auth.decorators import login_required
from django.contrib.auth.models import AnonymousUser
from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from ace_project.core.errors import NotFound


class Role(IntEnum):
    NOBODY = 0
    VIEWER = 1
    REVIEWER = 2
    OPERATOR = 3
    ADMIN = 4


GROUPS = {role.name.lower(): role for role in Role if role is not Role.NOBODY}


def role_of(user: Any) -> Role:
    """Return the highest role that `user` holds; asked of the database once per user object."""
    if isinstance(user, AnonymousUser) or not user.is_active:
        return Role.NOBODY
    if user.is_superuser:
        return Role.ADMIN
    known: Role | None = getattr(user, "_ace_role", None)
    if known is None:
        known = user._ace_role = role_given(user)
    return known


def role_given(user: Any) -> Role:
    """Return the role that somebody, active or not, was given; reads prefetched groups."""
    if user.is_superuser:
        return Role.ADMIN
    held = (group.name for group in user.groups.all())
    return max((GROUPS[name] for name in held if name in GROUPS), default=Role.NOBODY)


def needs(
    role: Role,
) -> Callable[[Callable[..., HttpResponseBase]], Callable[..., HttpResponseBase]]:
    """Let only signed-in people of at least `role` reach a page: others sign in, or get a 403."""

    def decorate(view: Callable[..., HttpResponseBase]) -> Callable[..., HttpResponseBase]:
        @login_required
        @wraps(view)
        def guarded(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if role_of(request.user) < role:
                raise PermissionDenied(f"this needs the role {role.name.lower()}")
            return view(request, *args, **kwargs)

        @wraps(view)
        def answered(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            # A redirect would put the sign-in page where a part of a page belongs.
            if "HX-Request" in request.headers and not request.user.is_authenticated:
                return HttpResponse(status=401, headers={"WWW-Authenticate": "Session"})
            return guarded(request, *args, **kwargs)

        return answered

    return decorate


def other_active_reviewers(*besides: int | None) -> bool:
    """Return whether someone else than these users could approve: an active reviewer or above."""
    return _reviewers().exclude(pk__in=[pk for pk in besides if pk is not None]).exists()


def count_reviewers() -> int:
    """Return how many active people may review."""
    return _reviewers().distinct().count()


def _reviewers() -> QuerySet[Any]:
    able = [name for name, role in GROUPS.items() if role >= Role.REVIEWER]
    people = get_user_model()._default_manager.filter(is_active=True)
    return people.filter(Q(is_superuser=True) | Q(groups__name__in=able))


def first_operator() -> Any:
    """Return the first admin that was made; of a new installation, `operator` without a password.

    Whoever can run a command here can do anything anyway.
    """
    people = get_user_model()._default_manager
    active = people.filter(is_active=True).order_by("pk")
    first = active.filter(is_superuser=True).first()
    first = first or active.filter(groups__name=Role.ADMIN.name.lower()).first()
    if first is not None:
        return first
    taken = set(people.filter(username__startswith="operator").values_list("username", flat=True))
    names = chain(["operator"], (f"operator-{number}" for number in count(2)))
    return people.create_superuser(next(name for name in names if name not in taken))


def operator_named(name: str | None) -> Any:
    """Return the active person of that username, or the first made who may operate.

    Raises NotFound when there is nobody of that name.
    """
    people = get_user_model()._default_manager.filter(is_active=True).order_by("pk")
    if name is not None:
        found = people.filter(username=name).first()
        if found is None:
            raise NotFound(f"there is no active operator {name!r}")
        return found
    able = [group for group, role in GROUPS.items() if role >= Role.OPERATOR]
    found = people.filter(Q(is_superuser=True) | Q(groups__name__in=able)).first()
    return found or first_operator()
