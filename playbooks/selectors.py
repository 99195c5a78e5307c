"""Reads of playbooks that are used in more than one place."""

import contextlib
import uuid
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.conf import settings
from django.core.cache import caches
from django.db.models import Q, QuerySet

from ace_project.core import metrics
from ace_project.core.api.render import dumps
from ace_project.core.errors import NotFound
from ace_project.core.heads import Head
from playbooks.content import Content, bullets
from playbooks.exploration import MOST_SHARE
from playbooks.judges.waived import Waived
from playbooks.models import (
    Agent,
    Bullet,
    Delta,
    DeltaStatus,
    Playbook,
    PlaybookVersion,
    Verification,
    Waiver,
)

# The share of its bullets that an agent leaves out by chance where it asks to; 0 is off.
EXPLORATION = "ACE_EXPLORATION_SHARE"
# What an operator may override for one agent (contracts.md section 5, the starred).
OVERRIDE_RANGE: dict[str, tuple[float, float]] = {
    "ACE_CONFIDENCE_THRESHOLD": (0.0, 1.0),
    "ACE_MAX_DELTAS_PER_EVOLUTION": (1, 100),
    "ACE_EVOLUTION_INTERVAL": (1, 1_000_000),
    "ACE_MIN_TRACES_FOR_EVOLUTION": (1, 1_000_000),
    "ACE_PLAYBOOK_MAX_TOKENS": (0, 10_000_000),
    "ACE_MONTHLY_BUDGET_USD": (0.0, 1e9),
    EXPLORATION: (0.0, MOST_SHARE),
}

# Overridden by a text: the language model that an agent's runs ask.
MODEL = "ACE_LLM_MODEL"


def setting(agent: Agent, name: str) -> Any:
    """Return the value of an overridable setting as it holds for `agent`."""
    return agent.overrides.get(name, getattr(settings, name))


def agent_by_id(agent_id: str) -> Agent:
    """Return the agent with its playbook; raises NotFound."""
    try:
        return Agent.objects.select_related("playbook").get(agent_id=agent_id)
    except Agent.DoesNotExist:
        raise NotFound(f"there is no agent {agent_id!r}") from None


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One version's immutable content with what a reader needs beside it."""

    number: int
    content: Content
    content_hash: str


def snapshot(playbook_id: int, number: int) -> Snapshot:
    """Return version `number`; immutable, so it may be cached for ever; raises NotFound."""
    key = f"version:{playbook_id}:{number}"
    found: Snapshot | None = caches["local"].get(key) if settings.ACE_ENABLE_CACHE else None
    metrics.CACHE_HITS.inc() if found else metrics.CACHE_MISSES.inc()
    if found:
        return found
    row = (
        PlaybookVersion.objects.filter(playbook_id=playbook_id, number=number)
        .values_list("number", "content", "content_hash")
        .first()
    )
    if row is None:
        raise NotFound(f"there is no version {number}")
    result = Snapshot(*row)
    if settings.ACE_ENABLE_CACHE:
        caches["local"].set(key, result, settings.ACE_CACHE_TTL_SECONDS)
    return result


def head(playbook: Playbook) -> Snapshot:
    """Return the live version of `playbook` as its row was read."""
    return snapshot(playbook.pk, playbook.version)


def pointer(playbook: Playbook) -> Head:
    """Return the head pointer that stands in a playbook's row."""
    return Head(
        playbook.pk,
        str(playbook.public_id),
        playbook.version,
        playbook.content_hash,
        playbook.updated_at,
        dumps(playbook.agent.metadata).decode(),
    )


def deltas_for_lists() -> QuerySet[Delta]:
    """Return deltas with what a row of a list shows, and no query per row."""
    return Delta.objects.select_related("playbook__agent")


def effective_deltas(playbook: Playbook, number: int) -> set[int]:
    """Return ids of the deltas whose effect is in version `number`, through roll backs."""
    rows = PlaybookVersion.objects.filter(playbook=playbook, number__lte=number)
    effects: dict[int, frozenset[int]] = {}
    fields = ("number", "parent", "kind", "delta_id", "restored")
    for n, parent, kind, delta, restored in rows.order_by("number").values_list(*fields):
        before = effects.get(parent or 0, frozenset())
        if kind == "rollback":
            effects[n] = effects.get(restored or 0, frozenset())
        elif kind == "undo":
            effects[n] = before - {delta}
        else:
            effects[n] = before | {delta} if delta else before
    return set(effects.get(number, frozenset()))


