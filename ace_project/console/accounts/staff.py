"""People: invited, given a role, sent a new link, deactivated; always with an admin left."""

from typing import Any

from allauth.mfa.models import Authenticator
from django.contrib.auth import get_user_model
from django.contrib.auth.models import Group
from django.core.exceptions import ValidationError
from django.core.validators import validate_email
from django.db import transaction
from django.db.models import Q, QuerySet

from ace_project.console.accounts import events, sessions
from ace_project.core.errors import Conflict, InvalidInput
from ace_project.core.people import GROUPS, Role, role_given
from playbooks.actors import AUTOMATIC, Actor
from playbooks.services import withdraw_all_of

LAST_ADMIN = "nobody else who has signed in is an admin; make somebody else one first"


def admins() -> QuerySet[Any]:
    """Return the active people who may do everything."""
    people = get_user_model()._default_manager.filter(is_active=True)
    groups = Group.objects.filter(name=Role.ADMIN.name.lower())
    return people.filter(Q(is_superuser=True) | Q(pk__in=groups.values("user__pk")))


def _locked(person: Any) -> Any:
    """Return the person's row; it and all admins' are locked, so that two cannot leave at once."""
    people = get_user_model()._default_manager
    ids = {person.pk, *admins().values_list("pk", flat=True)}
    rows = people.select_for_update().filter(pk__in=ids).order_by("pk")
    return next(row for row in rows if row.pk == person.pk)


def _keep_an_admin(leaving: Any) -> None:
    """Refuse what would leave no admin; one who never signed in may never come."""
    if not leaving.is_active or role_given(leaving) < Role.ADMIN:
        return
    if not admins().exclude(pk=leaving.pk).filter(last_login__isnull=False).exists():
        raise Conflict(LAST_ADMIN)


@transaction.atomic
def invite(*, username: str, name: str, email: str, role: Role, by: Actor) -> Any:
    """Make a person with a role and no password yet; raises InvalidInput."""
    people = get_user_model()._default_manager
    username, email = username.strip(), email.strip()
    person = people.model(username=username, first_name=name.strip(), email=email)
    person.set_unusable_password()
    try:
        person.full_clean(exclude=["password"], validate_unique=False)
        if email:
            validate_email(email)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
    if people.filter(username__iexact=username).exists():
        raise InvalidInput("there is somebody of that user name")
    if email and people.filter(email__iexact=email).exists():
        raise InvalidInput("somebody has that e-mail address; it must tell people apart")
    person.save()
    _put_into(person, role)
    events.note("person_invited", person, by, role=role.name.lower())
    return person


@transaction.atomic
def first_admin(*, username: str) -> Any:
    """Make the first admin; the same again until they signed in. Raises Conflict, InvalidInput.

    For who can run a command where the database is, and could write into it anyway.
    """
    # Two commands at once make one admin.
    Group.objects.select_for_update().get(name=Role.ADMIN.name.lower())
    there = list(admins().order_by("pk"))
    if not there:
        return invite(username=username, name="", email="", role=Role.ADMIN, by=AUTOMATIC)
    if [(one.username, one.last_login) for one in there] == [(username.strip(), None)]:
        # A newer link ends the one before it.
        events.note("password_link_issued", there[0], AUTOMATIC)
        return there[0]
    raise Conflict(
        f"there is an admin already: {there[0].username}, who invites others on /people/"
    )


@transaction.atomic
def set_role(*, person: Any, role: Role, by: Actor) -> bool:
    """Give `person` this role and no other; return whether it changed; raises Conflict."""
    person = _locked(person)
    before = role_given(person)
    if before is role:
        return False
    _keep_an_admin(person)
    _put_into(person, role)
    if role < Role.REVIEWER:
        withdraw_all_of(person.pk)
    events.note("role_changed", person, by, before=before.name.lower(), after=role.name.lower())
    return True


def _put_into(person: Any, role: Role) -> None:
    person.is_superuser = False
    person.is_staff = role is Role.ADMIN
    person.save(update_fields=["is_superuser", "is_staff"])
    person.groups.remove(*person.groups.filter(name__in=GROUPS))
    person.groups.add(Group.objects.get(name=role.name.lower()))


@transaction.atomic
def set_email(*, person: Any, email: str, by: Actor) -> bool:
    """Set the address by which an identity provider knows `person`; raises InvalidInput."""
    email = email.strip()
    if email == person.email:
        return False
    others = get_user_model()._default_manager.exclude(pk=person.pk)
    try:
        if email:
            validate_email(email)
    except ValidationError as error:
        raise InvalidInput(" ".join(error.messages)) from error
    if email and others.filter(email__iexact=email).exists():
        raise InvalidInput("somebody has that e-mail address; it must tell people apart")
    person.email = email
    person.save(update_fields=["email"])
    events.note("email_changed", person, by)
    return True


@transaction.atomic
def deactivate(*, person: Any, by: Actor) -> None:
    """Shut `person` out and end their sessions; what they decided stays theirs. Raises Conflict.

    The first of two approvals is no decision yet: theirs count no more.
    """
    person = _locked(person)
    if not person.is_active:
        return
    if by.user_id == person.pk:
        raise Conflict("nobody deactivates themselves; another admin can")
    _keep_an_admin(person)
    person.is_active = False
    person.save(update_fields=["is_active"])
    ended, withdrawn = sessions.end_all_of(person), withdraw_all_of(person.pk)
    events.note(
        "person_deactivated", person, by, sessions_ended=ended, approvals_withdrawn=withdrawn
    )


@transaction.atomic
def activate(*, person: Any, by: Actor) -> None:
    """Let `person` in again, with the role, password and factors they had."""
    person = _locked(person)
    if person.is_active:
        return
    person.is_active = True
    person.save(update_fields=["is_active"])
    events.note("person_activated", person, by)


def refuse_self(person: Any, by: Actor) -> None:
    """Raise Conflict for one's own password and factors: their pages ask who is there first."""
    if by.user_id == person.pk:
        raise Conflict("your own password and factors are changed on your account page")


@transaction.atomic
def remove_factors(*, person: Any, by: Actor) -> int:
    """Take away the second factors of somebody who lost them; return how many there were.

    Raises Conflict for one's own.
    """
    refuse_self(person, by)
    factors = Authenticator.objects.filter(user=person)
    kinds = sorted(factors.values_list("type", flat=True))
    factors.delete()
    if kinds:
        events.note("factors_removed", person, by, factors=kinds)
    return len(kinds)
