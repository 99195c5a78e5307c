"""GET of a playbook: the hot path. One statement, or with Redis none; content from the cache."""

from dataclasses import dataclass
from datetime import datetime
from hashlib import sha256
from time import perf_counter

from django.conf import settings
from django.core.cache import caches
from django.db import connection
from django.http import HttpRequest, HttpResponse, HttpResponseNotModified
from django.utils.http import parse_etags

from ace_project.core import heads, metrics, tokens
from ace_project.core.api import auth
from ace_project.core.api.render import dumps
from ace_project.core.errors import InvalidInput, NotFound, Unauthenticated
from ace_project.core.heads import Head
from ace_project.core.tokens import Principal
from playbooks import exploration, selectors
from playbooks.content import bullets

# Whether the token is live, and the pointer if the agent exists: always exactly one row.
_LIVE_HEAD = """
SELECT t.live, p.id, p.public_id, p.version, p.content_hash, p.updated_at, a.metadata
FROM (SELECT EXISTS(SELECT 1 FROM api_tokens WHERE jti = %s AND revoked_at IS NULL) AS live) t
LEFT JOIN agents a ON a.agent_id = %s
LEFT JOIN context_playbooks p ON p.agent_id = a.id
"""
_OLD_HEAD = """
SELECT t.live, p.id, p.public_id, v.number, v.content_hash, v.created_at, a.metadata
FROM (SELECT EXISTS(SELECT 1 FROM api_tokens WHERE jti = %s AND revoked_at IS NULL) AS live) t
LEFT JOIN agents a ON a.agent_id = %s
LEFT JOIN context_playbooks p ON p.agent_id = a.id
LEFT JOIN context_playbook_versions v ON v.playbook_id = p.id AND v.number = %s
"""
_CONTENT = "SELECT content::text FROM context_playbook_versions WHERE playbook_id=%s AND number=%s"
# Larger ones are read from PostgreSQL each time, so that the cache's memory is bounded.
CACHED_BYTES = 256 * 1024
_HEADERS = {"Cache-Control": "private, no-cache", "Vary": "Authorization"}


@dataclass(frozen=True, slots=True)
class Wanted:
    """One GET: whose playbook, and which version (None: the live one)."""

    agent_id: str
    version: int | None


@dataclass(frozen=True, slots=True)
class Told:
    """What one session is told of a version, as JSON, beside what it takes to learn from it."""

    etag: str
    content: bytes
    document: bytes


def answer(request: HttpRequest, agent_id: str) -> HttpResponse:
    """Return a playbook as JSON with its ETag, or 304; raises domain errors."""
    started = perf_counter()
    principal = auth.bearer(request)
    wanted = Wanted(agent_id, _version_asked(request))
    head = _head(wanted, principal)
    if head is None:
        auth.require_agent(principal, agent_id)
        what = f"version {wanted.version} of agent" if wanted.version else "agent"
        raise NotFound(f"there is no {what} {agent_id!r}")
    told = _explored(request, agent_id, head)
    etag = head.etag if told is None else told.etag
    headers = {"ETag": etag, **_HEADERS}
    response: HttpResponse
    if _still_has(request.META.get("HTTP_IF_NONE_MATCH"), etag):
        response = HttpResponseNotModified(headers=headers)
    else:
        body = _rendered(agent_id, head, _content(head) if told is None else told.content)
        if told is not None:
            body = b'%s,"explored":%s}' % (body[:-1], told.document)
        response = HttpResponse(body, content_type="application/json", headers=headers)
    metrics.RETRIEVAL_SECONDS.observe(perf_counter() - started)
    return response


def _version_asked(request: HttpRequest) -> int | None:
    if not request.META.get("QUERY_STRING"):
        return None
    raw = request.GET.get("version")
    if raw is None:
        return None
    if not (raw.isascii() and raw.isdigit() and len(raw) <= 9 and int(raw)):
        error = {"pointer": "?version", "message": "a whole number from 1"}
        raise InvalidInput("version is not valid", [error])
    return int(raw)


