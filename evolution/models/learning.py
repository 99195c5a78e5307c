"""Execution traces and the evolution runs that learn from them."""

from typing import Any

from django.contrib.postgres.indexes import GinIndex
from django.contrib.postgres.search import SearchVectorField
from django.db import models
from django.db.models import Exists, OuterRef, Q, Subquery, Value
from django.db.models.functions import Now

from ace_project.core.work.leases import ACTIVE, LeasedJob
from evolution.terms import terms_of
from playbooks.models import Agent, Delta


class Origin(models.TextChoices):
    """Where a trace came from; part of how far its text is trusted."""

    AGENT = "agent"
    IMPORTED = "imported"
    THIRD_PARTY = "third_party"
    WORKSHOP = "workshop"
    # Sent from the console to try the way: counted nowhere, and never evidence.
    TEST = "test"


class ExecutionTrace(models.Model):
    """One task execution. `steps` is large: lists and tables must defer it."""

    # No index of its own: those below begin with it.
    agent = models.ForeignKey(
        Agent, on_delete=models.CASCADE, related_name="traces", db_index=False
    )
    trace_id = models.CharField(max_length=255)
    task_id = models.CharField(max_length=255, blank=True)
    # Runs of one group are alike; a group is never split between learning and testing.
    task_group = models.CharField(max_length=255, blank=True)
    task_type = models.CharField(max_length=255, blank=True)
    trial = models.PositiveIntegerField(null=True)
    success = models.BooleanField()
    output_quality = models.FloatField(null=True)
    # Seconds; null where a recording does not say.
    execution_time = models.FloatField(null=True)
    error_message = models.TextField(blank=True)
    metadata = models.JSONField(default=dict)
    steps = models.JSONField(default=list)
    step_count = models.PositiveIntegerField(default=0)
    error_count = models.PositiveIntegerField(default=0)
    tokens = models.PositiveBigIntegerField(null=True)
    playbook_version = models.PositiveIntegerField(null=True)
    bullets = models.JSONField(null=True)
    session = models.CharField(max_length=255, blank=True)
    origin = models.CharField(max_length=11, choices=Origin, default=Origin.AGENT)
    captured_at = models.DateTimeField()
    received_at = models.DateTimeField(db_default=Now(), editable=False)
    # What it is found by (evolution/terms.py), written with the row.
    search = SearchVectorField(null=True, editable=False)

    class Meta:
        db_table = "execution_traces"
        constraints = [
            # The name first, so that a service finds a trace by its name alone.
            models.UniqueConstraint(fields=["trace_id", "agent"], name="trace_id_once"),
            models.CheckConstraint(
                condition=Q(output_quality__isnull=True)
                | Q(output_quality__gte=0, output_quality__lte=1),
                name="trace_quality_0_1",
            ),
            models.CheckConstraint(
                condition=Q(execution_time__gte=0), name="trace_time_not_negative"
            ),
        ]
        indexes = [
            # With what success by version is counted from, so that no trace itself is read for it.
            models.Index(
                fields=["agent", "-captured_at"],
                include=["success", "playbook_version"],
                name="trace_agent_captured",
            ),
            models.Index(
                fields=["success", "-captured_at"],
                include=["agent", "origin"],
                name="trace_success_captured",
            ),
            models.Index(fields=["agent", "-id"], name="trace_agent_id"),
            # Few are tests, and the newest is looked for among however many others.
            models.Index(fields=["agent", "-id"], condition=Q(origin="test"), name="trace_test"),
            # A short list of what came last, so that no trace waits long while it is merged.
            GinIndex(
                fields=["search"], name="trace_search", fastupdate=True, gin_pending_list_limit=1024
            ),
        ]

    def __str__(self) -> str:
        return self.trace_id

    def save(self, *args: Any, **kwargs: Any) -> None:
        """Fill what the trace is found by, as recording does for rows that it writes itself."""
        if self.search is None:
            self.search = terms_of(
                success=self.success,
                origin=self.origin,
                task_id=self.task_id,
                task_group=self.task_group,
                task_type=self.task_type,
                version=self.playbook_version,
                error_message=self.error_message,
                steps=self.steps,
            )
        super().save(*args, **kwargs)


class Trigger(models.TextChoices):
    AUTOMATIC = "automatic"
    API = "api"
    OPERATOR = "operator"
    COMMAND = "command"


class Generator(models.TextChoices):
    STATISTICAL = "statistical"
    LLM = "llm"
    SCRIPTED = "scripted"


