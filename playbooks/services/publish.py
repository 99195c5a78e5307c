"""The one way a playbook's head moves: lock, append, keep the bullets' records, tell the apps."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.db.models import Q

from ace_project.core import heads
from ace_project.core.errors import NotFound
from playbooks import audit, selectors
from playbooks.actors import Actor
from playbooks.content import Content, bullets
from playbooks.models import (
    Bullet,
    Delta,
    DeltaStatus,
    Playbook,
    PlaybookVersion,
    VersionKind,
)
from playbooks.operations import rebase
from playbooks.signals import version_published


def locked_playbook(playbook_id: int) -> Playbook:
    """Return the playbook with its row locked until the transaction ends; raises NotFound."""
    rows = Playbook.objects.select_for_update(of=("self",)).select_related("agent")
    playbook = rows.filter(pk=playbook_id).first()
    if playbook is None:
        raise NotFound("the playbook is gone")
    return playbook


def locked_delta(delta: Delta) -> tuple[Delta, Playbook]:
    """Return a delta and its playbook with both rows locked until the transaction ends."""
    playbook = locked_playbook(delta.playbook_id)
    row = Delta.objects.select_for_update().get(pk=delta.pk)
    row.playbook = playbook
    return row, playbook


def publish(
    playbook: Playbook,
    content: Content,
    *,
    kind: VersionKind,
    author: Actor,
    now: datetime,
    reason: str = "",
    delta: Delta | None = None,
    restored: int | None = None,
    lineage: list[dict[str, Any]] | None = None,
) -> PlaybookVersion:
    """Append a version to a locked playbook and make it live."""
    before = selectors.head(playbook).content if kind != VersionKind.CREATED else {}
    version = audit.append_version(
        playbook,
        content,
        kind=kind,
        author=author,
        now=now,
        reason=reason,
        delta=delta,
        restored=restored,
    )
    _keep_bullets(playbook, before, version, delta, lineage or [])
    _reconsider_waiting(playbook, content, delta)
    audit.record(
        playbook.agent.agent_id,
        "version_published",
        author,
        now=now,
        subject=f"version {version.number}",
        data={
            "kind": str(kind),
            "hash": version.hash,
            "reason": reason,
            "delta_id": str(delta.delta_id) if delta else None,
            "restored": restored,
        },
    )
    agent_id, pointer = playbook.agent.agent_id, selectors.pointer(playbook)
    transaction.on_commit(lambda: heads.advance(agent_id, pointer))
    version_published.send(sender=PlaybookVersion, version=version, playbook=playbook)
    return version


def _keep_bullets(
    playbook: Playbook,
    before: Content,
    version: PlaybookVersion,
    delta: Delta | None,
    lineage: list[dict[str, Any]],
) -> None:
    """Record who brought in each bullet that this version has for the first time."""
    changed = {k: v for k, v in version.content.items() if before.get(k) != v}
    old = {b.bullet_id for b in bullets({k: before[k] for k in changed if k in before})}
    parents = {entry["bullet_id"]: entry["from"] for entry in lineage}
    fresh = {b.bullet_id: b for b in bullets(changed) if b.bullet_id not in old}
    Bullet.objects.bulk_create(
        [
            Bullet(
                playbook=playbook,
                bullet_id=bullet.bullet_id,
                section=bullet.section,
                text=bullet.text,
                introduced_version=version.number,
                introduced_by=version.author,
                delta=delta,
                lineage=parents.get(bullet.bullet_id, []),
            )
            for bullet in fresh.values()
        ],
        ignore_conflicts=True,
        batch_size=1000,
    )
    _inherit(playbook, {name: parents[name] for name in parents.keys() - fresh.keys()})


def _inherit(playbook: Playbook, parents: dict[str, list[str]]) -> None:
    """Let bullets that stood already be heirs of what a merge folded into them.

    Where the forebears were used, both are counted anew together: a run may have used both.
    """
    rows = Bullet.objects.filter(playbook=playbook)
    for row in rows.filter(bullet_id__in=[name for name, old in parents.items() if old]):
        row.lineage = [*dict.fromkeys([*row.lineage, *parents[row.bullet_id]])]
        if rows.filter(bullet_id__in=row.lineage, used__gt=0).exists():
            row.used = row.helped = row.harmed = 0
        row.save(update_fields=["lineage", "used", "helped", "harmed"])


def _reconsider_waiting(playbook: Playbook, content: Content, applied: Delta | None) -> None:
    """Let the status of each waiting delta say whether it still fits what is live now.

    Deltas of additions alone always fit, and are most: they are not looked at.
    """
    touching = Q()
    for name in ("update", "remove", "merge", "move", "set", "unset"):
        touching |= Q(operations__contains=[{"op": name}])
    standing = (DeltaStatus.PENDING_REVIEW, DeltaStatus.CONFLICT)
    waiting = Delta.objects.filter(touching, playbook=playbook, status__in=standing)
    # There may be thousands, and their evidence is most of them.
    read = waiting.only("operations", "expectations", "conflicts", "status")
    for delta in read.iterator(chunk_size=500):
        if delta == applied:
            continue
        conflicts = rebase(delta.expectations, delta.operations, content).conflicts
        if conflicts != delta.conflicts:
            delta.conflicts = conflicts
            delta.status = DeltaStatus.CONFLICT if conflicts else DeltaStatus.PENDING_REVIEW
            delta.save(update_fields=["conflicts", "status"])


def keep_aliases(playbook: Playbook, content: Content, aliases: dict[str, Any]) -> None:
    """Keep what a file's source called its bullets: per section, in the order of their places."""
    wanted: dict[str, list[Any]] = {}
    for bullet in bullets(content):
        given = aliases.get(bullet.section, [])
        if bullet.position < len(given) and given[bullet.position]:
            wanted.setdefault(bullet.bullet_id, []).append(given[bullet.position])
    rows = list(Bullet.objects.filter(playbook=playbook, bullet_id__in=wanted))
    for row in rows:
        row.aliases = wanted[row.bullet_id]
    Bullet.objects.bulk_update(rows, ["aliases"], batch_size=500)
