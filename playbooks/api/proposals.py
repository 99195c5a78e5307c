"""A change that came over REST: handed to the one service, and what became of it in HTTP."""

from typing import Any

from django.http.response import HttpResponseBase
from rest_framework.response import Response

from ace_project.core.api import problems
from ace_project.core.errors import Conflict
from playbooks import services
from playbooks.actors import Actor
from playbooks.models import Agent, DeltaStatus, Source


def propose(
    agent: Agent,
    data: dict[str, Any],
    author: Actor,
    *,
    if_match: str | None = None,
    may_apply: bool = True,
) -> services.Outcome:
    """Propose what a validated body asks for."""
    return services.propose_delta(
        agent=agent,
        operations=data.get("operations"),
        changes=data.get("changes"),
        confidence=data["confidence"],
        source=Source.AGENT,
        author=author,
        reasoning=data.get("reasoning", ""),
        client_delta_id=data.get("delta_id"),
        base_version=data.get("base_version"),
        if_match=if_match,
        may_apply=may_apply,
        replaces=data.get("replaces"),
    )


def proposal_answer(outcome: services.Outcome) -> HttpResponseBase:
    """Return 200 when the change is live, 409 in conflict, else 202 with the delta's status."""
    delta = outcome.delta
    if delta.status == DeltaStatus.CONFLICT:
        return conflict_answer(outcome)
    document = {
        "playbook_id": delta.playbook.public_id,
        "version": outcome.version,
        "delta_id": delta.delta_id,
        "client_delta_id": delta.client_delta_id,
        "applied": outcome.applied,
        "status": delta.status,
    }
    if outcome.applied:
        return Response({**document, "rollback_available": True})
    return Response({**document, "reason": delta.decision_reason or None}, status=202)


def conflict_answer(outcome: services.Outcome) -> HttpResponseBase:
    """Return 409 with the operations that do not fit; nothing is raised, for the delta is kept."""
    delta = outcome.delta
    return problems.of(
        Conflict(
            "the change no longer fits the live version",
            delta_id=str(delta.delta_id),
            client_delta_id=delta.client_delta_id,
            delta_status=delta.status,
            version=outcome.version,
            conflicts=delta.conflicts,
        )
    ).response()
