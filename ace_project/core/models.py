"""Tokens and idempotency keys. They name agents by plain `agent_id`: core knows no app above it."""

import uuid

from django.db import models
from django.db.models.functions import Now


class ApiToken(models.Model):
    """One issued JWT; the row is what makes it revocable, the token itself is never stored."""

    jti = models.UUIDField(primary_key=True, default=uuid.uuid4, editable=False)
    agent_id = models.CharField(max_length=255, null=True, blank=True, db_index=True)
    name = models.CharField(max_length=100, blank=True)
    scopes = models.JSONField(default=list)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField()
    # Who issued and revoked it, as `kind:name`; empty for a terminal.
    created_by = models.CharField(max_length=255, blank=True)
    revoked_at = models.DateTimeField(null=True, blank=True)
    revoked_by = models.CharField(max_length=255, blank=True)
    # Behind by up to a minute: see core.tokens.note_use.
    last_used_at = models.DateTimeField(null=True, blank=True)

    class Meta:
        db_table = "api_tokens"
        verbose_name = "API token"
        ordering = ["-created_at"]
        indexes = [models.Index(fields=["-created_at", "-jti"], name="api_token_newest")]

    def __str__(self) -> str:
        return f"{self.agent_id or 'all agents'} {self.jti}"


class IdempotencyKey(models.Model):
    """The first answer given for a key; committed together with the effect it names."""

    token = models.CharField(max_length=64)
    key = models.CharField(max_length=255)
    body_hash = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField()
    body = models.JSONField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        db_table = "idempotency_keys"
        constraints = [
            models.UniqueConstraint(fields=["token", "key"], name="idempotency_key_once")
        ]

    def __str__(self) -> str:
        return self.key


class WorkerBeat(models.Model):
    """A worker process that says once in a while that it lives."""

    name = models.CharField(max_length=255, unique=True)
    threads = models.PositiveSmallIntegerField(default=1)
    started_at = models.DateTimeField(db_default=Now())
    beat_at = models.DateTimeField(db_default=Now(), db_index=True)

    class Meta:
        db_table = "worker_beats"
        verbose_name = "worker"

    def __str__(self) -> str:
        return self.name
