import django.contrib.postgres.search
from django.db import migrations


class Migration(migrations.Migration):
    dependencies = [
        ("evolution", "0007_trace_covering_index"),
    ]

    # Null and without a default, so that no row is written: the next migration fills it.
    operations = [
        migrations.AddField(
            model_name="executiontrace",
            name="search",
            field=django.contrib.postgres.search.SearchVectorField(editable=False, null=True),
        ),
    ]
