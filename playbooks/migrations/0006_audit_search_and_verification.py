"""Finding audit events by their words, by who and by when; and verifications of the chains."""

import django.db.models.functions.datetime
from django.db import migrations, models

_WORDS = """
CREATE INDEX audit_words ON audit_events USING gin
  (to_tsvector('simple'::regconfig, subject || ' ' || data::text))
"""
_WHO = "CREATE INDEX audit_actor ON audit_events (upper(actor) text_pattern_ops)"


class Migration(migrations.Migration):
    dependencies = [("playbooks", "0005_delta_reading_indexes")]

    operations = [
        migrations.AddIndex(
            model_name="auditevent",
            index=models.Index(fields=["created_at"], name="audit_moment"),
        ),
        migrations.RunSQL(_WORDS, "DROP INDEX audit_words"),
        migrations.RunSQL(_WHO, "DROP INDEX audit_actor"),
        migrations.CreateModel(
            name="Verification",
            fields=[
                (
                    "id",
                    models.BigAutoField(
                        auto_created=True, primary_key=True, serialize=False, verbose_name="ID"
                    ),
                ),
                ("chain", models.CharField(blank=True, max_length=255, null=True)),
                (
                    "status",
                    models.CharField(
                        choices=[("running", "Running"), ("whole", "Whole"), ("broken", "Broken")],
                        default="running",
                        max_length=8,
                    ),
                ),
                ("asked_by", models.CharField(max_length=255)),
                (
                    "asked_at",
                    models.DateTimeField(
                        db_default=django.db.models.functions.datetime.Now(), editable=False
                    ),
                ),
                ("finished_at", models.DateTimeField(null=True)),
                ("expected", models.PositiveBigIntegerField(default=0)),
                ("events", models.PositiveBigIntegerField(default=0)),
                ("versions", models.PositiveBigIntegerField(default=0)),
                ("chains", models.PositiveIntegerField(default=0)),
                ("playbooks", models.PositiveIntegerField(default=0)),
                ("place", models.JSONField(default=dict)),
                ("problems", models.JSONField(default=list)),
            ],
            options={
                "db_table": "history_verifications",
                "ordering": ["-id"],
                "indexes": [
                    models.Index(fields=["chain", "-id"], name="verification_chain"),
                    models.Index(
                        condition=models.Q(("status", "running")),
                        fields=["id"],
                        name="verification_running",
                    ),
                ],
            },
        ),
    ]
