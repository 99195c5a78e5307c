"""Agents, their playbooks, the versions of those, and the deltas that change them."""

import re
import uuid

from django.conf import settings
from django.contrib.postgres.indexes import GinIndex
from django.core.validators import RegexValidator
from django.db import models
from django.db.models import Case, Q, Value, When
from django.db.models.functions import Now

from playbooks.fields import DocumentField
from playbooks.history import AuditEvent as AuditEvent
from playbooks.history import Verification as Verification
from playbooks.history import VerificationStatus as VerificationStatus

AGENT_ID = r"[A-Za-z0-9][A-Za-z0-9_.-]{0,254}"


def is_agent_id(text: str) -> bool:
    """Tell whether `text` can name an agent: letters, digits, '.', '_' and '-', up to 255."""
    return re.fullmatch(AGENT_ID, text) is not None


class Mode(models.TextChoices):
    STRICT = "strict"
    AUTO = "auto"
    DRY_RUN = "dry_run"


class Agent(models.Model):
    """Whoever a playbook belongs to."""

    agent_id = models.CharField(
        max_length=255,
        unique=True,
        validators=[RegexValidator(rf"\A{AGENT_ID}\Z", "not a valid agent_id")],
    )
    name = models.CharField(max_length=255, blank=True)
    metadata = models.JSONField(default=dict, blank=True)
    mode = models.CharField(max_length=8, choices=Mode, default=Mode.STRICT)
    # What an operator overrides for this agent alone, by the setting's name (contracts.md 5).
    overrides = models.JSONField(default=dict, blank=True)
    # Names of people that no prompt and no lesson may carry.
    private_names = models.JSONField(default=list, blank=True)
    # Sections that change only with the approval of two people.
    two_person = models.JSONField(default=list, db_default=[], blank=True)
    simulated = models.BooleanField(default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "agents"
        ordering = ["agent_id"]

    def __str__(self) -> str:
        return self.agent_id


class Playbook(models.Model):
    """The head pointer: which version is live. Content lives in the immutable versions."""

    agent = models.OneToOneField(Agent, on_delete=models.CASCADE, related_name="playbook")
    public_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    version = models.PositiveIntegerField(default=1)
    content_hash = models.CharField(max_length=64)
    # The newest trace (its row) whose bullets are in the counters of `Bullet`.
    counted_to = models.BigIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    updated_at = models.DateTimeField(db_default=Now())

    class Meta:
        db_table = "context_playbooks"

    def __str__(self) -> str:
        return f"{self.agent} v{self.version}"


class VersionKind(models.TextChoices):
    CREATED = "created"
    DELTA = "delta"
    ROLLBACK = "rollback"
    UNDO = "undo"
    IMPORT = "import"


class PlaybookVersion(models.Model):
    """An immutable snapshot, chained by hash to its parent."""

    playbook = models.ForeignKey(Playbook, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    content = DocumentField()
    parent = models.PositiveIntegerField(null=True)
    kind = models.CharField(max_length=8, choices=VersionKind)
    delta = models.ForeignKey("Delta", on_delete=models.SET_NULL, null=True, related_name="+")
    restored = models.PositiveIntegerField(null=True)
    author = models.CharField(max_length=255)
    reason = models.TextField(blank=True)
    created_at = models.DateTimeField()
    content_hash = models.CharField(max_length=64)
    hash = models.CharField(max_length=64)

    class Meta:
        db_table = "context_playbook_versions"
        ordering = ["-number"]
        constraints = [
            models.UniqueConstraint(fields=["playbook", "number"], name="version_number_once")
        ]

    def __str__(self) -> str:
        return f"v{self.number}"


class Bullet(models.Model):
    """What is known of one lesson beyond its text: who brought it in, what became of it."""

    playbook = models.ForeignKey(Playbook, on_delete=models.CASCADE, related_name="bullets")
    bullet_id = models.CharField(max_length=320)
    section = models.TextField()
    text = models.TextField()
    introduced_version = models.PositiveIntegerField()
    introduced_by = models.CharField(max_length=255)
    delta = models.ForeignKey("Delta", on_delete=models.SET_NULL, null=True, related_name="+")
    lineage = models.JSONField(default=list)
    aliases = models.JSONField(default=list)
    used = models.PositiveIntegerField(default=0)
    helped = models.PositiveIntegerField(default=0)
    harmed = models.PositiveIntegerField(default=0)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "playbook_bullets"
        constraints = [
            models.UniqueConstraint(fields=["playbook", "bullet_id"], name="bullet_once")
        ]

    def __str__(self) -> str:
        return self.bullet_id


class DeltaStatus(models.TextChoices):
    PENDING_REVIEW = "pending_review"
    CHANGES_REQUESTED = "changes_requested"
    APPLIED = "applied"
    REJECTED = "rejected"
    CONFLICT = "conflict"
    FAILED = "failed"
    UNDONE = "undone"
    RECORDED = "recorded"


# What a person can still decide; everything else is the past.
OPEN = (DeltaStatus.PENDING_REVIEW, DeltaStatus.CHANGES_REQUESTED, DeltaStatus.CONFLICT)
# What waits for a reviewer; changes_requested waits for its author.
WAITING = (DeltaStatus.PENDING_REVIEW, DeltaStatus.CONFLICT)
DECIDED = tuple(status for status in DeltaStatus if status not in OPEN)
_BLOCKED = Q(verdicts__contains=[{"outcome": "block"}])
_WARNED = Q(verdicts__contains=[{"outcome": "warn"}])


class Risk(models.TextChoices):
    """The worst that a judge found; `clear` where none did more than abstain."""

    CLEAR = "clear"
    WARN = "warn"
    BLOCK = "block"


class Source(models.TextChoices):
    LLM = "llm"
    STATISTICAL = "statistical"
    SCRIPTED = "scripted"
    AGENT = "agent"
    OPERATOR = "operator"
    TRAINING = "training"


class Delta(models.Model):
    """A proposed change: operations against a base version, with evidence and verdicts."""

    delta_id = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    playbook = models.ForeignKey(Playbook, on_delete=models.CASCADE, related_name="deltas")
    client_delta_id = models.CharField(max_length=255, null=True, blank=True)
    base_version = models.PositiveIntegerField()
    operations = models.JSONField()
    # What each operation saw in its base version; what rebase compares with the head.
    expectations = models.JSONField(default=list)
    # Computed at apply time against the content met; empty until then.
    inverse = models.JSONField(default=list)
    conflicts = models.JSONField(default=list)
    status = models.CharField(max_length=20, choices=DeltaStatus)
    confidence = models.FloatField()
    raw_confidence = models.FloatField()
    reasoning = models.TextField(blank=True)
    evidence = models.JSONField(default=dict)
    verdicts = models.JSONField(default=list)
    # Kept by the database, so that a queue is filtered by it without reading every verdict.
    risk = models.GeneratedField(
        expression=Case(
            When(_BLOCKED, then=Value(Risk.BLOCK.value)),
            When(_WARNED, then=Value(Risk.WARN.value)),
            default=Value(Risk.CLEAR.value),
        ),
        output_field=models.CharField(max_length=5, choices=Risk),
        db_persist=True,
    )
    source = models.CharField(max_length=12, choices=Source)
    # False where a person was asked to decide, or took it in hand: then no judge's pass applies it.
    may_apply = models.BooleanField(default=True, db_default=True)
    # The language model that wrote it, where one did.
    model = models.CharField(max_length=200, blank=True)
    author = models.CharField(max_length=255)
    # An evolution run's id; plain, because playbooks knows no app above it.
    run_id = models.BigIntegerField(null=True, db_index=True)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    decided_at = models.DateTimeField(null=True)
    decided_by = models.CharField(max_length=255, blank=True)
    decision_reason = models.TextField(blank=True)
    applied_version = models.PositiveIntegerField(null=True)
    # The delta_id of the one that its author took back for this one.
    replaces = models.UUIDField(null=True, db_index=True)

    class Meta:
        db_table = "context_deltas"
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["playbook", "client_delta_id"], name="client_delta_id_once"
            ),
            models.CheckConstraint(
                condition=Q(confidence__gte=0, confidence__lte=1), name="delta_confidence_0_1"
            ),
            models.CheckConstraint(
                condition=Q(raw_confidence__gte=0, raw_confidence__lte=1),
                name="delta_raw_confidence_0_1",
            ),
        ]
        indexes = [
            models.Index(fields=["playbook", "-id"], name="delta_playbook"),
            models.Index(fields=["status", "-id"], name="delta_status"),
            models.Index(fields=["playbook", "status"], name="delta_playbook_status"),
            models.Index(fields=["-decided_at"], name="delta_decided_at"),
            # The few that a reviewer reworded, which the figures of quality look for.
            models.Index(
                fields=["-id"], condition=Q(evidence__has_key="edited_from"), name="delta_edited"
            ),
            models.Index(fields=["confidence"], name="delta_confidence"),
            # The queue's own: a page of it reads only rows that it shows, however many are decided.
            models.Index(fields=["-id"], condition=Q(status__in=WAITING), name="delta_waiting"),
            models.Index(fields=["-id"], condition=Q(status__in=DECIDED), name="delta_decided"),
            models.Index(
                fields=["playbook", "-id"],
                condition=Q(status__in=WAITING),
                name="delta_waiting_playbook",
            ),
            models.Index(
                fields=["playbook", "-id"],
                condition=Q(status__in=DECIDED),
                name="delta_decided_playbook",
            ),
            models.Index(
                fields=["risk", "-id"], condition=Q(status__in=WAITING), name="delta_waiting_risk"
            ),
            models.Index(
                fields=["source", "-id"],
                condition=Q(status__in=WAITING),
                name="delta_waiting_source",
            ),
            # And the orders of the queue that are not by age, for all agents and for one.
            models.Index(
                fields=["confidence", "id"],
                condition=Q(status__in=WAITING),
                name="delta_waiting_confidence",
            ),
            models.Index(
                fields=["playbook", "confidence", "id"],
                condition=Q(status__in=WAITING),
                name="delta_waiting_play_confidence",
            ),
            models.Index(
                fields=["playbook", "risk", "-id"],
                condition=Q(status__in=WAITING),
                name="delta_waiting_play_risk",
            ),
            # What its author is to revise: a line of the overview.
            models.Index(
                fields=["author", "-id"],
                condition=Q(status=DeltaStatus.CHANGES_REQUESTED),
                name="delta_changes_author",
            ),
            GinIndex(fields=["evidence"], opclasses=["jsonb_path_ops"], name="delta_evidence_gin"),
        ]

    def __str__(self) -> str:
        return f"delta {self.pk}"