def _head(wanted: Wanted, principal: Principal) -> Head | None:
    """Return the version to serve once token, scope and agent are found to be in order."""
    if wanted.version is None and heads.usable():
        beside = tokens.live_key(principal.jti)
        head, vouched = heads.cached(wanted.agent_id, beside=beside)
        if head and vouched == tokens.LIVE:
            _authorise(principal, wanted.agent_id)
            return head
    live, head = _from_postgresql(wanted, principal)
    if not live:
        raise Unauthenticated("the token has been revoked")
    _authorise(principal, wanted.agent_id)
    if head and wanted.version is None and heads.usable():
        heads.advance(wanted.agent_id, head)
        tokens.remember_live(principal.jti)
    return head


def _authorise(principal: Principal, agent_id: str) -> None:
    auth.require(principal, "playbooks:read")
    auth.require_agent(principal, agent_id)


def _from_postgresql(wanted: Wanted, principal: Principal) -> tuple[bool, Head | None]:
    with connection.cursor() as cursor:
        if wanted.version is None:
            cursor.execute(_LIVE_HEAD, [principal.jti, wanted.agent_id])
        else:
            cursor.execute(_OLD_HEAD, [principal.jti, wanted.agent_id, wanted.version])
        live, playbook_id, public_id, version, content_hash, updated, metadata = cursor.fetchone()
    if version is None:
        return live, None
    return live, Head(playbook_id, str(public_id), version, content_hash, updated, metadata)


def _still_has(header: str | None, etag: str) -> bool:
    """Return whether If-None-Match names the ETag (RFC 9110, 13.1.2: weak comparison)."""
    if header is None:
        return False
    if header == etag:
        return True
    return any(given == "*" or given.removeprefix("W/") == etag for given in parse_etags(header))


def _explored(request: HttpRequest, agent_id: str, head: Head) -> Told | None:
    """Return what a session is told; None where none was named, or nothing is left out."""
    if not request.META.get("QUERY_STRING"):
        return None
    name = request.GET.get("explore")
    if name is None:
        return None
    if not 0 < len(name) <= exploration.MOST_NAME or not name.isprintable():
        error = {"pointer": "?explore", "message": "1 to 128 characters, all of them printable"}
        raise InvalidInput("explore is not valid", [error])
    share = float(selectors.setting(selectors.agent_by_id(agent_id), selectors.EXPLORATION))
    if not share:
        return None
    found = exploration.Exploration(agent_id, head.version, name, share)
    whole = selectors.snapshot(head.playbook_id, head.version).content
    session = found.session
    return Told(
        etag=f'{head.etag[:-1]}-{sha256(session.encode()).hexdigest()[:32]}"',
        content=dumps(found.content(whole)),
        document=dumps({"share": share, "session": session, "bullets": found.told(bullets(whole))}),
    )


def _rendered(agent_id: str, head: Head, content: bytes) -> bytes:
    ids = {"playbook_id": head.public_id, "agent_id": agent_id, "version": head.version}
    return b'%s,"content":%s,"last_updated":"%s","metadata":%s}' % (
        dumps(ids)[:-1],
        content,
        _time(head.updated_at),
        head.metadata.encode(),
    )


def _time(moment: datetime) -> bytes:
    return moment.isoformat().replace("+00:00", "Z").encode()


def _content(head: Head) -> bytes:
    """Return a version's content as the JSON text that PostgreSQL holds; it never changes."""
    key = f"json:{head.playbook_id}:{head.version}"
    found: bytes | None = caches["local"].get(key) if settings.ACE_ENABLE_CACHE else None
    metrics.CACHE_HITS.inc() if found else metrics.CACHE_MISSES.inc()
    if found:
        return found
    with connection.cursor() as cursor:
        cursor.execute(_CONTENT, [head.playbook_id, head.version])
        row = cursor.fetchone()
    if row is None:
        raise NotFound("the playbook is gone")
    text: bytes = row[0].encode()
    if settings.ACE_ENABLE_CACHE and len(text) <= CACHED_BYTES:
        caches["local"].set(key, text, settings.ACE_CACHE_TTL_SECONDS)
    return text
