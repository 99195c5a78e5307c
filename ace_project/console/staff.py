"""People: who may do what, who was here last, and who is invited or shut out."""

from typing import Any

from allauth.mfa.models import Authenticator
from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth import get_user_model
from django.db.models import Exists, Max, OuterRef, Q, QuerySet
from django.db.models.functions import Greatest
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.cache import never_cache
from django.views.decorators.http import require_POST, require_safe

from ace_project.console import keyset, refusals, visitor
from ace_project.console.accounts import events, links, staff
from ace_project.console.asked import asked as asked_of
from ace_project.core.errors import AceError
from ace_project.core.people import GROUPS, Role, needs, role_given

# What each role may, each one all that stands above it too.
ROLES = [
    ("viewer", "Viewer", "Sees everything but people and secrets. Decides nothing."),
    ("reviewer", "Reviewer", "Approves, rejects and edits deltas; takes decisions back."),
    (
        "operator",
        "Operator",
        "Changes agents, tokens, budgets and trainings; pauses and rolls back.",
    ),
    ("admin", "Admin", "Invites people, gives roles, reads every row in the data admin."),
]
STATES = [("", "Active"), ("inactive", "Deactivated"), ("all", "Everybody")]


class InviteForm(forms.Form):
    """Who comes, and what they may do."""

    username = forms.CharField(max_length=150)
    name = forms.CharField(max_length=150, required=False)
    email = forms.CharField(max_length=254, required=False)
    role = forms.ChoiceField(choices=[(value, name) for value, name, _ in ROLES])


@needs(Role.OPERATOR)
@require_safe
def people(request: HttpRequest) -> HttpResponse:
    """List people with role, second factor and when they were last here."""
    return _list(request, InviteForm())


def _list(request: HttpRequest, form: InviteForm, status: int = 200, **more: Any) -> HttpResponse:
    asked = asked_of(request, "q", "state")
    page = keyset.keyset_page(request, _asked_for(asked))
    context = {
        "page": page,
        "rows": [(row, role_given(row).name.lower()) for row in page.rows],
        "form": form,
        "roles": ROLES,
        "may_change": visitor.may(request, Role.ADMIN),
        "filters": [
            {"name": "state", "label": "State", "value": asked["state"], "options": STATES},
            {"name": "q", "label": "Name", "value": asked["q"]},
        ],
        "clear_url": request.path if any(asked.values()) else "",
        **more,
    }
    return render(request, "people.html", context, status=status)


def _asked_for(asked: dict[str, str]) -> QuerySet[Any]:
    rows = _people()
    if asked["state"] != "all":
        rows = rows.filter(is_active=asked["state"] != "inactive")
    if asked["q"]:
        named = Q(username__icontains=asked["q"]) | Q(email__icontains=asked["q"])
        rows = rows.filter(named | Q(first_name__icontains=asked["q"]))
    return rows


def _people() -> QuerySet[Any]:
    """Return people with what a row shows of each, in one query and one for the roles."""
    factors = Authenticator.objects.filter(user=OuterRef("pk"))
    second = factors.exclude(type=Authenticator.Type.RECOVERY_CODES)
    return (
        get_user_model()
        ._default_manager.prefetch_related("groups")
        .annotate(
            has_factor=Exists(second),
            last_seen=Greatest(Max("usersession__last_seen_at"), "last_login"),
        )
    )


@needs(Role.ADMIN)
@require_POST
@never_cache
def invite(request: HttpRequest) -> HttpResponse:
    """Make a person and show their link on this one answer; it is stored nowhere."""
    form = InviteForm(request.POST)
    problem = "An invitation needs a user name of up to 150 characters, and a role."
    if form.is_valid():
        values = {**form.cleaned_data, "role": GROUPS[form.cleaned_data["role"]]}
        try:
            person = staff.invite(**values, by=visitor.actor_of(request))
        except AceError as refusal:
            problem = refusals.told(refusal)
        else:
            link = request.build_absolute_uri(links.invitation_path(person))
            return _person(request, person, link=link)
    return _list(request, form, status=400, problem=problem)


