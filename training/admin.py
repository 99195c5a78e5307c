"""Django admin for comparisons in the workshop: to look at, not to change."""

from django.contrib import admin

from ace_project.core.admin import InspectOnly
from training.models import Comparison


@admin.register(Comparison)
class ComparisonAdmin(InspectOnly):
    list_display = ("id", "agent", "before", "after", "total", "status", "created_at")
    list_select_related = ("agent",)
    list_filter = ("status",)
    search_fields = ("agent__agent_id", "requested_by")
    large_fields = ("results",)
