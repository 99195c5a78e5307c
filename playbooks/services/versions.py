"""Whole versions: rolled back to, or replaced by an import. History is never rewritten."""

from datetime import datetime
from typing import Any

from django.db import transaction
from django.utils import timezone

from ace_project.core.errors import Conflict, Forbidden, InvalidInput
from playbooks import audit, selectors
from playbooks.actors import Actor, ActorKind
from playbooks.content import ContentError, normalise_content, same
from playbooks.models import (
    Agent,
    Delta,
    DeltaStatus,
    Playbook,
    PlaybookVersion,
    VersionKind,
)
from playbooks.services.publish import keep_aliases, locked_playbook, publish


@transaction.atomic
def roll_back_to(
    *, agent: Agent, to_version: int, reason: str, author: Actor, live: int | None = None
) -> PlaybookVersion:
    """Publish a new version with the content of an earlier one.

    `live` is the version that was live when the author looked. Raises NotFound for a version that
    never was, InvalidInput without a reason or for the live one, Conflict where another is live by
    now, Forbidden for a token where its own agent's delta would come back by it.
    """
    if not reason.strip():
        raise InvalidInput(
            "a roll back needs a reason", [{"pointer": "/reason", "message": "may not be empty"}]
        )
    playbook = locked_playbook(agent.playbook.pk)
    if live is not None and live != playbook.version:
        raise Conflict(_moved_on(playbook))
    if to_version == playbook.version:
        message = f"version {to_version} is live already"
        raise InvalidInput(message, [{"pointer": "/to_version", "message": message}])
    target = selectors.snapshot(playbook.pk, to_version)
    _refuse_own_return(playbook, to_version, author)
    now = timezone.now()
    version = publish(
        playbook,
        target.content,
        kind=VersionKind.ROLLBACK,
        author=author,
        now=now,
        reason=reason.strip(),
        restored=to_version,
    )
    mark_effective(playbook, author, f"roll back to version {to_version}", now)
    return version


def _moved_on(playbook: Playbook) -> str:
    """Return who made which version live meanwhile, as a sentence without its full stop."""
    newest = PlaybookVersion.objects.filter(playbook=playbook, number=playbook.version)
    kind, _, name = newest.values_list("author", flat=True)[0].partition(":")
    return (
        f"v{playbook.version} went live meanwhile, by {name or kind}: look at what a roll back "
        "changes now"
    )


def _refuse_own_return(playbook: Playbook, to_version: int, author: Actor) -> None:
    """Raise Forbidden where a token would bring back what people took out of its own proposals."""
    if author.kind not in (ActorKind.AGENT, ActorKind.SERVICE):
        return
    returning = selectors.effective_deltas(playbook, to_version)
    returning -= selectors.effective_deltas(playbook, playbook.version)
    if Delta.objects.filter(pk__in=returning, author=str(author)).exists():
        raise Forbidden("a token never brings back a delta that its own agent proposed")


def mark_effective(playbook: Playbook, by: Actor, reason: str, now: datetime) -> None:
    """Let each delta's status say whether its effect is in the live version; audit what moves."""
    live = selectors.effective_deltas(playbook, playbook.version)
    # A delta that changed nothing when applied has no version of its own to lose its effect with.
    versions = PlaybookVersion.objects.filter(playbook=playbook, kind=VersionKind.DELTA)
    ours = Delta.objects.filter(playbook=playbook, pk__in=versions.values("delta_id"))
    gone = ours.filter(status=DeltaStatus.APPLIED).exclude(pk__in=live)
    back = ours.filter(status=DeltaStatus.UNDONE, pk__in=live)
    moved = [(delta, DeltaStatus.UNDONE) for delta in gone]
    moved += [(delta, DeltaStatus.APPLIED) for delta in back]
    for delta, status in moved:
        delta.status = status
        delta.save(update_fields=["status"])
        audit.record(
            playbook.agent.agent_id,
            f"delta_{status}",
            by,
            now=now,
            subject=f"delta {delta.pk}",
            data={"delta_id": str(delta.delta_id), "reason": reason},
        )


@transaction.atomic
def import_playbook(
    *, agent: Agent, content: Any, author: Actor, reason: str, aliases: dict[str, Any] | None = None
) -> PlaybookVersion | None:
    """Replace the live content by an imported one; None when it is the same already.

    `aliases` keeps source ids and counters per section, aligned with the bullets' positions.
    """
    try:
        value = normalise_content(content)
    except ContentError as error:
        raise InvalidInput(f"the playbook cannot be kept: {error}") from error
    playbook = locked_playbook(agent.playbook.pk)
    version = None
    now = timezone.now()
    if not same(value, selectors.head(playbook).content):
        version = publish(
            playbook,
            value,
            kind=VersionKind.IMPORT,
            author=author,
            now=now,
            reason=reason,
        )
        mark_effective(playbook, author, reason, now)
    keep_aliases(playbook, value, aliases or {})
    return version
