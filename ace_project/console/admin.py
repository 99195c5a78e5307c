"""Django admin for what the console keeps: to look at, not to change."""

from django.contrib import admin

from ace_project.console.models import SavedView
from ace_project.core.admin import InspectOnly


@admin.register(SavedView)
class SavedViewAdmin(InspectOnly):
    list_display = ("name", "user", "query", "created_at")
    list_select_related = ("user",)
    search_fields = ("name", "user__username")
