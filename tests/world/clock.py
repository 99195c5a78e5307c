"""Time for a world whose past is made in a moment."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from unittest import mock

from django.utils import timezone


def ago(days: float = 0, hours: float = 0) -> datetime:
    """Return the moment so long before now."""
    return timezone.now() - timedelta(days=days, hours=hours)


@contextmanager
def at(moment: datetime) -> Iterator[datetime]:
    """Let services take `moment` for the present; what the database dates itself stays today's."""
    with mock.patch("django.utils.timezone.now", return_value=moment):
        yield moment
