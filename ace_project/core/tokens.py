"""JSON Web Tokens for agents and services: issued once, checked on every call, revocable."""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from uuid import UUID

import jwt
from django.conf import settings
from django.db import Error
from django.db.models import Q
from django.db.models.fields.json import KT
from django.utils import timezone
from django.utils.crypto import salted_hmac
from redis.exceptions import RedisError

from ace_project.core import heads
from ace_project.core.errors import InvalidInput, Unauthenticated
from ace_project.core.models import ApiToken, IdempotencyKey

logger = logging.getLogger(__name__)

SCOPES = (
    "playbooks:read",
    "playbooks:propose",
    "playbooks:review",
    "agents:write",
    "traces:write",
    "traces:relay",
    "traces:read",
    "evolution:trigger",
    "training:start",
    "training:view",
    "training:cancel",
    "training:evaluate",
    "data:export",
)
AGENT_SCOPES = (
    "playbooks:read",
    "playbooks:propose",
    "traces:write",
    "traces:read",
    "evolution:trigger",
    "training:view",
)
_ALGORITHM = "HS256"
# A token's last use is written at most so often by a process, and so often in all.
USE_SECONDS = 60
_MOST_NOTED = 10_000
_noted: dict[str, float] = {}
LIVE = b"live"
LIVE_SECONDS = 30
ASK_SECONDS = 600


@dataclass(frozen=True, slots=True)
class Principal:
    """Who holds a valid token: one agent, or (agent_id None) a service that serves all."""

    subject: str
    agent_id: str | None
    scopes: frozenset[str]
    jti: str
    expires: float

    is_authenticated = True


@lru_cache(maxsize=4)
def _key(secret: str) -> bytes:
    return salted_hmac("ace.tokens", "v1", secret=secret, algorithm="sha256").digest()


def issue(
    agent_id: str | None,
    *,
    scopes: Sequence[str] = (),
    days: int = 90,
    name: str = "",
    by: str = "",
    now: datetime | None = None,
) -> tuple[str, ApiToken]:
    """Return a new token's text, which is shown once and never stored, and its row.

    `by` is who asked for it, as `kind:name`; empty for a terminal.

    Raises InvalidInput for an unknown scope or a lifetime outside 1 to 3650 days.
    """
    unknown = sorted(set(scopes) - set(SCOPES))
    if unknown:
        raise InvalidInput(f"there is no scope {', '.join(unknown)}; known: {', '.join(SCOPES)}")
    if not 1 <= days <= 3650:
        raise InvalidInput("a token lives 1 to 3650 days")
    now = now or timezone.now()
    chosen = sorted(set(scopes)) or list(AGENT_SCOPES)
    expires = now + timedelta(days=days)
    row = ApiToken.objects.create(
        agent_id=agent_id, scopes=chosen, expires_at=expires, name=name, created_by=by
    )
    claims: dict[str, object] = {
        "sub": f"agent:{agent_id}" if agent_id else f"service:{name or row.jti}",
        "scope": " ".join(chosen),
        "iat": int(now.timestamp()),
        "exp": int(expires.timestamp()),
        "jti": str(row.jti),
    }
    if agent_id:
        claims["agent_id"] = agent_id
    return jwt.encode(claims, _key(settings.SECRET_KEY), algorithm=_ALGORITHM), row


@lru_cache(maxsize=4096)
def _verified(token: str, secret: str) -> Principal:
    """Check signature and shape once per token text; expiry is checked on every call."""
    claims = jwt.decode(
        token,
        _key(secret),
        algorithms=[_ALGORITHM],
        options={"require": ["sub", "scope", "exp", "jti"], "verify_exp": False},
    )
    agent_id, scope, jti = claims.get("agent_id"), claims["scope"], claims["jti"]
    if not isinstance(scope, str) or not (agent_id is None or isinstance(agent_id, str)):
        raise jwt.InvalidTokenError("claims of the wrong type")
    return Principal(
        str(claims["sub"]),
        agent_id,
        frozenset(scope.split()),
        str(UUID(str(jti))),
        float(claims["exp"]),
    )


def principal(authorization: str, now: float) -> Principal:
    """Return who the header `Bearer <JWT>` stands for, revocation not yet checked.

    `now` is a Unix time in seconds. Raises Unauthenticated.
    """
    scheme, _, token = authorization.partition(" ")
    if scheme.lower() != "bearer" or not token or len(token) > 4096:
        raise Unauthenticated("send 'Authorization: Bearer <token>'")
    try:
        found = _verified(token.strip(), settings.SECRET_KEY)
    except (jwt.PyJWTError, ValueError) as error:
        raise Unauthenticated("the token is not valid") from error
    if found.expires <= now:
        raise Unauthenticated("the token has expired")
    return found


def is_live(jti: str) -> bool:
    """Return whether the token was issued here and not revoked."""
    return ApiToken.objects.filter(jti=jti, revoked_at=None).exists()


def revoke(jti: str, *, by: str = "") -> bool:
    """Revoke a token at once; False if there is none that is live."""
    _ask_again([jti])
    live = ApiToken.objects.filter(jti=jti, revoked_at=None)
    return bool(live.update(revoked_at=timezone.now(), revoked_by=by))


def note_use(jti: str, now: float) -> None:
    """Write down that a token is in use; `now` is a Unix time. No call fails because of it."""
    if now - _noted.get(jti, 0.0) < USE_SECONDS:
        return
    if len(_noted) >= _MOST_NOTED:
        _noted.clear()
    _noted[jti] = now
    moment = datetime.fromtimestamp(now, UTC)
    long_ago = Q(last_used_at=None) | Q(last_used_at__lt=moment - timedelta(seconds=USE_SECONDS))
    try:
        ApiToken.objects.filter(long_ago, jti=jti, revoked_at=None).update(last_used_at=moment)
    except Error as error:
        logger.warning("the use of token %s is not written down: %s", jti, error)


def erase(agent_id: str) -> None:
    """Delete the tokens of an agent that is being erased, and the answers kept for it."""
    rows = ApiToken.objects.filter(agent_id=agent_id)
    jtis = [str(jti) for jti in rows.values_list("jti", flat=True)]
    _ask_again(jtis)
    IdempotencyKey.objects.filter(token__in=jtis).delete()
    # A service's answers about this agent name it; an agent's id needs no escape in JSON.
    kept = IdempotencyKey.objects.annotate(text=KT("body__text"))
    kept.filter(text__contains=f'"agent_id":"{agent_id}"').delete()
    rows.delete()


def live_key(jti: str) -> str:
    """Return the Redis key that holds LIVE for a token lately found live in PostgreSQL."""
    return heads.shared_key(f"token:{jti}")


def remember_live(jti: str) -> None:
    """Let Redis vouch for a token for a while, unless it is just being revoked."""
    if not heads.usable():
        return
    try:
        heads.client(write=True).set(live_key(jti), LIVE, ex=LIVE_SECONDS, nx=True)
    except RedisError as error:
        logger.warning("token not written to Redis: %s", error)


def _ask_again(jtis: Iterable[str]) -> None:
    """Make readers ask PostgreSQL, from before a revocation until long after it committed.

    The key stands in the way of a reader that found the token live just before: it only adds.
    """
    if not settings.REDIS_URL:
        return
    try:
        for jti in jtis:
            heads.client(write=True).set(live_key(jti), b"ask", ex=ASK_SECONDS)
    except RedisError as error:
        logger.warning("Redis may vouch %s s more for a revoked token: %s", LIVE_SECONDS, error)