class Decision(models.TextChoices):
    APPROVE = "approve"
    REJECT = "reject"
    REQUEST_CHANGES = "request_changes"
    UNDO = "undo"


class Review(models.Model):
    """One decision on a delta, by whom, with a reason."""

    delta = models.ForeignKey(Delta, on_delete=models.CASCADE, related_name="reviews")
    decision = models.CharField(max_length=16, choices=Decision)
    reviewer = models.CharField(max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="reviews"
    )
    reason = models.TextField(blank=True)
    self_approved = models.BooleanField(default=False)
    # Of an approval: whether it still counts; an edit or a way back ends that.
    stands = models.BooleanField(default=False, db_default=False)
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "delta_reviews"
        ordering = ["-id"]

    def __str__(self) -> str:
        return f"{self.decision} by {self.reviewer}"


class DeltaComment(models.Model):
    """What somebody said about a delta, before its decision or after it."""

    delta = models.ForeignKey(Delta, on_delete=models.CASCADE, related_name="comments")
    author = models.CharField(max_length=255)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, on_delete=models.SET_NULL, null=True, related_name="+"
    )
    text = models.TextField()
    created_at = models.DateTimeField(db_default=Now(), editable=False)

    class Meta:
        db_table = "delta_comments"
        ordering = ["id"]

    def __str__(self) -> str:
        return f"comment by {self.author}"


class Waiver(models.Model):
    """An operator's word that a named judge shall not hold deltas back, for a time."""

    agent = models.ForeignKey(Agent, on_delete=models.CASCADE, related_name="waivers")
    # Only this delta; null for every delta of the agent.
    delta = models.ForeignKey(Delta, on_delete=models.CASCADE, null=True, related_name="waivers")
    judge = models.CharField(max_length=64)
    reason = models.TextField()
    waived_by = models.CharField(max_length=255)
    created_at = models.DateTimeField(db_default=Now(), editable=False)
    expires_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    ended_by = models.CharField(max_length=255, blank=True)

    class Meta:
        db_table = "verdict_waivers"
        ordering = ["-id"]
        indexes = [models.Index(fields=["agent", "judge", "expires_at"], name="waiver_agent_judge")]

    def __str__(self) -> str:
        return f"waiver of {self.judge}"
