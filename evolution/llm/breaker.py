"""The circuit breaker of an endpoint's model, shared by all workers as a row in PostgreSQL.

Closed until ACE_CB_FAILURE_THRESHOLD failures in a row; then open for ACE_CB_RECOVERY_TIMEOUT
seconds; then half-open: one caller at a time may probe. A success closes it, a failure opens it
anew. All times are the database's.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

from django.conf import settings
from django.db import connection

from evolution.models import CircuitBreaker

State = Literal["closed", "open", "half_open"]

# A failure's text may be a whole page of a proxy.
_ERROR_CHARS = 2000
# A probe outlasts the longest call, so that only a dead prober's place is given away.
_PROBE_GRACE_SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Permit:
    """Leave to call a model once; `opened_at` and `probe_until` tell which state it was given in.

    Both are None for a permit of the closed breaker, both are set for the one probe.
    """

    endpoint: str
    model: str
    opened_at: datetime | None = None
    probe_until: datetime | None = None


def permit(endpoint: str, model: str) -> Permit | None:
    """Return leave to call `model` at `endpoint`, or None while it is open or being probed."""
    row = CircuitBreaker.objects.filter(endpoint=endpoint, model=model).first()
    if row is None or row.opened_at is None:
        return Permit(endpoint, model)
    probe = _run(
        """UPDATE circuit_breakers
           SET probe_until = clock_timestamp() + make_interval(secs => %(lease)s),
               updated_at = clock_timestamp()
           WHERE endpoint = %(endpoint)s AND model = %(model)s
             AND opened_at <= clock_timestamp() - make_interval(secs => %(recovery)s)
             AND (probe_until IS NULL OR probe_until < clock_timestamp())
           RETURNING opened_at, probe_until""",
        Permit(endpoint, model),
    )
    return Permit(endpoint, model, *probe) if probe else None


def succeeded(given: Permit) -> None:
    """Close the breaker for the probe that holds it; forget earlier failures while it is closed.

    A call that was let through before the breaker opened proves nothing about now.
    """
    _run(
        """UPDATE circuit_breakers
           SET failures = 0, opened_at = NULL, probe_until = NULL, updated_at = clock_timestamp()
           WHERE endpoint = %(endpoint)s AND model = %(model)s AND failures > 0
             AND opened_at IS NOT DISTINCT FROM %(opened_at)s
             AND probe_until IS NOT DISTINCT FROM %(probe_until)s
           RETURNING failures""",
        given,
    )


def failed(given: Permit, error: str) -> None:
    """Count a failure: the threshold's opens the breaker, that of the probe opens it anew."""
    sql = _PROBE_FAILED if given.probe_until else _CALL_FAILED
    _run(sql, given, error=error[:_ERROR_CHARS].replace("\x00", ""))


# A failure of a call that began before the breaker opened changes nothing: it is open already.
_CALL_FAILED = """
INSERT INTO circuit_breakers AS b (endpoint, model, failures, opened_at, last_error, updated_at)
VALUES (%(endpoint)s, %(model)s, 1,
        CASE WHEN %(threshold)s <= 1 THEN clock_timestamp() END, %(error)s, clock_timestamp())
ON CONFLICT (endpoint, model) DO UPDATE SET
  failures = b.failures + 1,
  opened_at = CASE WHEN b.failures + 1 >= %(threshold)s THEN clock_timestamp() END,
  last_error = excluded.last_error, updated_at = clock_timestamp()
WHERE b.opened_at IS NULL
RETURNING failures
"""
_PROBE_FAILED = """
UPDATE circuit_breakers
SET failures = failures + 1, opened_at = clock_timestamp(), probe_until = NULL,
    last_error = %(error)s, updated_at = clock_timestamp()
WHERE endpoint = %(endpoint)s AND model = %(model)s
  AND opened_at = %(opened_at)s AND probe_until = %(probe_until)s
RETURNING failures
"""


def hand_back(given: Permit) -> None:
    """Give back a permit without a call: no budget, no room. Another may probe at once."""
    if given.probe_until:
        _run(
            """UPDATE circuit_breakers SET probe_until = NULL
               WHERE endpoint = %(endpoint)s AND model = %(model)s
                 AND opened_at = %(opened_at)s AND probe_until = %(probe_until)s
               RETURNING failures""",
            given,
        )


def state(endpoint: str, model: str) -> State:
    """Return the breaker's state; one that was never needed is closed."""
    return states().get((endpoint, model), "closed")


def states() -> dict[tuple[str, str], State]:
    """Return the state of every breaker that ever counted a failure, by endpoint and model."""
    sql = """SELECT endpoint, model, CASE
               WHEN opened_at IS NULL THEN 'closed'
               WHEN opened_at > clock_timestamp() - make_interval(secs => %s) THEN 'open'
               ELSE 'half_open' END
             FROM circuit_breakers"""
    with connection.cursor() as cursor:
        cursor.execute(sql, (settings.ACE_CB_RECOVERY_TIMEOUT,))
        return {(endpoint, model): found for endpoint, model, found in cursor.fetchall()}


def _run(sql: str, given: Permit, error: str = "") -> tuple[Any, ...] | None:
    values: dict[str, Any] = {
        "endpoint": given.endpoint,
        "model": given.model,
        "opened_at": given.opened_at,
        "probe_until": given.probe_until,
        "error": error,
        "threshold": settings.ACE_CB_FAILURE_THRESHOLD,
        "recovery": settings.ACE_CB_RECOVERY_TIMEOUT,
        "lease": settings.ACE_LLM_TIMEOUT_SECONDS + _PROBE_GRACE_SECONDS,
    }
    with connection.cursor() as cursor:
        cursor.execute(sql, values)
        row: tuple[Any, ...] | None = cursor.fetchone()
    return row
