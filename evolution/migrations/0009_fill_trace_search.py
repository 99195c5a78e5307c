import json

import django.contrib.postgres.indexes
from django.contrib.postgres.operations import AddIndexConcurrently
from django.db import migrations

from evolution.terms import terms_of

BATCH = 200

# Of the steps only what the terms are made of, so that a batch of the longest traces fits.
_READ = """
SELECT id, success, origin, task_id, task_group, task_type, playbook_version,
  left(error_message, 1000),
  (SELECT coalesce(jsonb_agg(jsonb_build_object(
     'tool', s.step->>'tool', 'error', left(s.step->>'error', 1000)) ORDER BY s.place), '[]')
   FROM jsonb_array_elements(steps) WITH ORDINALITY AS s(step, place))
FROM execution_traces WHERE id > %s AND search IS NULL ORDER BY id LIMIT %s
"""
_WRITE = """
UPDATE execution_traces t SET search = f.search::tsvector
FROM jsonb_to_recordset(%s::jsonb) AS f(id bigint, search text)
WHERE t.id = f.id AND t.search IS NULL
"""


def fill(apps, schema_editor):
    """Give each trace its terms, a batch at a time: no lock is held for longer than that."""
    last = 0
    with schema_editor.connection.cursor() as cursor:
        while True:
            cursor.execute(_READ, [last, BATCH])
            rows = cursor.fetchall()
            if not rows:
                return
            found = [{"id": row[0], "search": _terms(*row[1:])} for row in rows]
            cursor.execute(_WRITE, [json.dumps(found)])
            last = rows[-1][0]


def _terms(success, origin, task_id, task_group, task_type, version, error_message, steps):
    return terms_of(
        success=success,
        origin=origin,
        task_id=task_id,
        task_group=task_group,
        task_type=task_type,
        version=version,
        error_message=error_message,
        steps=json.loads(steps) if isinstance(steps, str) else steps,
    )


class Migration(migrations.Migration):
    # Each batch is a transaction of its own, and the index is built beside the work.
    atomic = False

    dependencies = [
        ("evolution", "0008_trace_search"),
    ]

    operations = [
        migrations.RunPython(fill, migrations.RunPython.noop),
        AddIndexConcurrently(
            model_name="executiontrace",
            index=django.contrib.postgres.indexes.GinIndex(
                fastupdate=True,
                fields=["search"],
                gin_pending_list_limit=1024,
                name="trace_search",
            ),
        ),
    ]
