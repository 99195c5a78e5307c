"""Django's PostgreSQL backend on the embedded server, started (or revived) when first needed."""

from typing import Any

from django.conf import settings
from django.db.backends.postgresql import base

from ace_project.core import embedded_postgres


class DatabaseWrapper(base.DatabaseWrapper):
    """Makes sure that the embedded server runs before each new connection."""

    def get_connection_params(self) -> dict[str, Any]:
        """Return how to reach the server's socket, with its password."""
        server = embedded_postgres.database_settings(settings.VAR_DIR)
        names = ("USER", "PASSWORD", "HOST", "PORT")
        self.settings_dict.update({name: server.get(name, "") for name in names})
        return super().get_connection_params()
