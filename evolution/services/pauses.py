"""Holding evolution back, for one agent or for all, and letting it go on."""

from django.db import transaction
from django.db.models import Q
from django.utils import timezone

from ace_project.core.work.leases import JobStatus
from evolution.models import Deliberation, EvolutionRun, Pause
from playbooks import audit
from playbooks.actors import Actor
from playbooks.models import Agent


@transaction.atomic
def pause_evolution(*, agent: Agent | None, by: Actor, reason: str = "") -> Pause:
    """Hold evolution back for `agent`, or for all where it is None; one that holds is returned.

    Nothing new starts; a run under way goes back to the queue at the end of its present stage.
    """
    pause, made = Pause.objects.get_or_create(
        agent=agent, defaults={"reason": reason, "paused_by": str(by)}
    )
    if made:
        _record(agent, "evolution_paused", by, {"reason": reason} if reason else {})
    return pause


@transaction.atomic
def resume_evolution(*, agent: Agent | None, by: Actor) -> bool:
    """End the pause of `agent`, or that of all; what waited goes on. False: there was none.

    The two kinds are apart: an agent that is paused by itself stays so when all are resumed.
    """
    pause = Pause.objects.select_for_update().filter(agent=agent).first()
    if pause is None:
        return False
    since = {"paused_by": pause.paused_by, "paused_at": pause.created_at.isoformat()}
    pause.delete()
    _record(agent, "evolution_resumed", by, since)
    # Offered anew at once, not when the last offer is stale.
    of_run = Q() if agent is None else Q(agent=agent)
    of_delta = Q() if agent is None else Q(delta__playbook__agent=agent)
    EvolutionRun.objects.filter(of_run, status=JobStatus.QUEUED).update(offered_at=None)
    Deliberation.objects.filter(of_delta, status=JobStatus.QUEUED).update(offered_at=None)
    return True


def _record(agent: Agent | None, event: str, by: Actor, data: dict[str, str]) -> None:
    chain = agent.agent_id if agent else audit.SYSTEM
    subject = agent.agent_id if agent else "all agents"
    audit.record(chain, event, by, now=timezone.now(), subject=subject, data=data)
