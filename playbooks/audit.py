"""Two hash chains: a playbook's versions, and the audit events of an agent or of the system."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.db.models import BooleanField, Q, QuerySet
from django.db.models.expressions import RawSQL
from django.utils.crypto import salted_hmac

from playbooks.actors import Actor, ActorKind
from playbooks.content import Content, chain_hash, content_hash
from playbooks.models import (
    Agent,
    AuditEvent,
    Delta,
    Playbook,
    PlaybookVersion,
    Verification,
    VersionKind,
)

SYSTEM = ""
GENESIS = "0" * 64


def version_hash(version: PlaybookVersion, agent_id: str, parent_hash: str) -> str:
    """Return the link of `version` to its parent: SHA-256 over parent's hash and every field."""
    delta_id = str(version.delta.delta_id) if version.delta else None
    return chain_hash(
        parent_hash,
        {
            "agent_id": agent_id,
            "number": version.number,
            "parent": version.parent,
            "content_hash": version.content_hash,
            "kind": str(version.kind),
            "delta_id": delta_id,
            "restored": version.restored,
            "author": version.author,
            "reason": version.reason,
            "created_at": version.created_at.isoformat(),
        },
    )


def append_version(
    playbook: Playbook,
    content: Content,
    *,
    kind: VersionKind,
    author: Actor,
    now: datetime,
    reason: str = "",
    delta: Delta | None = None,
    restored: int | None = None,
) -> PlaybookVersion:
    """Add the next version and move the head; the caller holds the playbook's row lock."""
    parent = playbook.versions.filter(number=playbook.version).only("hash").first()
    version = PlaybookVersion(
        playbook=playbook,
        number=playbook.version + 1 if parent else 1,
        content=content,
        parent=playbook.version if parent else None,
        kind=kind,
        delta=delta,
        restored=restored,
        author=str(author),
        reason=reason,
        created_at=now,
        content_hash=content_hash(content),
    )
    version.hash = version_hash(
        version, playbook.agent.agent_id, parent.hash if parent else GENESIS
    )
    version.save(force_insert=True)
    playbook.version = version.number
    playbook.content_hash = version.content_hash
    playbook.updated_at = now
    playbook.save(update_fields=["version", "content_hash", "updated_at"])
    return version


def record(
    chain: str,
    event: str,
    actor: Actor,
    *,
    now: datetime,
    subject: str = "",
    data: dict[str, Any] | None = None,
) -> AuditEvent:
    """Append an event to a chain. One writer per chain at a time, until its transaction ends."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT pg_advisory_xact_lock(hashtextextended(%s, 7))", [chain])
    last = AuditEvent.objects.filter(chain=chain).order_by("-number").first()
    row = AuditEvent(
        chain=chain,
        number=last.number + 1 if last else 1,
        event=event,
        actor=str(actor),
        subject=subject,
        data=data or {},
        created_at=now,
        previous=last.hash if last else GENESIS,
    )
    row.hash = event_hash(row)
    row.save(force_insert=True)
    return row


def event_hash(row: AuditEvent) -> str:
    """Return the link of an audit event to the one before it."""
    return chain_hash(
        row.previous,
        {
            "chain": row.chain,
            "number": row.number,
            "event": row.event,
            "actor": row.actor,
            "subject": row.subject,
            "data": row.data,
            "created_at": row.created_at.isoformat(),
        },
    )


@dataclass(frozen=True, slots=True)
class Broken:
    """The first link of a chain that does not hold."""

    chain: str
    link: str
    problem: str


@dataclass(frozen=True, slots=True)
class Link:
    """The link up to which a chain was checked: the next one has to follow from it."""

    number: int = 0
    hash: str = GENESIS


@dataclass(frozen=True, slots=True)
class Stretch:
    """Some links of a chain, checked: how many, the last that holds, and whether more follow."""

    links: int
    last: Link
    broken: Broken | None
    ended: bool


def verify_versions(agent: Agent) -> Broken | None:
    """Recompute the chain of an agent's versions; None when every link holds."""
    last, found = Link(), None
    while found is None or not found.ended:
        found = check_versions(agent, last, 1000)
        last = found.last
    return found.broken


def check_versions(agent: Agent, after: Link, at_most: int) -> Stretch:
    """Recompute up to `at_most` versions that follow `after`."""
    rows = PlaybookVersion.objects.filter(playbook=agent.playbook, number__gt=after.number)
    last, links = after, 0
    for version in rows.select_related("delta").order_by("number")[:at_most].iterator(50):
        broken = _broken_version(version, agent.agent_id, last)
        if broken:
            return Stretch(links, last, broken, ended=True)
        last, links = Link(version.number, version.hash), links + 1
    if links == at_most:
        return Stretch(links, last, None, ended=False)
    return _end_of_versions(agent, last, links)


def _broken_version(version: PlaybookVersion, agent_id: str, last: Link) -> Broken | None:
    if version.number != last.number + 1:
        return Broken(agent_id, f"version {last.number + 1}", "is missing")
    name = f"version {version.number}"
    if content_hash(version.content) != version.content_hash:
        return Broken(agent_id, name, "its content is not what was written")
    if version_hash(version, agent_id, last.hash) != version.hash:
        return Broken(agent_id, name, "its hash does not follow from its parent's")
    return None


