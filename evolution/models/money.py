"""The tables of money: budgets, calls of language models, and the journal that explains them.

Amounts are US dollars. Only `evolution.ledger` writes here.
"""

import uuid

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from evolution.models.learning import EvolutionRun
from playbooks.models import Agent


class Dollars(models.DecimalField):
    """An amount in US dollars, exact to a hundred-millionth."""

    def __init__(self, **options: object) -> None:
        super().__init__(**{**options, "max_digits": 18, "decimal_places": 8})  # type: ignore[arg-type]


class Budget(models.Model):
    """What one scope spent and holds reserved in one period.

    `scope` is `global`, `agent:<row>`, `run:<row>` or `job:<row>` (a training job); `period` is
    `2026-11`, or empty for a run and a job.
    """

    scope = models.CharField(max_length=64)
    period = models.CharField(max_length=7, blank=True)
    spent_usd = Dollars(default=0)
    reserved_usd = Dollars(default=0)
    # What an operator added to the limit of the settings, for this period alone.
    raised_usd = Dollars(default=0)

    class Meta:
        db_table = "budgets"
        constraints = [
            models.UniqueConstraint(fields=["scope", "period"], name="budget_once"),
            models.CheckConstraint(
                condition=Q(spent_usd__gte=0, reserved_usd__gte=0), name="budget_not_negative"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.scope} {self.period}".strip()


class BudgetEvent(models.Model):
    """A threshold that a budget passed: once per scope, period and threshold."""

    scope = models.CharField(max_length=64)
    period = models.CharField(max_length=7, blank=True)
    # Per cent of the limit: 50, 75, 90, 100.
    threshold = models.PositiveSmallIntegerField()
    spent_usd = Dollars()
    limit_usd = Dollars()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "budget_events"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["scope", "period", "threshold"], name="budget_event_once"
            )
        ]

    def __str__(self) -> str:
        return f"{self.scope} at {self.threshold} %"


class CallState(models.TextChoices):
    RESERVED = "reserved"
    SETTLED = "settled"
    RELEASED = "released"