def delta_named(name: str) -> Delta:
    """Return the delta of that number or delta_id; raises NotFound."""
    rows = deltas_for_lists()
    found = None
    if name.isascii() and name.isdigit():
        found = rows.filter(pk=name).first() if len(name) < 19 else None
    else:
        with contextlib.suppress(ValueError):
            found = rows.filter(delta_id=uuid.UUID(name)).first()
    if found is None:
        raise NotFound(f"there is no delta {name!r}")
    return found


def successor_of(delta: Delta) -> int | None:
    """Return the delta that took the place of one that was edited or revised, by its number."""
    if delta.status != DeltaStatus.REJECTED:
        return None
    edit = Q(evidence__contains={"edited_from": str(delta.delta_id)})
    rows = Delta.objects.filter(edit | Q(replaces=delta.delta_id), playbook=delta.playbook_id)
    return rows.filter(pk__gt=delta.pk).order_by("-pk").values_list("pk", flat=True).first()


def aliases(agent: Agent, content: Content) -> dict[str, list[Any]]:
    """Return per section the source ids and counters of its bullets, by their positions."""
    known = dict(
        Bullet.objects.filter(playbook=agent.playbook)
        .exclude(aliases=[])
        .values_list("bullet_id", "aliases")
    )
    left = {bullet_id: iter(found) for bullet_id, found in known.items()}
    result: dict[str, list[Any]] = {}
    for bullet in bullets(content):
        alias = next(left.get(bullet.bullet_id, iter(())), None)
        result.setdefault(bullet.section, []).append(alias)
    return result


def successors(
    playbook: Playbook, operations: Sequence[dict[str, Any]], content: Content
) -> dict[str, str]:
    """Return, for bullets that operations name and `content` has no more, what they became.

    A lesson that was reworded several times is followed to the wording that stands now.
    """
    here = {bullet.bullet_id for bullet in bullets(content)}
    named = {op["bullet_id"] for op in operations if "bullet_id" in op}
    named |= {name for op in operations for name in op.get("bullet_ids", ())}
    gone = named - here
    if not gone:
        return {}
    reworded = Bullet.objects.filter(playbook=playbook).exclude(lineage=[])
    heirs: dict[str, list[str]] = {}
    for bullet_id, lineage in reworded.values_list("bullet_id", "lineage"):
        for old in lineage:
            heirs.setdefault(old, []).append(bullet_id)
    found = {name: _living_heir(name, heirs, here) for name in gone}
    return {name: heir for name, heir in found.items() if heir is not None}


def waivers_in_force(agent: Agent, delta: Delta, now: datetime) -> dict[str, Waived]:
    """Return by judge the waiver that holds for a delta at `now`; the one that ends last."""
    rows = Waiver.objects.filter(agent=agent, ended_at=None, expires_at__gt=now)
    rows = rows.filter(Q(delta=None) | Q(delta=delta)).order_by("expires_at", "id")
    return {row.judge: Waived(row.pk, row.waived_by, row.reason, row.expires_at) for row in rows}


def waivers_of(agent: Agent, limit: int) -> list[Waiver]:
    """Return the newest waivers of an agent, the ended ones too, with their deltas."""
    return list(Waiver.objects.filter(agent=agent).select_related("delta")[:limit])


def latest_verification(chain: str | None) -> Verification | None:
    """Return the newest verification that covers a chain (None: every chain)."""
    covers = Q(chain=None) if chain is None else Q(chain=None) | Q(chain=chain)
    return Verification.objects.filter(covers).order_by("-id").first()


def _living_heir(name: str, heirs: dict[str, list[str]], here: set[str]) -> str | None:
    seen, queue = {name}, [name]
    while queue:
        for heir in heirs.get(queue.pop(0), ()):
            if heir in here:
                return heir
            if heir not in seen:
                seen.add(heir)
                queue.append(heir)
    return None
