"""Django admin for traces and runs: to look at, not to change."""

from django.contrib import admin

from ace_project.core.admin import InspectOnly
from evolution.models import (
    Budget,
    BudgetEvent,
    CircuitBreaker,
    DailyTally,
    Deliberation,
    EvolutionRun,
    ExecutionTrace,
    LedgerEntry,
    LlmCall,
    LlmExchange,
    Pace,
    Pause,
    Tally,
)


@admin.register(ExecutionTrace)
class ExecutionTraceAdmin(InspectOnly):
    list_display = (
        *("trace_id", "agent", "task_type", "success", "step_count", "error_count"),
        *("playbook_version", "origin", "captured_at"),
    )
    list_select_related = ("agent",)
    list_filter = ("success", "origin")
    search_fields = ("agent__agent_id__exact", "trace_id__exact", "task_id__exact")
    search_help_text = "An agent, a trace or a task, exactly"
    large_fields = ("steps", "metadata", "bullets")
    ordering = ("-id",)


@admin.register(EvolutionRun)
class EvolutionRunAdmin(InspectOnly):
    list_display = (
        *("id", "agent", "status", "trigger", "generator", "traces_selected"),
        *("deltas_generated", "deltas_applied", "cpu_seconds", "created_at", "finished_at"),
    )
    list_select_related = ("agent",)
    list_filter = ("status", "trigger", "generator")
    search_fields = ("agent__agent_id", "requested_by")
    large_fields = ("stages", "report", "script")


@admin.register(Deliberation)
class DeliberationAdmin(InspectOnly):
    list_display = ("id", "delta", "status", "reason", "attempts", "created_at", "finished_at")
    list_select_related = ("delta",)
    list_filter = ("status",)
    search_fields = ("delta__playbook__agent__agent_id__exact",)
    search_help_text = "An agent, exactly"
    large_fields = ("error",)


@admin.register(Budget)
class BudgetAdmin(InspectOnly):
    list_display = ("scope", "period", "spent_usd", "reserved_usd", "raised_usd")
    search_fields = ("scope__exact", "period__exact")
    search_help_text = "global, agent:<number>, run:<number> or a month as 2026-11"
    ordering = ("-id",)


@admin.register(BudgetEvent)
class BudgetEventAdmin(InspectOnly):
    list_display = ("scope", "period", "threshold", "spent_usd", "limit_usd", "created_at")
    list_filter = ("threshold",)
    search_fields = ("scope__exact", "period__exact")


@admin.register(LlmCall)
class LlmCallAdmin(InspectOnly):
    list_display = (
        *("id", "agent", "purpose", "model", "state", "outcome", "worst_case", "reserved_usd"),
        *("charged_usd", "cost_usd", "prompt_tokens", "completion_tokens", "created_at"),
    )
    list_select_related = ("agent",)
    list_filter = ("state", "outcome", "worst_case", "purpose")
    search_fields = ("agent__agent_id__exact", "model__exact", "id__exact")
    search_help_text = "An agent, a model or a call, exactly"
    large_fields = ("error",)


@admin.register(LlmExchange)
class LlmExchangeAdmin(InspectOnly):
    list_display = ("id", "call", "agent")
    list_select_related = ("call", "agent")
    search_fields = ("agent__agent_id__exact",)
    large_fields = ("messages", "answer")
    ordering = ("-id",)


@admin.register(LedgerEntry)
class LedgerEntryAdmin(InspectOnly):
    list_display = ("id", "kind", "amount_usd", "worst_case", "call", "note", "created_at")
    list_select_related = ("call",)
    list_filter = ("kind", "worst_case")
    search_fields = ("call__id__exact",)
    search_help_text = "A call's id"


@admin.register(Tally)
class TallyAdmin(InspectOnly):
    list_display = (
        *("endpoint", "model", "answered", "refused", "unsent", "unknown", "unpriced"),
        *("prompt_tokens", "completion_tokens", "cost_usd", "charged_usd"),
    )
    ordering = ("endpoint", "model")


@admin.register(DailyTally)
class DailyTallyAdmin(InspectOnly):
    list_display = (
        *("day", "agent_number", "endpoint", "model", "answered", "refused", "unsent", "unknown"),
        *("unpriced", "cost_usd", "charged_usd"),
    )
    search_fields = ("agent_number__exact", "model__exact")
    date_hierarchy = "day"


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(InspectOnly):
    list_display = ("endpoint", "model", "failures", "opened_at", "probe_until", "updated_at")
    list_filter = (("opened_at", admin.EmptyFieldListFilter),)
    search_fields = ("model__exact", "endpoint__exact")


@admin.register(Pause)
class PauseAdmin(InspectOnly):
    list_display = ("id", "agent", "reason", "paused_by", "created_at")
    list_select_related = ("agent",)
    search_fields = ("agent__agent_id__exact",)
    search_help_text = "An agent, exactly"
    ordering = ("-id",)


@admin.register(Pace)
class PaceAdmin(InspectOnly):
    list_display = ("level_seconds", "filled_at")
