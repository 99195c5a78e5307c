"""Caps on calls of language models over all workers: at once, per minute, tokens per minute."""

from datetime import datetime, timedelta
from typing import Any

from django.conf import settings
from django.db import connection

from ace_project.core.errors import AceError

_WINDOW = timedelta(seconds=60)
# When the next of the calls under way will end is not known.
_LOOK_AGAIN_SECONDS = 1.0
# What is held for many attempts at once (evolution.ledger) takes no place and has no rate.
OF_TRAINING = "training"
_LOCK = 0x41434C4C  # "ACLL", apart from the keys of other advisory locks


class TooBusy(AceError):
    """A cap on calls is reached; `retry_after` is in seconds."""

    status = 429
    title = "Too many calls of language models"

    def __init__(self, detail: str, *, retry_after: float) -> None:
        super().__init__(detail, retry_after=retry_after)
        self.retry_after = retry_after


def one_at_a_time() -> datetime:
    """Let one reservation through until its transaction ends; return the database's time then.

    The time is read after the lock is held, not at the transaction's start: it may have waited,
    and windows that count from it would be too short.
    """
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(%s)", (_LOCK,))
        cursor.execute("SELECT clock_timestamp()")
        now: datetime = cursor.fetchone()[0]
    return now


def check_concurrency(now: datetime) -> None:
    """Raise TooBusy while as many calls are under way as may be; the caller holds the lock.

    A reservation past its end is not under way: its money is held, its place is free.
    """
    sql = """SELECT count(*) FROM llm_calls
             WHERE state = 'reserved' AND expires_at > %s AND purpose <> %s"""
    with connection.cursor() as cursor:
        cursor.execute(sql, (now, OF_TRAINING))
        (running,) = cursor.fetchone()
    if running >= settings.ACE_LLM_MAX_CONCURRENT:
        raise TooBusy(f"{running} calls are under way", retry_after=_LOOK_AGAIN_SECONDS)


# Newest first: the call with the number of the cap must leave the window, and so must the newest
# one that fills up the tokens. What was never sent does not count, and what was refused cost none.
_RECENT = """
WITH sent AS (
  SELECT created_at, row_number() OVER newest AS number, sum(
    CASE WHEN outcome = 'refused' THEN 0
         ELSE coalesce(prompt_tokens + completion_tokens, reserved_tokens) END
  ) OVER newest AS tokens
  FROM llm_calls WHERE created_at > %(since)s AND outcome <> 'unsent' AND purpose <> %(other)s
  WINDOW newest AS (ORDER BY created_at DESC, id))
SELECT max(created_at) FILTER (WHERE number >= %(calls)s),
       max(created_at) FILTER (WHERE tokens > %(tokens)s)
FROM sent
"""


def check_rates(now: datetime, tokens: int) -> None:
    """Raise TooBusy when one more call of `tokens` would pass a cap; the caller holds the lock.

    A call larger than a whole minute's tokens goes through alone, in a minute without others.
    """
    room = max(0, settings.ACE_LLM_TOKENS_PER_MINUTE - tokens)
    asked: dict[str, Any] = {
        "since": now - _WINDOW,
        "calls": settings.ACE_LLM_CALLS_PER_MINUTE,
        "tokens": room,
        "other": OF_TRAINING,
    }
    with connection.cursor() as cursor:
        cursor.execute(_RECENT, asked)
        by_calls, by_tokens = cursor.fetchone()
    blocking = [moment for moment in (by_calls, by_tokens) if moment]
    if blocking:
        wait = (max(blocking) + _WINDOW - now).total_seconds()
        what = "calls" if by_calls == max(blocking) else "tokens"
        raise TooBusy(f"as many {what} a minute as may be", retry_after=max(0.001, wait))