class EvolutionRun(LeasedJob):
    """One cycle: select, reflect, generate, judge, apply; the row is the job."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="runs")
    trigger = models.CharField(max_length=12, choices=Trigger)
    generator = models.CharField(max_length=12, choices=Generator, default=Generator.STATISTICAL)
    dry_run = models.BooleanField(default=False)
    requested_by = models.CharField(max_length=255)
    # The operations of a `scripted` run, as read from its file.
    script = models.JSONField(null=True)
    # The newest trace (id) that this run could see; the next automatic run counts from here.
    watermark = models.BigIntegerField(default=0)
    # The prompt templates used, as `[{name, version, sha256}]`.
    prompts = models.JSONField(default=list)
    # What was to be proposed, kept before the first of it: a run that is taken over goes on there.
    drafts = models.JSONField(null=True)
    # One entry per stage, written as it happens: {name, started_at, seconds, ...counts}.
    stages = models.JSONField(default=list)
    report = models.JSONField(default=dict)
    traces_selected = models.PositiveIntegerField(default=0)
    deltas_generated = models.PositiveIntegerField(default=0)
    deltas_applied = models.PositiveIntegerField(default=0)
    # CPU time of the tries that ended, in seconds; null until the first one began or ended.
    cpu_seconds = models.FloatField(null=True)
    # What each try draws on the pace of automatic runs; null for a run that somebody asked for.
    drawn_seconds = models.FloatField(null=True)

    class Meta:
        db_table = "evolution_runs"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["agent"], condition=Q(status__in=ACTIVE), name="one_active_run_per_agent"
            )
        ]
        indexes = [
            models.Index(
                fields=["-priority", "id"], condition=Q(status__in=ACTIVE), name="run_active"
            ),
            models.Index(fields=["agent", "-id"], name="run_agent"),
        ]

    def __str__(self) -> str:
        return f"run {self.pk}"

    @classmethod
    def held_back(cls) -> Q:
        """Return the runs of paused agents."""
        own = Q(agent__isnull=True) | Q(agent=OuterRef("agent"))
        return Q(Exists(Pause.objects.filter(own)))

    @classmethod
    def last_served(cls) -> Any:
        """Return when the agent's newest earlier run began."""
        earlier = cls.objects.filter(agent=OuterRef("agent"), pk__lt=OuterRef("pk"))
        begun = earlier.filter(started_at__isnull=False).order_by("-id")
        return Subquery(begun.values("started_at")[:1])


class Pause(models.Model):
    """Evolution held back for one agent, or for all where `agent` is null; deleted on resuming."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, null=True, related_name="pauses")
    reason = models.TextField(blank=True)
    paused_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "evolution_pauses"
        constraints = [
            models.UniqueConstraint(fields=["agent"], name="one_pause_per_agent"),
            models.UniqueConstraint(
                Value(1), condition=Q(agent__isnull=True), name="one_pause_for_all"
            ),
        ]

    def __str__(self) -> str:
        return f"pause of {self.agent or 'all'}"


class Pace(models.Model):
    """What automatic runs may still take of CPU time, one row; only `evolution.pace` writes it."""

    id = models.PositiveSmallIntegerField(primary_key=True, default=1, editable=False)
    # As it was at `filled_at`, below zero where more was taken than there was.
    level_seconds = models.FloatField()
    filled_at = models.DateTimeField()

    class Meta:
        db_table = "evolution_pace"
        verbose_name_plural = "pace"
        constraints = [models.CheckConstraint(condition=Q(id=1), name="one_pace_for_all")]

    def __str__(self) -> str:
        return f"pace at {self.level_seconds:g} s"


class Deliberation(LeasedJob):
    """A council's work on one delta that rules alone cannot decide; the row is the job."""

    delta = models.OneToOneField(Delta, on_delete=models.CASCADE, related_name="deliberation")

    class Meta:
        db_table = "deliberations"
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["-priority", "id"],
                condition=Q(status__in=ACTIVE),
                name="deliberation_active",
            )
        ]

    def __str__(self) -> str:
        return f"deliberation on {self.delta}"

    @classmethod
    def held_back(cls) -> Q:
        """Return those for paused agents: a council may call a model, too."""
        own = Q(agent__isnull=True) | Q(agent__playbook__deltas=OuterRef("delta"))
        return Q(Exists(Pause.objects.filter(own)))