def _end_of_versions(agent: Agent, last: Link, links: int) -> Stretch:
    """Compare the last version read with the head, which may have moved on meanwhile."""
    heads = Playbook.objects.filter(pk=agent.playbook.pk)
    head = heads.values_list("version", "content_hash").first()
    if head is None:
        return Stretch(links, last, None, ended=True)
    newest = PlaybookVersion.objects.filter(playbook=agent.playbook, number__gte=last.number)
    known = dict(newest.values_list("number", "content_hash"))
    if head[0] > last.number and last.number + 1 in known:
        return Stretch(links, last, None, ended=False)
    holds = head[0] == last.number and known.get(head[0]) == head[1]
    broken = None if holds else _headless(agent.agent_id, head[0])
    return Stretch(links, last, broken, ended=True)


def _headless(agent_id: str, version: int) -> Broken:
    return Broken(agent_id, f"version {version}", "is not the end of the chain")


def verify_events(chain: str) -> Broken | None:
    """Recompute a chain of audit events; None when every link holds."""
    last, found = Link(), None
    while found is None or not found.ended:
        found = check_events(chain, last, 10_000)
        last = found.last
    return found.broken


def check_events(chain: str, after: Link, at_most: int) -> Stretch:
    """Recompute up to `at_most` audit events that follow `after`."""
    rows = AuditEvent.objects.filter(chain=chain, number__gt=after.number).order_by("number")
    last, links = after, 0
    for row in rows[:at_most].iterator(chunk_size=500):
        name = chain or "system"
        broken = None
        if row.number != last.number + 1:
            broken = Broken(name, f"event {last.number + 1}", "is missing")
        elif row.previous != last.hash or event_hash(row) != row.hash:
            broken = Broken(name, f"event {row.number}", "its hash does not hold")
        if broken:
            return Stretch(links, last, broken, ended=True)
        last, links = Link(row.number, row.hash), links + 1
    return Stretch(links, last, None, ended=links < at_most)


# PostgreSQL reads a whole index for DISTINCT; this takes one step per name.
_NAMES = """
WITH RECURSIVE found(event) AS (
  (SELECT event FROM audit_events ORDER BY event LIMIT 1)
  UNION ALL
  SELECT (SELECT event FROM audit_events WHERE event > found.event ORDER BY event LIMIT 1)
  FROM found WHERE event IS NOT NULL)
SELECT event FROM found WHERE event IS NOT NULL
"""
# As in migration 0006, so that its index serves.
_WORDS = (
    "to_tsvector('simple'::regconfig, subject || ' ' || data::text) @@ to_tsquery('simple', %s)"
)
MOST_WORDS = 10
# Events of two chains may get their numbers in another order than their times.
_OUT_OF_ORDER = 10_000


def event_names() -> list[str]:
    """Return the names of all kinds of event that there are, in order."""
    with connection.cursor() as cursor:
        cursor.execute(_NAMES)
        return [name for (name,) in cursor.fetchall()]


def with_words(rows: QuerySet[AuditEvent], text: str) -> QuerySet[AuditEvent]:
    """Return the events whose subject or data have words that begin with each word of `text`."""
    words = [word.replace("\\", "\\\\").replace("'", "''") for word in text.split()]
    query = " & ".join(f"'{word}':*" for word in words[:MOST_WORDS])
    return rows.filter(RawSQL(_WORDS, [query], output_field=BooleanField()))


def by_actor(rows: QuerySet[AuditEvent], name: str) -> QuerySet[AuditEvent]:
    """Return the events of actors whose name, or `kind:name`, begins with `name`."""
    wanted = Q(actor__istartswith=name)
    for kind in ActorKind:
        wanted |= Q(actor__istartswith=f"{kind}:{name}")
    return rows.filter(wanted)


def between(
    rows: QuerySet[AuditEvent], since: datetime | None, until: datetime | None
) -> QuerySet[AuditEvent]:
    """Return the events from `since` on and before `until`; None is open.

    The bounds on the key let a list that is ordered by it begin where the time does.
    """
    every = AuditEvent.objects.values_list("pk", flat=True)
    if since is not None:
        first = every.filter(created_at__gte=since).order_by("created_at").first()
        low = 2**62 if first is None else first - _OUT_OF_ORDER
        rows = rows.filter(created_at__gte=since, pk__gte=low)
    if until is not None:
        last = every.filter(created_at__lt=until).order_by("-created_at").first()
        high = 0 if last is None else last + _OUT_OF_ORDER
        rows = rows.filter(created_at__lt=until, pk__lte=high)
    return rows


def end_of_chain(chain: str) -> AuditEvent | None:
    """Return the newest event of a chain."""
    return AuditEvent.objects.filter(chain=chain).order_by("-number").first()


def erase_chain(chain: str) -> None:
    """Delete the events of an agent that is being erased, and who verified them."""
    AuditEvent.objects.filter(chain=chain).delete()
    Verification.objects.filter(chain=chain).delete()
    for row in Verification.objects.filter(problems__contains=[{"chain": chain}]):
        named = pseudonym(chain)
        row.problems = [{**p, "chain": named} if p["chain"] == chain else p for p in row.problems]
        row.save(update_fields=["problems"])


def pseudonym(agent_id: str) -> str:
    """Return what stands for an erased agent: stable within this installation, not reversible."""
    return f"erased-{salted_hmac('ace.erased', agent_id, algorithm='sha256').hexdigest()[:16]}"
