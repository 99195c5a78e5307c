"""How agents, versions, bullets and deltas look in JSON (shapes: `answers.py`)."""

from typing import Any

from playbooks import selectors, services
from playbooks.content import Bullet
from playbooks.models import Agent, Delta, PlaybookVersion
from playbooks.models import Bullet as BulletRow


def agent_document(agent: Agent) -> dict[str, Any]:
    """Return an agent read with its playbook."""
    return {
        "agent_id": agent.agent_id,
        "playbook_id": agent.playbook.public_id,
        "name": agent.name,
        "metadata": agent.metadata,
        "mode": agent.mode,
        "simulated": agent.simulated,
        "version": agent.playbook.version,
        "created_at": agent.created_at,
    }


def created_playbook_document(agent: Agent) -> dict[str, Any]:
    """Return a playbook that was just made."""
    playbook = agent.playbook
    return {
        "playbook_id": playbook.public_id,
        "agent_id": agent.agent_id,
        "version": playbook.version,
        "content": selectors.head(playbook).content,
        "created_at": playbook.created_at,
    }


def version_document(version: PlaybookVersion) -> dict[str, Any]:
    """Return a version without its content; read with `version_rows`."""
    return {
        "version": version.number,
        "parent": version.parent,
        "kind": version.kind,
        "author": version.author,
        "reason": version.reason,
        "delta_id": version.delta_uuid,  # type: ignore[attr-defined]  # by version_rows
        "restored": version.restored,
        "created_at": version.created_at,
        "hash": version.hash,
    }


def bullet_document(bullet: Bullet, row: BulletRow | None) -> dict[str, Any]:
    """Return a bullet of a version with what is known of it."""
    return {
        "bullet_id": bullet.bullet_id,
        "section": bullet.section,
        "text": bullet.text,
        "position": bullet.position,
        "lineage": row.lineage if row else [],
        "introduced_version": row.introduced_version if row else None,
        "introduced_by": row.introduced_by if row else None,
        "counters": {
            "used": row.used if row else 0,
            "helped": row.helped if row else 0,
            "harmed": row.harmed if row else 0,
        },
    }


def delta_document(delta: Delta) -> dict[str, Any]:
    """Return a delta read with its playbook and agent."""
    return {
        "delta_id": delta.delta_id,
        "client_delta_id": delta.client_delta_id,
        "agent_id": delta.playbook.agent.agent_id,
        "base_version": delta.base_version,
        "status": delta.status,
        "operations": delta.operations,
        "conflicts": delta.conflicts,
        "confidence": delta.confidence,
        "raw_confidence": delta.raw_confidence,
        "reasoning": delta.reasoning,
        "evidence": delta.evidence,
        "verdicts": delta.verdicts,
        "source": delta.source,
        "author": delta.author,
        "created_at": delta.created_at,
        "decided_at": delta.decided_at,
        "decided_by": delta.decided_by or None,
        "decision_reason": delta.decision_reason or None,
        "applied_version": delta.applied_version,
        "replaces": delta.replaces,
    }


def one_delta_document(delta: Delta) -> dict[str, Any]:
    """Return a delta with who has approved it so far, and how many have to."""
    quorum = services.approvals_of(delta)
    given = [{"by": row.reviewer, "at": row.created_at} for row in quorum.given]
    return {
        **delta_document(delta),
        "approvals": given,
        "approvals_needed": quorum.needed,
    }