@needs(Role.OPERATOR)
@require_safe
def person(request: HttpRequest, pk: int) -> HttpResponse:
    """Show one person and, to admins, what can be changed about them."""
    return _person(request, get_object_or_404(_people(), pk=pk))


def _person(request: HttpRequest, found: Any, **more: Any) -> HttpResponse:
    role = role_given(found)
    factors = Authenticator.objects.filter(user=found).values_list("type", flat=True)
    context = {
        "person_shown": found,
        "role_given": role.name.lower(),
        "roles": ROLES,
        "factors": sorted({str(kind) for kind in factors}),
        "may_change": visitor.may(request, Role.ADMIN),
        "is_self": found.pk == request.user.pk,
        "hours": settings.ACE_INVITATION_HOURS,
        "oidc": settings.ACE_OIDC,
        **more,
    }
    return render(request, "person.html", context)


@needs(Role.ADMIN)
@require_POST
@never_cache
def new_link(request: HttpRequest, pk: int) -> HttpResponse:
    """Show a link by which the person chooses a new password; any second factor stays asked for."""
    found = get_object_or_404(_people(), pk=pk, is_active=True)
    with refusals.shown(request):
        staff.refuse_self(found, visitor.actor_of(request))
        events.note("password_link_issued", found, visitor.actor_of(request))
        link = request.build_absolute_uri(links.invitation_path(found))
        return _person(request, found, link=link)
    return redirect("console:person", pk)


@needs(Role.ADMIN)
@require_POST
def role(request: HttpRequest, pk: int) -> HttpResponse:
    """Give the person another role."""
    found = get_object_or_404(get_user_model(), pk=pk)
    wanted = GROUPS.get(request.POST.get("role", ""))
    if wanted is None:
        messages.error(request, "There is no such role.")
        return redirect("console:person", pk)
    with refusals.shown(request):
        changed = staff.set_role(person=found, role=wanted, by=visitor.actor_of(request))
        name = found.get_username()
        said = f"{name} is {wanted.name.lower()} now." if changed else "Nothing was changed."
        messages.success(request, said)
    return redirect("console:person", pk)


@needs(Role.ADMIN)
@require_POST
def email(request: HttpRequest, pk: int) -> HttpResponse:
    """Set the address by which the identity provider knows the person."""
    found = get_object_or_404(get_user_model(), pk=pk)
    with refusals.shown(request):
        changed = staff.set_email(
            person=found, email=request.POST.get("email", "")[:254], by=visitor.actor_of(request)
        )
        messages.success(request, "Saved." if changed else "Nothing was changed.")
    return redirect("console:person", pk)


@needs(Role.ADMIN)
@require_POST
def active(request: HttpRequest, pk: int) -> HttpResponse:
    """Shut the person out, or let them in again."""
    found = get_object_or_404(get_user_model(), pk=pk)
    with refusals.shown(request):
        if request.POST.get("active") == "yes":
            staff.activate(person=found, by=visitor.actor_of(request))
            messages.success(request, f"{found.get_username()} may sign in again.")
        else:
            staff.deactivate(person=found, by=visitor.actor_of(request))
            messages.success(request, f"{found.get_username()} is shut out and signed out.")
    return redirect("console:person", pk)


@needs(Role.ADMIN)
@require_POST
def factors(request: HttpRequest, pk: int) -> HttpResponse:
    """Take away the second factors of somebody who lost them."""
    found = get_object_or_404(get_user_model(), pk=pk)
    with refusals.shown(request):
        gone = staff.remove_factors(person=found, by=visitor.actor_of(request))
        said = "Signing in needs no second factor now." if gone else "There was none."
        messages.success(request, said)
    return redirect("console:person", pk)
