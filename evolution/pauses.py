"""Whether evolution is held back, and what that means for a run that is under way."""

from django.db.models import F, Q, QuerySet

from ace_project.core.work import leases
from evolution.models import Deliberation, EvolutionRun, Pause
from playbooks.models import Agent


def pause_of(agent: Agent) -> Pause | None:
    """Return the pause that holds the agent back, the one for all first; None: it may evolve."""
    rows = Pause.objects.filter(Q(agent__isnull=True) | Q(agent=agent))
    return rows.order_by(F("agent").asc(nulls_first=True)).first()


def is_paused(agent: Agent) -> bool:
    """Return whether evolution of the agent is held back, for it alone or for all."""
    return pause_of(agent) is not None


def pause_of_agent(agent: Agent) -> Pause | None:
    """Return the pause of this agent alone, None while there is none."""
    return Pause.objects.filter(agent=agent).select_related("agent").first()


def pause_of_all() -> Pause | None:
    """Return the pause of all evolution, None while there is none."""
    return Pause.objects.filter(agent__isnull=True).first()


def paused_agents() -> QuerySet[Pause]:
    """Return the pauses of single agents, the oldest first."""
    return Pause.objects.filter(agent__isnull=False).select_related("agent").order_by("id")


def told(pause: Pause) -> str:
    """Return why nothing runs, as part of a sentence."""
    whom = "for all agents" if pause.agent_id is None else "for this agent"
    return f"evolution is paused {whom}" + (f": {pause.reason}" if pause.reason else "")


def stop_if_paused(job: EvolutionRun | Deliberation) -> None:
    """Between stages and before each call of a model: hand a paused job back to the queue.

    Raises HandedBack when it did, LeaseLost when the job is another's by now.
    """
    agent = job.agent if isinstance(job, EvolutionRun) else job.delta.playbook.agent
    if is_paused(agent):
        leases.hand_back(job)
        kind = "run" if isinstance(job, EvolutionRun) else "deliberation"
        raise leases.HandedBack(f"{kind} {job.pk} waits until evolution is resumed")
