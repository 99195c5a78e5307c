"""Django admin for traces and runs: to look at."""

from django.contrib import admin
from django.urls import reverse

from ace_project.core.inspection.lists import one_of
from ace_project.core.inspection.rows import InspectOnly
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
    icon = "route"
    list_display = (
        *("trace_id", "agent", "task_type", "success", "step_count", "error_count"),
        *("playbook_version", "origin", "captured_at"),
    )
    list_select_related = ("agent",)
    list_filter = ("success", "origin")
    search_fields = ("agent__agent_id", "trace_id", "id")
    search_help_text = "An agent, a trace or a row, exactly: airline t-17"
    large_fields = ("steps", "metadata", "bullets", "search")
    is_large = searches_exactly = True

    def view_on_site(self, row: ExecutionTrace) -> str:
        """Return the trace's page."""
        return reverse("console:trace", args=[row.pk])


@admin.register(EvolutionRun)
class EvolutionRunAdmin(InspectOnly):
    icon = "account_tree"
    list_display = (
        *("id", "agent", "status", "trigger", "generator", "traces_selected"),
        *("deltas_generated", "deltas_applied", "cpu_seconds", "created_at", "finished_at"),
    )
    list_select_related = ("agent",)
    list_filter = ("status", "trigger", "generator")
    search_fields = ("id", "agent__agent_id")
    search_help_text = "A run's number or an agent, exactly"
    large_fields = ("stages", "report", "script", "drafts", "prompts")
    secret_fields = ("lease_token",)
    is_large = searches_exactly = True

    def view_on_site(self, row: EvolutionRun) -> str:
        """Return the run's page."""
        return reverse("console:run", args=[row.pk])


@admin.register(Deliberation)
class DeliberationAdmin(InspectOnly):
    icon = "groups"
    list_display = ("id", "delta", "status", "reason", "attempts", "created_at", "finished_at")
    list_select_related = ("delta",)
    list_filter = ("status",)
    search_fields = ("delta__id", "delta__playbook__agent__agent_id")
    search_help_text = "A delta's number or an agent, exactly"
    large_fields = ("error",)
    secret_fields = ("lease_token",)
    is_large = searches_exactly = True

    def view_on_site(self, row: Deliberation) -> str:
        """Return the page of the delta that is heard."""
        return reverse("console:delta", args=[row.delta_id])


@admin.register(Budget)
class BudgetAdmin(InspectOnly):
    icon = "account_balance_wallet"
    list_display = ("scope", "period", "spent_usd", "reserved_usd", "raised_usd")
    search_fields = ("scope", "period")
    search_help_text = "global, agent:<number>, run:<number> or a month as 2026-11"
    is_large = searches_exactly = True

    def view_on_site(self, row: Budget) -> str:
        """Return the budget's page."""
        return reverse("console:budget")


@admin.register(BudgetEvent)
class BudgetEventAdmin(InspectOnly):
    icon = "notifications"
    list_display = ("scope", "period", "threshold", "spent_usd", "limit_usd", "created_at")
    list_filter = (one_of("threshold", (50, 75, 90, 100)),)
    search_fields = ("scope", "period")
    search_help_text = "A scope or a month, exactly"
    is_large = searches_exactly = True

    def view_on_site(self, row: BudgetEvent) -> str:
        """Return the budget's page."""
        return reverse("console:budget")


@admin.register(LlmCall)
class LlmCallAdmin(InspectOnly):
    icon = "forum"
    list_display = (
        *("id", "agent", "purpose", "model", "state", "outcome", "worst_case", "reserved_usd"),
        *("charged_usd", "cost_usd", "prompt_tokens", "completion_tokens", "created_at"),
    )
    list_select_related = ("agent",)
    list_filter = (
        *("state", one_of("outcome", ("answered", "refused", "unsent", "unknown")), "worst_case"),
        one_of("purpose", ("generate", "repair", "council")),
    )
    search_fields = ("agent__agent_id", "id", "run__id")
    search_help_text = "An agent, a call or a run's number, exactly"
    large_fields = ("error",)
    ordering = ("-created_at",)
    is_large = searches_exactly = True

    def view_on_site(self, row: LlmCall) -> str:
        """Return the page of the call's texts."""
        return reverse("console:call", args=[row.pk])


@admin.register(LlmExchange)
class LlmExchangeAdmin(InspectOnly):
    icon = "chat"
    list_display = ("id", "call", "agent")
    list_select_related = ("call", "agent")
    search_fields = ("agent__agent_id", "call__id")
    search_help_text = "An agent or a call, exactly"
    large_fields = ("messages", "answer")
    is_large = searches_exactly = True

    def view_on_site(self, row: LlmExchange) -> str:
        """Return the page of the call's texts."""
        return reverse("console:call", args=[row.call_id])


@admin.register(LedgerEntry)
class LedgerEntryAdmin(InspectOnly):
    icon = "receipt"
    list_display = ("id", "kind", "amount_usd", "worst_case", "call", "note", "created_at")
    list_select_related = ("call",)
    list_filter = ("kind", "worst_case")
    search_fields = ("call__id",)
    search_help_text = "A call's id"
    is_large = searches_exactly = True

    def view_on_site(self, row: LedgerEntry) -> str | None:
        """Return the page of the call that was paid for."""
        return reverse("console:call", args=[row.call_id]) if row.call_id else None


@admin.register(Tally)
class TallyAdmin(InspectOnly):
    icon = "functions"
    list_display = (
        *("endpoint", "model", "answered", "refused", "unsent", "unknown", "unpriced"),
        *("prompt_tokens", "completion_tokens", "cost_usd", "charged_usd"),
    )
    ordering = ("endpoint", "model")


@admin.register(DailyTally)
class DailyTallyAdmin(InspectOnly):
    icon = "calendar_month"
    list_display = (
        *("day", "agent_number", "endpoint", "model", "answered", "refused", "unsent", "unknown"),
        *("unpriced", "cost_usd", "charged_usd"),
    )
    search_fields = ("agent_number", "model")
    search_help_text = "An agent's row or a model, exactly"
    searches_exactly = True
    date_hierarchy = "day"


@admin.register(CircuitBreaker)
class CircuitBreakerAdmin(InspectOnly):
    icon = "power"
    list_display = ("endpoint", "model", "failures", "opened_at", "probe_until", "updated_at")
    list_filter = (("opened_at", admin.EmptyFieldListFilter),)
    search_fields = ("model", "endpoint")


@admin.register(Pause)
class PauseAdmin(InspectOnly):
    icon = "pause_circle"
    list_display = ("id", "agent", "reason", "paused_by", "created_at")
    list_select_related = ("agent",)
    search_fields = ("agent__agent_id",)

    def view_on_site(self, row: Pause) -> str:
        """Return the page of the agent that is paused, or of all runs."""
        return (
            reverse("console:agent", args=[row.agent.agent_id])
            if row.agent
            else reverse("console:runs")
        )


@admin.register(Pace)
class PaceAdmin(InspectOnly):
    icon = "speed"
    list_display = ("level_seconds", "filled_at")
