"""The admin as a whole: who may enter, by which door, and what stands beside every page."""

from typing import Any

from django.conf import settings
from django.contrib import admin
from django.contrib.auth.views import redirect_to_login
from django.core.exceptions import PermissionDenied
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect
from unfold.sites import UnfoldAdminSite  # type: ignore[import-untyped]

from ace_project.core.people import Role, role_of

# What is not named comes last.
PEOPLE = ("auth", "mfa", "socialaccount", "usersessions", "console")
ORDER = ("playbooks", "evolution", "training", *PEOPLE, "core")


class DataSite(UnfoldAdminSite):
    """Operators enter to look, admins to change a little; everybody by the console's own door."""

    site_title = site_header = "ACE data"
    index_title = "Every row, to look at"

    def has_permission(self, request: HttpRequest) -> bool:
        """Return whether the visitor operates ACE: Django's own staff flag opens nothing."""
        return role_of(request.user) >= Role.OPERATOR

    def login(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send to the one sign-in, where a second factor is asked for; refuse who is signed in."""
        if self.has_permission(request):
            return redirect("admin:index")
        if request.user.is_authenticated:
            raise PermissionDenied("this needs the role operator")
        return redirect_to_login(request.GET.get("next") or request.get_full_path())

    def logout(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Sign out as everywhere."""
        super().logout(request, extra_context)
        return redirect(settings.LOGOUT_REDIRECT_URL or "/")

    def password_change(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Send to the console's account page, where a change also ends other sessions."""
        return redirect("console:account")

    def each_context(self, request: HttpRequest) -> dict[str, Any]:
        """Leave the colours to static/admin.css: here they would stand in an inline style."""
        return {**super().each_context(request), "colors": None}

    def index(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Show what the sidebar shows, side by side."""
        return super().index(request, {"groups": sidebar(request), **(extra_context or {})})

    def get_app_list(self, request: HttpRequest, app_label: str | None = None) -> list[Any]:
        """Return the apps in the order in which people ask for them."""
        apps = super().get_app_list(request, app_label)
        place = {label: number for number, label in enumerate(ORDER)}
        return sorted(apps, key=lambda app: place.get(app["app_label"], len(place)))

    def search(self, request: HttpRequest, extra_context: Any = None) -> HttpResponse:
        """Refuse: the sidebar names every model, and unfold's search trips over odd pages."""
        raise Http404("the admin has no search over models")


def sidebar(request: HttpRequest) -> list[dict[str, Any]]:
    """Return every kind of row the visitor may see, in groups, for unfold's sidebar."""
    groups: dict[str, list[dict[str, Any]]] = {}
    for app in admin.site.get_app_list(request):
        title = "People" if app["app_label"] in PEOPLE else str(app["name"])
        groups.setdefault(title, []).extend(map(_item, app["models"]))
    return [{"title": title, "items": items} for title, items in groups.items()]


def _item(model: dict[str, Any]) -> dict[str, Any]:
    shown_by = admin.site._registry[model["model"]]
    icon = getattr(shown_by, "icon", "table_rows")
    return {"title": str(model["name"]), "icon": icon, "link": model["admin_url"]}
