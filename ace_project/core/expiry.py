"""What is kept for a while only: answers under idempotency keys, sessions, counts of guesses."""

from datetime import timedelta

from django.contrib.sessions.models import Session
from django.db import connection
from django.db.models.functions import Now

from ace_project.core.models import IdempotencyKey
from ace_project.core.work.loop import every_tick

# A client that retries does so within minutes; the answers hold agents' content.
ANSWER_LIFETIME = timedelta(hours=24)


@every_tick
def drop_old_answers() -> None:
    """Delete answers older than a day; by an index, so a tick with nothing to do costs nothing."""
    IdempotencyKey.objects.filter(created_at__lt=Now() - ANSWER_LIFETIME).delete()


@every_tick
def drop_old_sessions() -> None:
    """Delete sessions whose time is over, and what the shared cache held for a time; by indexes."""
    Session.objects.filter(expire_date__lt=Now()).delete()
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM shared_cache WHERE expires < now()")
