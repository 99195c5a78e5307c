"""The shapes of what goes out, for the OpenAPI document (`documents.py` makes them)."""

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from ace_project.core.api.fields import Document
from playbooks.api.requests import OPERATION_SCHEMA
from playbooks.models import DeltaStatus, Mode, Source, VersionKind


@extend_schema_field({"type": "array", "items": {"type": "object"}})
class Documents(serializers.Field):
    """A list of JSON objects."""


@extend_schema_field({"type": "array", "items": OPERATION_SCHEMA})
class StoredOperations(serializers.Field):
    """Operations as they are kept."""


class AgentAnswer(serializers.Serializer):
    agent_id = serializers.CharField()
    playbook_id = serializers.UUIDField()
    name = serializers.CharField(allow_blank=True)
    metadata = Document()
    mode = serializers.ChoiceField(Mode.choices)
    simulated = serializers.BooleanField()
    version = serializers.IntegerField()
    created_at = serializers.DateTimeField()


class CreatedPlaybook(serializers.Serializer):
    playbook_id = serializers.UUIDField()
    agent_id = serializers.CharField()
    version = serializers.IntegerField()
    content = Document()
    created_at = serializers.DateTimeField()


class Explored(serializers.Serializer):
    share = serializers.FloatField()
    session = serializers.CharField(help_text="what the session's trace names as `session`")
    bullets = serializers.ListField(child=serializers.CharField())


class PlaybookAnswer(serializers.Serializer):
    playbook_id = serializers.UUIDField()
    agent_id = serializers.CharField()
    version = serializers.IntegerField()
    content = Document()
    last_updated = serializers.DateTimeField()
    metadata = Document()
    explored = Explored(required=False, help_text="only with `explore`, where it is on")


class VersionSummary(serializers.Serializer):
    version = serializers.IntegerField()
    parent = serializers.IntegerField(allow_null=True)  # type: ignore[assignment]
    kind = serializers.ChoiceField(VersionKind.choices)
    author = serializers.CharField()
    reason = serializers.CharField(allow_blank=True)
    delta_id = serializers.UUIDField(allow_null=True)
    restored = serializers.IntegerField(allow_null=True)
    created_at = serializers.DateTimeField()
    hash = serializers.CharField()


class VersionAnswer(VersionSummary):
    content = Document()


class VersionPage(serializers.Serializer):
    results = VersionSummary(many=True)
    next = serializers.CharField(allow_null=True)


class DiffAnswer(serializers.Serializer):
    sections = Document()
    set = Documents()
    unset = Documents()

    def get_fields(self) -> dict[str, "serializers.Field"]:
        """Return the fields; `from` is a word that Python keeps for itself."""
        ends = {"from": serializers.IntegerField(), "to": serializers.IntegerField()}
        return {**ends, **super().get_fields()}


class Counters(serializers.Serializer):
    used = serializers.IntegerField()
    helped = serializers.IntegerField()
    harmed = serializers.IntegerField()


class BulletAnswer(serializers.Serializer):
    bullet_id = serializers.CharField()
    section = serializers.CharField()
    text = serializers.CharField()
    position = serializers.IntegerField()
    lineage = serializers.ListField(child=serializers.CharField())
    introduced_version = serializers.IntegerField(allow_null=True)
    introduced_by = serializers.CharField(allow_null=True)
    counters = Counters()


class BulletPage(serializers.Serializer):
    results = BulletAnswer(many=True)
    next = serializers.CharField(allow_null=True)


class DeltaAnswer(serializers.Serializer):
    delta_id = serializers.UUIDField()
    client_delta_id = serializers.CharField(allow_null=True)
    agent_id = serializers.CharField()
    base_version = serializers.IntegerField()
    status = serializers.ChoiceField(DeltaStatus.choices)
    operations = StoredOperations()
    conflicts = Documents()
    confidence = serializers.FloatField()
    raw_confidence = serializers.FloatField()
    reasoning = serializers.CharField(allow_blank=True)
    evidence = Document()
    verdicts = Documents()
    author = serializers.CharField()
    created_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    decided_by = serializers.CharField(allow_null=True)
    decision_reason = serializers.CharField(allow_null=True)
    applied_version = serializers.IntegerField(allow_null=True)
    replaces = serializers.UUIDField(allow_null=True)

    def get_fields(self) -> dict[str, "serializers.Field"]:
        """Return the fields; a serializer has an attribute `source` of its own."""
        return {**super().get_fields(), "source": serializers.ChoiceField(Source.choices)}


class Approved(serializers.Serializer):
    by = serializers.CharField()
    at = serializers.DateTimeField()


class OneDeltaAnswer(DeltaAnswer):
    approvals = Approved(many=True, help_text="those that count")
    approvals_needed = serializers.IntegerField(help_text="2 where its sections need two people")


class DeltaPage(serializers.Serializer):
    results = DeltaAnswer(many=True)
    next = serializers.CharField(allow_null=True)


class Applied(serializers.Serializer):
    """The change is live."""

    playbook_id = serializers.UUIDField()
    version = serializers.IntegerField()
    delta_id = serializers.UUIDField()
    client_delta_id = serializers.CharField(allow_null=True)
    applied = serializers.BooleanField()
    status = serializers.ChoiceField(DeltaStatus.choices)
    rollback_available = serializers.BooleanField()


class NotApplied(serializers.Serializer):
    """The change is kept and not live; `status` says why."""

    playbook_id = serializers.UUIDField()
    version = serializers.IntegerField()
    delta_id = serializers.UUIDField()
    client_delta_id = serializers.CharField(allow_null=True)
    applied = serializers.BooleanField()
    status = serializers.ChoiceField(DeltaStatus.choices)
    reason = serializers.CharField(allow_null=True)
