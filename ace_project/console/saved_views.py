"""Filters of the review queue that a person saved by a name."""

from dataclasses import dataclass

from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import IntegrityError, transaction
from django.http import HttpRequest, HttpResponse, QueryDict
from django.shortcuts import redirect
from django.urls import reverse
from django.views.decorators.http import require_POST

from ace_project.console import keyset, waiting
from ace_project.console.models import SavedView
from ace_project.console.refusals import shown
from ace_project.console.waiting import Filters
from ace_project.core.errors import Conflict, InvalidInput, NotFound
from ace_project.core.people import Role, needs

MOST_VIEWS = 20


@dataclass(frozen=True, slots=True)
class Tab:
    """A saved view beside the queue's own tabs."""

    pk: int
    name: str
    url: str
    current: bool


def tabs(request: HttpRequest, filters: Filters) -> list[Tab]:
    """Return the visitor's saved views; one query."""
    here = filters.query().removeprefix("?")
    rows = SavedView.objects.filter(user_id=_me(request))[:MOST_VIEWS]
    return [Tab(row.pk, row.name, _url(row.query), row.query == here) for row in rows]


def _url(query: str) -> str:
    return reverse("console:review") + (f"?{query}" if query else "")


@require_POST
@needs(Role.VIEWER)
def change(request: HttpRequest) -> HttpResponse:
    """Save the filters under a name, rename a view, or delete one."""
    verbs = {"save": _save, "rename": _rename, "delete": _delete}
    verb = verbs.get(request.POST.get("do", ""))
    if verb is None:
        raise BadRequest("a view is saved, renamed or deleted")
    query = waiting.read_filters(QueryDict(request.POST.get("query", ""))).query()
    with shown(request):
        messages.success(request, verb(request, query.removeprefix("?")))
    return redirect(_url(query.removeprefix("?")))


def _save(request: HttpRequest, query: str) -> str:
    """Save the filters; a view of the same name is replaced."""
    name, views = _name(request), SavedView.objects.filter(user_id=_me(request))
    if views.filter(name=name).update(query=query):
        return f"Replaced the view “{name}”."
    if views.count() >= MOST_VIEWS:
        raise Conflict(f"you have {MOST_VIEWS} saved views: delete one first")
    SavedView.objects.create(user_id=_me(request), name=name, query=query)
    return f"Saved as “{name}”. The address shows it to anyone."


def _rename(request: HttpRequest, query: str) -> str:
    name, view = _name(request), _own(request)
    view.name = name
    try:
        with transaction.atomic():
            view.save(update_fields=["name"])
    except IntegrityError:
        raise Conflict(f"you have a view “{name}” already") from None
    return f"Renamed to “{name}”."


def _delete(request: HttpRequest, query: str) -> str:
    view = _own(request)
    view.delete()
    return f"Deleted the view “{view.name}”. Its deltas stay as they are."


def _me(request: HttpRequest) -> int:
    return request.user.pk or 0


def _own(request: HttpRequest) -> SavedView:
    raw = request.POST.get("view", "")
    if keyset.is_key(raw):
        found = SavedView.objects.filter(user_id=_me(request), pk=raw).first()
        if found is not None:
            return found
    raise NotFound("you have no such view")


def _name(request: HttpRequest) -> str:
    name = " ".join(request.POST.get("name", "").split())
    if not 1 <= len(name) <= 60 or not name.isprintable():
        raise InvalidInput("a name has 1 to 60 characters, all printable")
    return name