class LlmCall(models.Model):
    """One request to a model's endpoint: reserved before it is sent, settled or released after.

    Every try is a row of its own. The texts are in `LlmExchange`, which goes with its agent; the
    amounts stay, under the agent's number.
    """

    id = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    run = models.ForeignKey(
        EvolutionRun, on_delete=models.SET_NULL, null=True, related_name="calls"
    )
    agent = models.ForeignKey(Agent, on_delete=models.SET_NULL, null=True, related_name="llm_calls")
    agent_number = models.BigIntegerField(null=True)
    # The scopes and periods that it was reserved in, as `[[scope, period], ...]`.
    scopes = models.JSONField(default=list)
    # What for: `generate`, `repair`, `council`.
    purpose = models.CharField(max_length=16)
    endpoint = models.CharField(max_length=255)
    model = models.CharField(max_length=200)
    state = models.CharField(max_length=8, choices=CallState, default=CallState.RESERVED)
    # How it ended: `answered`, `refused`, `unsent`, `unknown`; empty while it is under way.
    outcome = models.CharField(max_length=16, blank=True)
    # Settled at what was reserved because nobody knows what it cost.
    worst_case = models.BooleanField(default=False)
    reserved_usd = Dollars()
    # What counted against the budgets; null until it ended.
    charged_usd = Dollars(null=True)
    # The price of it; null for a model without a price ("unpriced").
    cost_usd = Dollars(null=True)
    reserved_tokens = models.PositiveBigIntegerField()
    prompt_tokens = models.PositiveBigIntegerField(null=True)
    # Contained in `prompt_tokens`.
    cached_tokens = models.PositiveBigIntegerField(null=True)
    completion_tokens = models.PositiveBigIntegerField(null=True)
    status_code = models.PositiveSmallIntegerField(null=True)
    error = models.TextField(blank=True)
    seconds = models.FloatField(null=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    # By then the answer came or the process is dead: the sweeper settles it.
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "llm_calls"
        verbose_name = "LLM call"
        ordering = ["-created_at"]
        indexes = [
            models.Index(fields=["-created_at"], name="llm_call_created"),
            models.Index(fields=["agent", "-created_at"], name="llm_call_agent"),
            models.Index(
                fields=["expires_at"], condition=Q(state="reserved"), name="llm_call_open"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.purpose} by {self.model}"


class LlmExchange(models.Model):
    """What was sent (redacted) and what came back, as it came, cut to a bounded length."""

    call = models.OneToOneField(LlmCall, on_delete=models.CASCADE, related_name="exchange")
    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="+")
    # The request's messages, `[{role, content}]`.
    messages = models.JSONField()
    answer = models.TextField(blank=True)

    class Meta:
        db_table = "llm_exchanges"
        verbose_name = "LLM exchange"

    def __str__(self) -> str:
        return f"exchange of {self.call_id}"


class LedgerKind(models.TextChoices):
    RESERVE = "reserve"
    SETTLE = "settle"
    RELEASE = "release"
    RAISE = "raise"


class LedgerEntry(models.Model):
    """One line of the journal, never changed: what was reserved, settled or released, and why."""

    call = models.ForeignKey(
        LlmCall, on_delete=models.PROTECT, null=True, related_name="ledger_entries"
    )
    kind = models.CharField(max_length=8, choices=LedgerKind)
    scopes = models.JSONField()
    amount_usd = Dollars()
    worst_case = models.BooleanField(default=False)
    note = models.TextField(blank=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "ledger_entries"
        verbose_name_plural = "ledger entries"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.kind} {self.amount_usd}"


class Counted(models.Model):
    """What calls that ended add up to."""

    answered = models.PositiveBigIntegerField(default=0)
    refused = models.PositiveBigIntegerField(default=0)
    unsent = models.PositiveBigIntegerField(default=0)
    # Settled at the worst case.
    unknown = models.PositiveBigIntegerField(default=0)
    # Answered by a model without a price: in `charged_usd`, not in `cost_usd`.
    unpriced = models.PositiveBigIntegerField(default=0)
    prompt_tokens = models.PositiveBigIntegerField(default=0)
    cached_tokens = models.PositiveBigIntegerField(default=0)
    completion_tokens = models.PositiveBigIntegerField(default=0)
    cost_usd = Dollars(default=0)
    charged_usd = Dollars(default=0)
    # The part of `charged_usd` that nobody knows to be true.
    worst_case_usd = Dollars(default=0)

    class Meta:
        abstract = True


class Tally(Counted):
    """All calls ever of one endpoint's model; what metrics show may never shrink."""

    endpoint = models.CharField(max_length=255)
    model = models.CharField(max_length=200)

    class Meta:
        db_table = "llm_tallies"
        verbose_name_plural = "tallies"
        constraints = [models.UniqueConstraint(fields=["endpoint", "model"], name="tally_once")]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.model}"


class DailyTally(Counted):
    """One agent's calls of one model that were reserved on one day (UTC)."""

    day = models.DateField()
    # The agent's number, which outlives the agent; 0 for calls of no agent.
    agent_number = models.BigIntegerField(default=0)
    endpoint = models.CharField(max_length=255)
    model = models.CharField(max_length=200)

    class Meta:
        db_table = "llm_daily_tallies"
        verbose_name_plural = "daily tallies"
        ordering = ["-day", "agent_number"]
        constraints = [
            models.UniqueConstraint(
                fields=["day", "agent_number", "endpoint", "model"], name="daily_tally_once"
            )
        ]
        indexes = [models.Index(fields=["agent_number", "-day"], name="daily_tally_agent")]

    def __str__(self) -> str:
        return f"{self.day} {self.model}"


class CircuitBreaker(models.Model):
    """What all workers know of one endpoint's model: closed, open, or half-open with one probe."""

    endpoint = models.CharField(max_length=255)
    model = models.CharField(max_length=200)
    failures = models.PositiveIntegerField(default=0)
    opened_at = models.DateTimeField(null=True)
    # Until then one caller alone may try whether it works again.
    probe_until = models.DateTimeField(null=True)
    last_error = models.TextField(blank=True)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "circuit_breakers"
        constraints = [
            models.UniqueConstraint(fields=["endpoint", "model"], name="breaker_once"),
            models.CheckConstraint(
                condition=Q(probe_until__isnull=True) | Q(opened_at__isnull=False),
                name="breaker_probes_when_open",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.endpoint} {self.model}"
