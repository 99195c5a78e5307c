"""Which version of an agent's playbook is live: the one thing about a playbook that must be fresh.

Without Redis the answer is always PostgreSQL's. With Redis a write-through key, set only if newer,
answers instead; a dead Redis slows reads down and changes nothing else.
"""

import json
import logging
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import caches
from redis.exceptions import RedisError

logger = logging.getLogger(__name__)

# KEYS[1] the pointer; ARGV playbook, version, document, seconds to live, 1 to replace its equal.
# A value is `playbook version document`, so that this script parses no JSON of an agent's making.
# Older never overwrites; an agent that was erased and made again has a greater playbook id.
_SET_IF_NEWER = """
local old = redis.call('GET', KEYS[1])
if old then
  local was, number = string.match(old, '^(%d+) (%d+) ')
  was, number = tonumber(was), tonumber(number)
  local playbook, version = tonumber(ARGV[1]), tonumber(ARGV[2])
  if was > playbook then return 0 end
  if was == playbook and number > version then return 0 end
  if was == playbook and number == version and ARGV[5] == '0' then return 0 end
end
redis.call('SET', KEYS[1], ARGV[3], 'EX', ARGV[4])
return 1
"""
# Greater than every version: what an erased agent leaves, so that no slow reader puts it back.
_ERASED = 2**53 - 1
_ERASED_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Head:
    """The live version: enough to answer 304 and to find the immutable content.

    `metadata` is the agent's, as JSON text.
    """

    playbook_id: int
    public_id: str
    version: int
    content_hash: str
    updated_at: datetime
    metadata: str = "{}"

    @property
    def etag(self) -> str:
        """Return the strong ETag over version and content hash."""
        return f'"{self.version}-{self.content_hash[:32]}"'


def usable() -> bool:
    """Return whether reads may be answered by Redis at all."""
    return bool(settings.REDIS_URL) and settings.ACE_ENABLE_CACHE


def _key(agent_id: str) -> str:
    return shared_key(f"head:{agent_id}")


def shared_key(name: str) -> str:
    """Return the full name of a key in Redis."""
    return caches["shared"].make_key(name)


def client(*, write: bool) -> Any:
    """Return Redis' own client."""
    return caches["shared"].client.get_client(write=write)  # type: ignore[attr-defined]


def advance(agent_id: str, head: Head, *, replace: bool = False) -> None:
    """Write the pointer through to Redis, unless a newer one is there already.

    `replace` overwrites the pointer of the same version: its metadata changed.
    """
    if not settings.REDIS_URL:
        return
    fields = [head.public_id, head.content_hash, head.updated_at.isoformat(), head.metadata]
    _set(agent_id, head.playbook_id, head.version, json.dumps(fields), replace=replace)


def _set(
    agent_id: str, playbook_id: int, version: int, document: str, *, replace: bool, seconds: int = 0
) -> None:
    value = f"{playbook_id} {version} {document}"
    lifetime = seconds or settings.ACE_CACHE_TTL_SECONDS
    try:
        client(write=True).eval(
            _SET_IF_NEWER, 1, _key(agent_id), playbook_id, version, value, lifetime, int(replace)
        )
    except RedisError as error:
        logger.warning("head of %s not written to Redis: %s", agent_id, error)


def cached(agent_id: str, *, beside: str = "") -> tuple[Head | None, bytes | None]:
    """Return the pointer that Redis holds, and the value of the key `beside` (by its full name).

    Both come in one round trip; None without Redis, without the key, or with Redis dead.
    """
    if not usable():
        return None, None
    keys = [_key(agent_id), beside] if beside else [_key(agent_id)]
    try:
        raw, *others = client(write=False).mget(keys)
    except RedisError as error:
        logger.warning("head of %s not read from Redis: %s", agent_id, error)
        return None, None
    return _parsed(raw), (others[0] if others else None)


def _parsed(raw: bytes | None) -> Head | None:
    if raw is None:
        return None
    playbook_id, version, document = raw.decode().split(" ", 2)
    fields = json.loads(document)
    if fields is None:
        return None
    public_id, content_hash, updated_at, metadata = fields
    when = datetime.fromisoformat(updated_at)
    return Head(int(playbook_id), public_id, int(version), content_hash, when, metadata)


def forget(agent_id: str, playbook_id: int) -> None:
    """Drop the pointer of an agent that was erased; its playbook's id never comes back."""
    if settings.REDIS_URL:
        _set(agent_id, playbook_id, _ERASED, "null", replace=True, seconds=_ERASED_SECONDS)
