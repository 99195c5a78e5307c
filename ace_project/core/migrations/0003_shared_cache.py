"""The table of the cache that all processes share: as `createcachetable` would make it."""

from django.db import migrations

MAKE = """
CREATE TABLE shared_cache (
    cache_key varchar(255) NOT NULL PRIMARY KEY,
    value text NOT NULL,
    expires timestamp with time zone NOT NULL
);
CREATE INDEX shared_cache_expires ON shared_cache (expires);
"""


class Migration(migrations.Migration):
    dependencies = [("core", "0002_groups")]
    operations = [migrations.RunSQL(MAKE, "DROP TABLE shared_cache")]
