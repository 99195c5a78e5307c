"""Two hash chains: a playbook's versions, and the audit events of an agent or of the system."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db import connection
from django.utils.crypto import salted_hmac

from playbooks.actors import Actor
from playbooks.content import Content, chain_hash, content_hash
from playbooks.models import Agent, AuditEvent, Delta, Playbook, PlaybookVersion, VersionKind

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


def _versions(playbook: Playbook) -> Iterator[PlaybookVersion]:
    rows = PlaybookVersion.objects.filter(playbook=playbook).select_related("delta")
    yield from rows.order_by("number").iterator(chunk_size=50)


def verify_versions(agent: Agent) -> Broken | None:
    """Recompute the chain of an agent's versions; None when every link holds."""
    playbook = agent.playbook
    expected, parent_hash, last = 1, GENESIS, None
    for version in _versions(playbook):
        name = f"version {version.number}"
        if version.number != expected:
            return Broken(agent.agent_id, f"version {expected}", "is missing")
        if content_hash(version.content) != version.content_hash:
            return Broken(agent.agent_id, name, "its content is not what was written")
        if version_hash(version, agent.agent_id, parent_hash) != version.hash:
            return Broken(agent.agent_id, name, "its hash does not follow from its parent's")
        expected, parent_hash, last = expected + 1, version.hash, version
    if last is None or (last.number, last.content_hash) != (
        playbook.version,
        playbook.content_hash,
    ):
        return Broken(agent.agent_id, f"version {playbook.version}", "is not the end of the chain")
    return None


def verify_events(chain: str) -> Broken | None:
    """Recompute a chain of audit events; None when every link holds."""
    previous, expected = GENESIS, 1
    rows = AuditEvent.objects.filter(chain=chain).order_by("number")
    for row in rows.iterator(chunk_size=500):
        if row.number != expected:
            return Broken(chain or "system", f"event {expected}", "is missing")
        if row.previous != previous or event_hash(row) != row.hash:
            return Broken(chain or "system", f"event {row.number}", "its hash does not hold")
        previous, expected = row.hash, expected + 1
    return None


def end_of_chain(chain: str) -> AuditEvent | None:
    """Return the newest event of a chain."""
    return AuditEvent.objects.filter(chain=chain).order_by("-number").first()


def erase_chain(chain: str) -> None:
    """Delete the events of an agent that is being erased."""
    AuditEvent.objects.filter(chain=chain).delete()


def pseudonym(agent_id: str) -> str:
    """Return what stands for an erased agent: stable within this installation, not reversible."""
    return f"erased-{salted_hmac('ace.erased', agent_id, algorithm='sha256').hexdigest()[:16]}"
