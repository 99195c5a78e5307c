from django.db import migrations, models


class Migration(migrations.Migration):

    dependencies = [
        ('playbooks', '0002_council_and_counters'),
    ]

    operations = [
        migrations.AddField(
            model_name='delta',
            name='may_apply',
            field=models.BooleanField(db_default=True, default=True),
        ),
    ]
