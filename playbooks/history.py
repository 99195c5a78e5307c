"""Models of the accountable past: audit events, and verifications of the hash chains."""

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now


class AuditEvent(models.Model):
    """One thing that happened, chained by hash; `chain` is an agent_id, or empty for the system."""

    chain = models.CharField(max_length=255, blank=True)
    number = models.PositiveBigIntegerField()
    event = models.CharField(max_length=64)
    actor = models.CharField(max_length=255)
    subject = models.CharField(max_length=255, blank=True)
    data = models.JSONField(default=dict)
    created_at = models.DateTimeField()
    previous = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "audit_events"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["chain", "number"], name="audit_number_once")
        ]
        # Two more, over expressions, are in the migration: words of an event, and who did it.
        indexes = [
            models.Index(fields=["event", "-id"], name="audit_event"),
            models.Index(fields=["created_at"], name="audit_moment"),
        ]

    def __str__(self) -> str:
        return f"{self.chain or 'system'} {self.number} {self.event}"


class VerificationStatus(models.TextChoices):
    RUNNING = "running"
    WHOLE = "whole"
    BROKEN = "broken"


class Verification(models.Model):
    """A person's wish that hash chains be recomputed; a worker goes on where the last slice ended.

    `chain` is that of an audit event (empty: the system's); null for every chain.
    """

    chain = models.CharField(max_length=255, null=True, blank=True)
    status = models.CharField(
        max_length=8, choices=VerificationStatus, default=VerificationStatus.RUNNING
    )
    asked_by = models.CharField(max_length=255)
    asked_at = models.DateTimeField(db_default=Now(), editable=False)
    finished_at = models.DateTimeField(null=True)
    # Links that there were when it began; more may come while it goes on.
    expected = models.PositiveBigIntegerField(default=0)
    events = models.PositiveBigIntegerField(default=0)
    versions = models.PositiveBigIntegerField(default=0)
    chains = models.PositiveIntegerField(default=0)
    playbooks = models.PositiveIntegerField(default=0)
    # Where to go on: `{"part", "chain", "number", "hash"}`.
    place = models.JSONField(default=dict)
    # The first broken link of each chain, `{"chain", "link", "problem"}`.
    problems = models.JSONField(default=list)

    class Meta:
        db_table = "history_verifications"
        ordering = ["-id"]
        indexes = [
            models.Index(fields=["chain", "-id"], name="verification_chain"),
            models.Index(
                fields=["id"],
                name="verification_running",
                condition=Q(status="running"),
            ),
        ]

    def __str__(self) -> str:
        return f"verification {self.pk}"

    @property
    def links(self) -> int:
        """Return how many links were recomputed so far."""
        return self.events + self.versions
